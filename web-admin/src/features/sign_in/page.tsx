/* Signing in by an identity provider, or by e-mail and password. A throttled account is told how long to wait, and the clock runs. */
import { Button, Code, PasswordInput, Stack, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDocumentTitle } from '@mantine/hooks';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ApiError } from '../../api/errors';
import { signIn } from '../../app/session';
import { WeirLogo } from '../../ui/icons';
import { ErrorNotice, Notice } from '../../ui/notices';
import classes from './sign_in.module.css';
import { ProviderButtons, useProviders } from './providers';
import { texts } from './texts';

/* Seconds until `until`, counted down. */
function useCountdown(until: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  const left = until === null ? 0 : Math.max(0, Math.ceil((until - now) / 1000));
  useEffect(() => {
    if (until === null) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [until]);
  return left;
}

function Refusal({ error, waitS }: { error: unknown; waitS: number }) {
  if (error instanceof ApiError && error.status === 429) {
    return (
      <Notice tone="warn" title={texts.throttled.title} alert>
        <p>{waitS > 0 ? texts.throttled.detail(waitS) : texts.throttled.ready}</p>
      </Notice>
    );
  }
  if (error instanceof ApiError && error.status === 401) {
    return (
      <Notice tone="bad" title={texts.wrong.title} alert>
        <p>{texts.wrong.detail}</p>
      </Notice>
    );
  }
  return <ErrorNotice error={error} />;
}

interface LocalFormProps {
  to: string | undefined;
  onEmail: (email: string) => void; // once it is written
}

function LocalForm({ to, onEmail }: LocalFormProps) {
  const queryClient = useQueryClient();
  const router = useRouter();
  const [pausedUntil, setPausedUntil] = useState<number | null>(null);
  const waitS = useCountdown(pausedUntil);
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { email: '', password: '' },
    validate: {
      email: (value) => (value.trim() ? null : texts.needEmail),
      password: (value) => (value ? null : texts.needPassword),
    },
  });
  const enter = useMutation({
    mutationFn: ({ email, password }: { email: string; password: string }) => signIn(queryClient, email.trim(), password),
    onSuccess: () => router.navigate({ to: to ?? '/' }),
    onError: (error) => {
      const wait = error instanceof ApiError && error.status === 429 ? (error.retryAfterS ?? 30) : null;
      setPausedUntil(wait === null ? null : Date.now() + wait * 1000);
      form.getInputNode('password')?.focus();
    },
  });
  return (
    <form onSubmit={form.onSubmit((values) => enter.mutate(values))} noValidate>
      <Stack gap="md">
        {enter.error && <Refusal error={enter.error} waitS={waitS} />}
        <TextInput key={form.key('email')} {...form.getInputProps('email')} onBlur={(event) => onEmail(event.currentTarget.value.trim())} label={texts.email} type="email" name="email" autoComplete="username" autoFocus />
        <PasswordInput key={form.key('password')} {...form.getInputProps('password')} label={texts.password} name="password" autoComplete="current-password" />
        <Button type="submit" fullWidth loading={enter.isPending} disabled={waitS > 0}>
          {texts.submit}
        </Button>
      </Stack>
    </form>
  );
}

/* Without passwords: which provider is whose, by the e-mail address. */
function FindForm({ onEmail, none }: { onEmail: (email: string) => void; none: boolean }) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { email: '' }, validate: { email: (value) => (/@\S+\.\S+$/.test(value.trim()) ? null : texts.needEmail) } });
  return (
    <form onSubmit={form.onSubmit(({ email }) => onEmail(email.trim()))} noValidate>
      <Stack gap="md">
        <TextInput key={form.key('email')} {...form.getInputProps('email')} label={texts.email} type="email" name="email" autoComplete="username" />
        {none && <Notice tone="warn" title={texts.noneFound} />}
        <Button type="submit" fullWidth variant="default">
          {texts.find}
        </Button>
      </Stack>
    </form>
  );
}

export function SignInPage() {
  useDocumentTitle(`${texts.title} · Weir`);
  const { to, organization } = useSearch({ from: '/sign-in' });
  const [email, setEmail] = useState('');
  const { providers, password, asked } = useProviders(organization, email);
  return (
    <main className={classes.page}>
      <div className={classes.card}>
        <div className={classes.brand}>
          <WeirLogo size={34} />
          Weir
        </div>
        <div className={classes.form}>
          <Title order={1}>{texts.title}</Title>
          <p>{password ? texts.lead : texts.noPassword}</p>
          <Stack gap="md">
            {providers.length > 0 && <ProviderButtons providers={providers} to={to ?? '/'} />}
            {providers.length > 0 && password && <span className={classes.or}>{texts.or}</span>}
            {password ? asked && <LocalForm to={to} onEmail={setEmail} /> : <FindForm onEmail={setEmail} none={email !== '' && providers.length === 0} />}
          </Stack>
        </div>
        {password && (
          <p className={classes.hint}>
            {texts.first} <Code>weir-control bootstrap-admin</Code>
            {texts.firstEnd} <Code>--reset-password</Code> {texts.firstLast}
          </p>
        )}
      </div>
    </main>
  );
}
