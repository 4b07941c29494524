/* Who is signed in. One query holds it; null means nobody. The client's caller (CSRF token, organization) follows it. */
import { queryOptions, useQuery, type QueryClient } from '@tanstack/react-query';
import { api, caller } from '../api/client';
import { errorCode } from '../api/errors';
import { boolean, list, nullable, object, optional, text, type Parsed } from '../api/parse';
import { basePath } from './page_settings';

export const parseSession = object({
  user: object({ id: text, email: text, name: optional(text, '') }),
  csrf_token: text,
  organizations: list(object({ id: text, name: text })),
  platform_admin: optional(boolean, false),
  memberships: optional(list(object({ organization_id: nullable(text), workspace_id: nullable(text), role: text })), []),
});

export type Session = Parsed<typeof parseSession>;

const CHOSEN = 'weir-organization';
const SIGNED_IN = 'weir-signed-in'; // somebody signed in from this browser: worth asking the server about

function adopt(session: Session): Session {
  caller.csrfToken = session.csrf_token;
  localStorage.setItem(SIGNED_IN, 'yes');
  const chosen = localStorage.getItem(CHOSEN);
  caller.organization = session.organizations.find((o) => o.id === chosen)?.id ?? session.organizations[0]?.id ?? null;
  return session;
}

function forget(): null {
  localStorage.removeItem(SIGNED_IN);
  caller.csrfToken = '';
  caller.organization = null;
  return null;
}

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }): Promise<Session | null> => {
    if (!localStorage.getItem(SIGNED_IN)) return forget();
    try {
      return adopt(await api.get('/session', parseSession, { signal }));
    } catch (error) {
      if (errorCode(error) === 'unauthenticated') return forget();
      throw error;
    }
  },
  staleTime: 5 * 60_000,
  retry: false,
});

export async function signIn(queryClient: QueryClient, email: string, password: string): Promise<void> {
  const session = adopt(await api.post('/session', parseSession, { body: { email, password } }));
  queryClient.clear();
  queryClient.setQueryData(sessionQuery.queryKey, session);
}

/* Leaves for an identity provider, and comes back signed in. */
export function signInAt(startUrl: string, to: string): void {
  localStorage.setItem(SIGNED_IN, 'yes');
  const address = new URL(startUrl, window.location.href);
  address.searchParams.set('return_to', `${basePath.replace(/\/$/, '')}${to}`);
  window.location.assign(address.href);
}

const parseEnd = nullable(object({ logout_url: optional(text, '') }));

/* Where the person is signed out of the identity provider, too; null: there is no such place. */
export async function signOut(queryClient: QueryClient): Promise<string | null> {
  let next: string | null = null;
  try {
    const url = (await api.delete('/session', parseEnd))?.logout_url ?? '';
    if (/^https?:\/\//.test(url)) next = url;
  } catch (error) {
    if (errorCode(error) !== 'unauthenticated') throw error;
  }
  dropSession(queryClient);
  return next;
}

/* Nothing of one person's stays for the next. */
export function dropSession(queryClient: QueryClient): void {
  queryClient.setQueryData(sessionQuery.queryKey, forget());
  queryClient.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' || queryKey.length > 1 });
  queryClient.getMutationCache().clear();
}

export function chooseOrganization(queryClient: QueryClient, id: string): void {
  localStorage.setItem(CHOSEN, id);
  caller.organization = id;
  void queryClient.resetQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
}

/* Null for the moment between the end of a session and the sign-in page. */
export function useSession(): Session | null {
  return useQuery(sessionQuery).data ?? null;
}
