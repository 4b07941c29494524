import { list, number, object, optional, text, time, type Parsed } from '../../api/parse';
import type { Permissions } from '../../app/permissions';

export const parseRole = object({
  id: text,
  name: text,
  description: optional(text, ''),
  scope: optional(text, 'workspace'),
  permissions: optional(list(text), []),
  owned_by: optional(text, 'api'),
  revision: optional(number, 0),
  created_at: time,
});

export type Role = Parsed<typeof parseRole>;

export interface Group {
  name: string; // of the resource
  permissions: Permissions['permissions'];
}

/* By the resource that they are about, which their names begin with. */
export function groupsOf(permissions: Permissions['permissions']): Group[] {
  const groups: Group[] = [];
  for (const permission of permissions) {
    const name = permission.name.split('.')[0]!;
    const group = groups.find((one) => one.name === name);
    if (group) group.permissions.push(permission);
    else groups.push({ name, permissions: [permission] });
  }
  return groups;
}

/* What a role of the scope may hold at all. */
export const fits = (permission: Permissions['permissions'][number], scope: string): boolean => (scope === 'workspace' ? permission.workspace : permission.organization);
