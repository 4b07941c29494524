/* Who may do what, so that nobody is offered what would be refused. The server decides; its table is
 * controlplane/rules/permission.c, of which these are the rows that pages ask for. */
import { caller } from '../api/client';
import { useSession, type Session } from './session';

const READERS = { organization: ['owner', 'admin', 'auditor'], workspace: ['admin', 'manager', 'developer', 'viewer'] };
const MAKERS = { organization: ['owner', 'admin'], workspace: ['admin', 'manager', 'developer'] };
const KEEPERS = { organization: ['owner', 'admin'], workspace: ['admin', 'manager'] };

const TABLE = {
  'config.read': READERS,
  'config.write': MAKERS,
  'config.publish': KEEPERS,
  'prompt.read': READERS,
  'prompt.write': MAKERS,
  'prompt.publish': KEEPERS,
  'provider.read': READERS,
  'key.write': MAKERS,
  'routing.explain': MAKERS,
  'cache.purge': KEEPERS,
};

export type Permission = keyof typeof TABLE;

/* workspace: of the thing it is about; null: shared by the organization; undefined: whether there is any place where they may. */
export function mayIn(session: Session, organization: string | null, permission: Permission, workspace?: string | null): boolean {
  if (session.platform_admin) return true;
  return session.memberships.some(({ organization_id, workspace_id, role }) => {
    if (organization_id !== organization) return false;
    if (workspace_id === null) return TABLE[permission].organization.includes(role);
    return TABLE[permission].workspace.includes(role) && (workspace === undefined || workspace === workspace_id);
  });
}

export function useMay(): (permission: Permission, workspace?: string | null) => boolean {
  const session = useSession();
  return (permission, workspace) => session !== null && mayIn(session, caller.organization, permission, workspace);
}
