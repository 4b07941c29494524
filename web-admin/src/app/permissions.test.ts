import { expect, test } from 'vitest';
import { mayIn } from './permissions';
import type { Session } from './session';

const signedIn = (...memberships: Session['memberships']) => ({ user: { id: 'usr_1', email: '', name: '' }, csrf_token: '', organizations: [], platform_admin: false, memberships }) as Session;
const inOrganization = (role: string, organization_id = 'org_1') => ({ organization_id, workspace_id: null, role });
const inWorkspace = (role: string, workspace_id: string) => ({ organization_id: 'org_1', workspace_id, role });

test('a role of the organization holds in all of it, and in no other', () => {
  const admin = signedIn(inOrganization('admin'));
  expect([null, undefined, 'ws_1'].map((workspace) => mayIn(admin, 'org_1', 'config.publish', workspace))).toEqual([true, true, true]);
  expect(mayIn(admin, 'org_2', 'config.publish')).toBe(false);
  const auditor = signedIn(inOrganization('auditor'));
  expect([mayIn(auditor, 'org_1', 'config.read'), mayIn(auditor, 'org_1', 'config.write'), mayIn(auditor, 'org_1', 'routing.explain')]).toEqual([true, false, false]);
});

test('a role of a workspace holds there, not for what the organization shares', () => {
  const developer = signedIn(inWorkspace('developer', 'ws_1'));
  expect(['ws_1', 'ws_2', null, undefined].map((workspace) => mayIn(developer, 'org_1', 'config.write', workspace))).toEqual([true, false, false, true]);
  expect(mayIn(developer, 'org_1', 'config.publish', 'ws_1')).toBe(false);
  expect(mayIn(signedIn(inWorkspace('admin', 'ws_1')), 'org_1', 'config.publish', 'ws_1')).toBe(true);
});

test('roles of the same name are not mixed up, and the platform’s administrators may all', () => {
  expect(mayIn(signedIn(inWorkspace('owner', 'ws_1')), 'org_1', 'config.write', 'ws_1')).toBe(false);
  expect(mayIn({ ...signedIn(), platform_admin: true }, 'org_9', 'cache.purge', null)).toBe(true);
  expect(mayIn(signedIn(), 'org_1', 'config.read')).toBe(false);
});
