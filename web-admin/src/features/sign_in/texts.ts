export const texts = {
  title: 'Sign in',
  lead: 'Administration of this Weir installation.',
  email: 'E-mail',
  password: 'Password',
  submit: 'Sign in',
  needEmail: 'Enter your e-mail address',
  needPassword: 'Enter your password',
  wrong: {
    title: 'That did not match',
    detail: 'No account has this e-mail address and password. Mind capital letters, and what a password manager may have filled in.',
  },
  throttled: {
    title: 'Too many attempts',
    detail: (seconds: number) => `To keep guessers out, signing in is paused. Try again in ${seconds} s.`,
    ready: 'You can try again now.',
  },
  first: 'First time here? The password of the first administrator was printed by',
  firstEnd: '. Lost it? The same command with',
  firstLast: 'makes a new one.',
};
