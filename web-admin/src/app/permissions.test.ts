import { expect, test } from 'vitest';
import { mayIn, type Held } from './permissions';
import type { Session } from './session';

const somebody = (platform_admin = false) => ({ user: { id: 'usr_1', email: '', name: '' }, csrf_token: '', organizations: [], platform_admin, memberships: [] }) as Session;
const inOrganization = (permissions: string[], organization_id = 'org_1') => ({ organization_id, workspace_id: null, permissions });
const inWorkspace = (permissions: string[], workspace_id: string) => ({ organization_id: 'org_1', workspace_id, permissions });
const may = (held: Held, permission: string, workspace?: string | null, organization = 'org_1') => mayIn(somebody(), held, organization, permission, workspace);

test('what is held in the organization holds in all of it, and in no other', () => {
  const held = [inOrganization(['config.publish'])];
  expect([null, undefined, 'ws_1'].map((workspace) => may(held, 'config.publish', workspace))).toEqual([true, true, true]);
  expect([may(held, 'config.publish', null, 'org_2'), may(held, 'config.write')]).toEqual([false, false]);
});

test('what is held in a workspace holds there, not for what the organization shares', () => {
  const held = [inWorkspace(['config.write'], 'ws_1'), inWorkspace(['config.publish'], 'ws_2')];
  expect(['ws_1', 'ws_2', null, undefined].map((workspace) => may(held, 'config.write', workspace))).toEqual([true, false, false, true]);
  expect(may(held, 'config.publish', 'ws_1')).toBe(false);
});

test('the platform’s administrators may all, who holds nothing may nothing', () => {
  expect(mayIn(somebody(true), [], 'org_9', 'cache.purge', null)).toBe(true);
  expect(may([], 'config.read')).toBe(false);
});
