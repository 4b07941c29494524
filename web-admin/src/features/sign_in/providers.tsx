/* Identity providers on the sign-in page: a button each. An organization's own are told where the address names the
 * organization, or once an e-mail address says which. */
import { Button, Stack } from '@mantine/core';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import { boolean, list, object, optional, text } from '../../api/parse';
import { signInAt } from '../../app/session';
import { DoorIcon } from '../../ui/icons';
import { texts } from './texts';

const parseProviders = object({ password: optional(boolean, true), providers: optional(list(object({ id: text, name: text, start_url: text })), []) });

export const providersQuery = (organization: string | undefined, domain: string | undefined) =>
  queryOptions({
    queryKey: ['session-providers', organization ?? '', domain ?? ''],
    queryFn: ({ signal }) => api.get('/session/providers', parseProviders, { query: { organization, domain }, signal }),
    staleTime: 60_000,
    retry: false,
  });

export function useProviders(organization: string | undefined, email: string) {
  const known = useQuery(providersQuery(organization, undefined));
  const domain = /@([^@\s]+\.[^@\s]+)$/.exec(email)?.[1];
  const found = useQuery({ ...providersQuery(organization, domain), enabled: domain !== undefined });
  const providers = [...new Map([...(known.data?.providers ?? []), ...((domain && found.data?.providers) || [])].map((one) => [one.id, one])).values()];
  // who cannot be asked may let passwords in: the form says what is wrong
  return { providers, password: known.data?.password ?? true, asked: known.data !== undefined || known.error !== null, error: known.error };
}

export function ProviderButtons({ providers, to }: { providers: { id: string; name: string; start_url: string }[]; to: string }) {
  return (
    <Stack gap="xs">
      {providers.map(({ id, name, start_url }) => (
        <Button key={id} variant="default" fullWidth leftSection={<DoorIcon size={16} />} onClick={() => signInAt(start_url, to)}>
          {texts.by(name)}
        </Button>
      ))}
    </Stack>
  );
}
