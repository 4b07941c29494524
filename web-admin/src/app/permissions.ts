/* Who may do what, so that nobody is offered what would be refused. The server decides, and tells its table and what the
 * reader holds of it. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api, caller } from '../api/client';
import { boolean, list, nullable, object, optional, text, type Parsed } from '../api/parse';
import { useSession, type Session } from './session';

export const parsePermissions = object({
  permissions: list(object({ name: text, text: optional(text, ''), roles: optional(list(text), []), organization: optional(boolean, true), workspace: optional(boolean, true) })),
  roles: list(object({ key: text, name: text, scope: text, text: optional(text, '') })),
  held: list(object({ organization_id: nullable(text), workspace_id: nullable(text), permissions: list(text) })),
});

export type Permissions = Parsed<typeof parsePermissions>;
export type Held = Permissions['held'];
export type Permission = string;

/* Below the session: what a change of organization leaves as it is. */
export const permissionsQuery = queryOptions({
  queryKey: ['session', 'permissions'],
  queryFn: ({ signal }) => api.get('/permissions', parsePermissions, { signal }),
  staleTime: 5 * 60_000,
});

/* workspace: of the thing it is about; null: shared by the organization; undefined: whether there is any place where they may. */
export function mayIn(session: Session, held: Held, organization: string | null, permission: Permission, workspace?: string | null): boolean {
  if (session.platform_admin) return true;
  return held.some(({ organization_id, workspace_id, permissions }) => {
    if (organization_id !== organization || !permissions.includes(permission)) return false;
    return workspace_id === null || workspace === undefined || workspace === workspace_id;
  });
}

const NOTHING: Held = [];

export type May = (permission: Permission, workspace?: string | null) => boolean;

export function useMay(): May {
  const session = useSession();
  const held = useQuery({ ...permissionsQuery, enabled: session !== null }).data?.held ?? NOTHING; // nobody has none to ask for
  const { organization } = caller;
  return useCallback((permission, workspace) => session !== null && mayIn(session, held, organization, permission, workspace), [session, held, organization]);
}
