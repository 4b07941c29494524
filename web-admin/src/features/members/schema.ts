import { nullable, number, object, optional, page, text, time, type Parsed } from '../../api/parse';
import type { Permissions } from '../../app/permissions';
import type { Role } from '../roles/schema';

export const parseMember = object({
  id: text,
  workspace_id: nullable(text),
  user_id: text,
  role: nullable(text),
  role_id: nullable(text),
  role_name: optional(text, ''),
  email: optional(text, ''),
  user_name: optional(text, ''),
  owned_by: optional(text, 'api'),
  revision: optional(number, 0),
  created_at: time,
});

export const parseMembers = page(parseMember);
export type Member = Parsed<typeof parseMember>;

export interface RoleChoice {
  value: string; // a role's name, or the id of one of the organization's own
  label: string;
}

/* Roles that can be given in the organization, or in a workspace. */
export function choicesOf(table: Permissions | undefined, own: Role[], inWorkspace: boolean): RoleChoice[] {
  const scope = inWorkspace ? 'workspace' : 'organization';
  return [...(table?.roles ?? []).filter((role) => role.scope === scope).map(({ name, text }) => ({ value: name, label: text ? `${name}: ${text}` : name })), ...own.filter((role) => role.scope === scope).map(({ id, name }) => ({ value: id, label: name }))];
}

export const roleBody = (chosen: string) => (chosen.startsWith('role_') ? { role_id: chosen } : { role: chosen });
