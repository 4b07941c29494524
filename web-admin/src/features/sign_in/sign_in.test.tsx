import { screen } from '@testing-library/react';
import { expect, test } from 'vitest';
import { fakeApi, refusal } from '../../test/fake_api';
import { open } from '../../test/open';

async function signIn(user: ReturnType<typeof open>['user'], password = 'a password') {
  await user.type(await screen.findByLabelText('E-mail'), 'ada@example.test');
  await user.type(screen.getByLabelText('Password'), password);
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
}

test('a wrong password is told as such, and the next attempt may follow', async () => {
  fakeApi({ 'POST /session': () => refusal(401, 'unauthenticated', 'e-mail or password is wrong') });
  const { user } = open('/', { signedIn: false });
  await signIn(user);
  expect((await screen.findByRole('alert')).textContent).toContain('That did not match');
  expect(screen.getByLabelText('Password')).toBe(document.activeElement);
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Sign in' }).disabled).toBe(false);
});

test('a throttled account is told how long to wait, and cannot try meanwhile', async () => {
  fakeApi({ 'POST /session': () => refusal(429, 'rate_limit_exceeded', 'too many failed attempts', {}, { 'retry-after': '25' }) });
  const { user } = open('/', { signedIn: false });
  await signIn(user);
  expect((await screen.findByRole('alert')).textContent).toMatch(/Try again in 2[45] s/);
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Sign in' }).disabled).toBe(true);
});

test('empty fields are named and nothing is sent', async () => {
  const { to } = fakeApi();
  const { user } = open('/', { signedIn: false });
  await user.click(await screen.findByRole('button', { name: 'Sign in' }));
  expect(screen.getByText('Enter your e-mail address')).toBeTruthy();
  expect(screen.getByText('Enter your password')).toBeTruthy();
  expect(to('POST /session')).toHaveLength(0);
});

test('whoever signs in comes to where they wanted to go', async () => {
  const { to } = fakeApi();
  const { user } = open('/keys', { signedIn: false });
  await signIn(user);
  await screen.findByRole('heading', { name: 'Virtual keys' });
  expect(to('POST /session')[0]!.body).toEqual({ email: 'ada@example.test', password: 'a password' });
  expect(window.location.pathname).toBe('/keys');
});

test('an address of another site is not gone to', async () => {
  fakeApi();
  const { user } = open('/sign-in?to=//evil.example/', { signedIn: false });
  await signIn(user);
  await screen.findByRole('heading', { name: 'Home' });
  expect(window.location.pathname).toBe('/');
});

test('a session that ended leads to the sign-in page and back', async () => {
  let ended = true;
  fakeApi({ 'GET /keys': () => (ended ? refusal(401, 'unauthenticated', 'session has ended') : { body: { data: [], next_cursor: null } }) });
  const { user } = open('/keys');
  await screen.findByRole('heading', { name: 'Sign in' });
  ended = false;
  await signIn(user);
  await screen.findByRole('heading', { name: 'No keys yet' });
});

test('an identity provider is offered beside the password, or instead of it', async () => {
  let password = true;
  fakeApi({ 'GET /session/providers': ({ query }) => ({ body: { password, providers: query.get('domain') === 'example.test' ? [{ id: 'iss_1', name: 'Corporate', start_url: '/api/v1/session/oidc/iss_1/start' }] : [] } }) });
  const { user, unmount } = open('/', { signedIn: false });
  await user.type(await screen.findByLabelText('E-mail'), 'ada@example.test');
  await user.tab();
  await screen.findByRole('button', { name: 'Sign in with Corporate' }); // whose address it is, is known once it is written
  expect(screen.getByLabelText('Password')).toBeTruthy();
  unmount();

  password = false;
  const again = open('/', { signedIn: false });
  await screen.findByText(/Passwords are switched off/);
  expect(screen.queryByLabelText('Password')).toBeNull();
  await again.user.type(screen.getByLabelText('E-mail'), 'ada@example.test');
  await again.user.click(screen.getByRole('button', { name: 'Find my sign-in' }));
  await screen.findByRole('button', { name: 'Sign in with Corporate' });
});
