// People and what they may do: teams, service accounts, custom roles, memberships, and that nobody hands out more than they hold.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkAnswers } from './harness/openapi.mjs';
import { bootstrap, startControl } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';

const PASSWORD = 'correct horse battery staple';
let database, control, bare, admin, faults; // bare: the same control plane, called without the administrator's token
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;
const uuid = (id) => id.replace(/^[a-z]+_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
const ANY = { 'if-match': '*' };

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  bare = { url: control.url, call: control.call };
  faults = checkAnswers(control);
  const more = checkAnswers(bare);
  more.push = (fault) => faults.push(fault);
});

after(async () => {
  await control?.end();
  await database?.drop();
});

function as(headers, by = control) {
  const call = (method, path, body, more = {}) => by.call(method, path, body, { ...headers, ...more });
  return {
    call,
    async must(...args) {
      const r = await call(...args);
      assert.ok(r.status < 300, `${args[0]} ${args[1]}: ${r.status} ${r.text}`);
      return r.json;
    },
    async refused(status, param, method, path, body, more = ANY) {
      const r = await call(method, path, body, more);
      assert.equal(r.status, status, `${method} ${path}: ${r.status} ${r.text}`);
      if (param !== null) assert.equal(r.json.error.param ?? null, param, r.text);
      return r.json.error;
    },
  };
}

async function makeOrganization() {
  const organization = await control.must('POST', '/organizations', { name: fresh('org') });
  const root = as({ 'x-weir-organization': organization.id });
  const workspace = await root.must('POST', '/workspaces', { name: 'main' });
  const token = async (role) => as({ authorization: `Bearer ${(await root.must('POST', '/admin-tokens', { name: fresh('token'), role })).secret}` });
  // somebody with the memberships given, signed in
  const person = async (...memberships) => {
    const email = `${fresh('person')}@example.test`;
    const user = await control.must('POST', '/users', { email, password: PASSWORD });
    const made = [];
    for (const m of memberships) made.push(await root.must('POST', '/memberships', { user_id: user.id, ...m }));
    const r = await bare.call('POST', '/session', { email, password: PASSWORD });
    assert.equal(r.status, 201, r.text);
    return { ...as({ cookie: r.headers.get('set-cookie').split(';')[0], 'x-weir-csrf': r.json.csrf_token }, bare), user, email, memberships: made };
  };
  return { ...organization, root, workspace, token, person };
}

test('a custom role grants what stands in it, there where it is held, and changes at once', async () => {
  const org = await makeOrganization();
  const other = await org.root.must('POST', '/workspaces', { name: 'other' });
  const role = await org.root.must('POST', '/roles', { name: 'on call', scope: 'workspace', permissions: ['key.read', 'workspace.read', 'key.read'] });
  assert.deepEqual(role.permissions, ['workspace.read', 'key.read'], 'in the order of the table, each once');
  const key = await org.root.must('POST', '/keys', { name: 'k', workspace_id: org.workspace.id });
  const hidden = await org.root.must('POST', '/keys', { name: 'hidden', workspace_id: other.id });
  const who = await org.person({ role_id: role.id, workspace_id: org.workspace.id });
  assert.equal(who.memberships[0].role, null);
  assert.equal(who.memberships[0].role_name, 'on call');
  assert.deepEqual((await who.must('GET', '/keys')).data.map((k) => k.id), [key.id]);
  await who.refused(404, null, 'GET', `/keys/${hidden.id}`);
  await who.refused(403, null, 'PATCH', `/keys/${key.id}`, { metadata: {} });
  await who.refused(403, null, 'GET', '/providers');
  const { held } = await who.must('GET', '/permissions');
  assert.deepEqual(held, [{ organization_id: org.id, workspace_id: org.workspace.id, role: 'custom', role_id: role.id, permissions: ['workspace.read', 'key.read'] }]);

  await org.root.must('PATCH', `/roles/${role.id}`, { permissions: ['key.read', 'key.write', 'workspace.read'] }, ANY);
  assert.equal((await who.call('PATCH', `/keys/${key.id}`, { metadata: { now: true } }, ANY)).status, 200, 'from the next call on');
  await who.refused(404, null, 'PATCH', `/keys/${hidden.id}`, { metadata: {} });
  await org.root.must('PATCH', `/roles/${role.id}`, { permissions: [] }, ANY);
  await who.refused(403, null, 'GET', '/keys');

  await org.root.refused(409, null, 'DELETE', `/roles/${role.id}`);
  await org.root.must('PATCH', `/memberships/${who.memberships[0].id}`, { role: 'viewer' }, ANY);
  assert.equal((await org.root.must('GET', `/memberships/${who.memberships[0].id}`)).role_id, null);
  assert.equal((await who.call('GET', '/keys')).status, 200);
  assert.equal((await org.root.call('DELETE', `/roles/${role.id}`)).status, 204);
});

test('a role is made of permissions that are there, that fit its scope, and that its maker holds', async () => {
  const org = await makeOrganization();
  const make = (permissions, scope = 'organization') => ['POST', '/roles', { name: fresh('role'), scope, permissions }];
  await org.root.refused(400, 'permissions[1]', ...make(['key.read', 'key.reed']));
  await org.root.refused(400, 'permissions[0]', ...make(['signed_in']));
  for (const p of ['user.write', 'organization.manage', 'data_plane.write', 'catalogue.manage', 'secret.reseal']) await org.root.refused(400, 'permissions[0]', ...make([p]));
  await org.root.refused(400, 'permissions[0]', ...make(['token.write'], 'workspace'));
  await org.root.refused(400, 'scope', ...make([], 'everywhere'));
  const owner = await org.token('owner');
  const wide = await owner.must(...make(['role.write', 'role.read', 'key.read', 'member.write', 'member.read']));
  const strong = await owner.must(...make(['price.publish', 'key.read']));
  const who = await org.person({ role_id: wide.id });
  await who.must(...make(['key.read']));
  await who.refused(403, 'permissions', ...make(['key.read', 'key.write']));
  await who.refused(403, 'permissions', 'PATCH', `/roles/${strong.id}`, { permissions: ['key.read'] });
  await who.refused(403, 'permissions', 'DELETE', `/roles/${strong.id}`);
  await who.refused(403, 'permissions', 'PATCH', `/roles/${wide.id}`, { permissions: ['role.write', 'key.write'] });
  // nor by a membership: not for others, not for themselves
  const email = () => `${fresh('guest')}@example.test`;
  await who.refused(403, 'role_id', 'POST', '/memberships', { email: email(), role_id: strong.id });
  await who.refused(403, 'role', 'POST', '/memberships', { email: email(), role: 'owner' });
  await who.refused(403, 'role', 'PATCH', `/memberships/${who.memberships[0].id}`, { role: 'owner' });
  await who.must('POST', '/memberships', { email: email(), role_id: wide.id });
  await who.refused(403, null, 'POST', '/admin-tokens', { name: 't', role: 'auditor' });
  const adm = await org.token('admin');
  await adm.refused(403, 'role', 'POST', '/memberships', { email: email(), role: 'billing' });
  await adm.refused(403, null, ...make(['key.read']));
  const owned = await org.root.must('POST', '/memberships', { email: email(), role: 'owner' });
  await adm.refused(403, null, 'DELETE', `/memberships/${owned.id}`);
});

test('a membership has one role, of its place and organization', async () => {
  const org = await makeOrganization(), foreign = await makeOrganization();
  const there = await org.root.must('POST', '/roles', { name: 'there', scope: 'workspace', permissions: ['key.read'] });
  const theirs = await foreign.root.must('POST', '/roles', { name: 'theirs', scope: 'organization', permissions: ['key.read'] });
  const member = (more) => ['POST', '/memberships', { email: `${fresh('guest')}@example.test`, ...more }];
  await org.root.refused(400, 'role', ...member({}));
  await org.root.refused(400, 'role', ...member({ role: null }));
  await org.root.refused(400, 'role_id', ...member({ role: 'auditor', role_id: there.id }));
  await org.root.refused(400, 'role_id', ...member({ role_id: there.id }));
  await org.root.refused(400, 'role_id', ...member({ role_id: theirs.id }));
  await org.root.refused(400, 'role_id', ...member({ role_id: 'role_00000000000070008000000000000000' }));
  await org.root.refused(400, 'role', ...member({ role: 'custom' }));
  const made = await org.root.must(...member({ role_id: there.id, workspace_id: org.workspace.id }));
  await org.root.refused(400, 'role', 'PATCH', `/memberships/${made.id}`, { role_id: null });
  assert.deepEqual((await org.root.must('GET', `/memberships?role_id=${there.id}`)).data.map((m) => m.id), [made.id]);
  await foreign.root.refused(404, null, 'GET', `/roles/${there.id}`);
});

test('the last owner of an organization stays, also when two leave at once', async () => {
  const org = await makeOrganization();
  const first = (await org.person({ role: 'owner' })).memberships[0];
  const owner = await org.token('owner');
  for (const who of [org.root, owner]) {
    await who.refused(409, null, 'DELETE', `/memberships/${first.id}`);
    await who.refused(409, null, 'PATCH', `/memberships/${first.id}`, { role: 'admin' });
  }
  for (let round = 0; round < 5; round++) {
    const second = (await org.person({ role: 'owner' })).memberships[0];
    const [last] = await database.query(`select id from memberships where organization_id = $1 and role = 'owner' and id <> $2`, [uuid(org.id), uuid(second.id)]);
    const path = (id) => `/memberships/mem_${id.replace(/^mem_/, '').replaceAll('-', '')}`;
    const left = await Promise.all([owner.call('DELETE', path(second.id)), owner.call('PATCH', path(last.id), { role: 'auditor' }, ANY)]);
    const stay = left.filter((r) => r.status === 409).length, gone = left.filter((r) => r.status < 300).length;
    assert.equal(stay, 1, left.map((r) => `${r.status} ${r.text}`).join('\n'));
    assert.equal(gone, 1);
    const owners = await database.query(`select id from memberships where organization_id = $1 and role = 'owner'`, [uuid(org.id)]);
    assert.equal(owners.length, 1);
  }
});

test('teams have members who hold a role in the organization, and data planes learn of teams', async () => {
  const org = await makeOrganization(), foreign = await makeOrganization();
  const person = await org.person({ role: 'viewer', workspace_id: org.workspace.id });
  const stranger = await foreign.person({ role: 'owner' });
  const [{ version }] = await database.query('select version from config_version');
  const team = await org.root.must('POST', '/teams', { name: 'Research', external_id: 'grp-1' });
  const inside = await org.root.must('POST', '/teams', { name: 'Research', workspace_id: org.workspace.id });
  await org.root.refused(409, 'name', 'POST', '/teams', { name: 'RESEARCH' });
  await org.root.refused(400, 'price_group', 'POST', '/teams', { name: 'x', price_group: 'nowhere' });
  const logged = async (id) => (await database.query('select kind, deleted from change_log where version > $1 and entity_id = $2 order by version', [version, uuid(id)]));
  assert.deepEqual(await logged(team.id), [{ kind: 14, deleted: false }]);

  const at = `/teams/${team.id}/members`;
  const member = await org.root.must('PUT', `${at}/${person.user.id}`);
  assert.equal(member.email, person.email);
  assert.deepEqual(await org.root.must('PUT', `${at}/${person.user.id}`), member, 'twice is once');
  assert.deepEqual((await org.root.must('GET', at)).data, [member]);
  assert.deepEqual(await person.must('GET', `${at}/${person.user.id}`), member);
  await org.root.refused(404, null, 'PUT', `${at}/${stranger.user.id}`);
  await org.root.refused(404, null, 'PUT', `${at}/usr_00000000000070008000000000000000`);
  await org.root.refused(404, null, 'GET', `${at}/nobody`);
  await stranger.refused(404, null, 'GET', at);
  await person.refused(403, null, 'DELETE', `${at}/${person.user.id}`);
  const audit = (await org.root.must('GET', '/audit')).data.filter((a) => a.action === 'team.member_add');
  assert.equal(audit.length, 1);
  assert.equal(audit[0].after.user_id, person.user.id);

  // a workspace's admin: theirs, not the organization's
  const lead = await org.person({ role: 'admin', workspace_id: org.workspace.id });
  await lead.must('PUT', `/teams/${inside.id}/members/${person.user.id}`);
  await lead.refused(403, null, 'PUT', `${at}/${lead.user.id}`);
  await lead.refused(403, null, 'PATCH', `/teams/${team.id}`, { name: 'Taken' });
  assert.equal((await lead.must('POST', '/teams', { name: 'Mine' })).workspace_id, org.workspace.id);

  // whoever leaves the organization leaves its teams
  assert.equal((await org.root.call('DELETE', `/memberships/${person.memberships[0].id}`)).status, 204);
  assert.deepEqual((await org.root.must('GET', at)).data, []);
  assert.deepEqual(await database.query('select * from team_members where user_id = $1', [uuid(person.user.id)]), []);
  await org.root.refused(404, null, 'DELETE', `${at}/${person.user.id}`);

  const account = await org.root.must('POST', '/service-accounts', { name: 'bot', team_id: team.id, workspace_id: org.workspace.id });
  await org.root.refused(409, null, 'DELETE', `/teams/${team.id}`);
  await org.root.must('PATCH', `/service-accounts/${account.id}`, { team_id: null }, ANY);
  assert.equal((await org.root.call('DELETE', `/teams/${team.id}`)).status, 204);
  assert.deepEqual((await logged(team.id)).at(-1), { kind: 14, deleted: true });
  // a workspace takes its teams along, which is told, too
  const doomed = await org.root.must('POST', '/workspaces', { name: 'doomed' });
  const gone = await org.root.must('POST', '/teams', { name: 'gone', workspace_id: doomed.id });
  assert.equal((await org.root.call('DELETE', `/workspaces/${doomed.id}`)).status, 204);
  assert.deepEqual((await logged(gone.id)).at(-1), { kind: 14, deleted: true });
});

test('service accounts stand in a workspace and in a team that fits', async () => {
  const org = await makeOrganization(), foreign = await makeOrganization();
  const other = await org.root.must('POST', '/workspaces', { name: 'other' });
  await org.root.refused(400, 'workspace', 'POST', '/service-accounts', { name: 'bot' });
  const elsewhere = await org.root.must('POST', '/teams', { name: 't', workspace_id: other.id });
  const theirs = await foreign.root.must('POST', '/teams', { name: 't' });
  for (const team of [elsewhere, theirs]) await org.root.refused(400, 'team_id', 'POST', '/service-accounts', { name: 'bot', workspace_id: org.workspace.id, team_id: team.id });
  const bot = await org.root.must('POST', '/service-accounts', { name: 'bot', description: 'nightly', workspace_id: org.workspace.id });
  await org.root.refused(409, 'name', 'POST', '/service-accounts', { name: 'Bot', workspace_id: org.workspace.id });
  await org.root.must('POST', '/service-accounts', { name: 'bot', workspace_id: other.id });
  await org.root.refused(400, 'workspace', 'PATCH', `/service-accounts/${bot.id}`, { workspace_id: other.id });
  const viewer = await org.person({ role: 'viewer', workspace_id: org.workspace.id });
  assert.deepEqual((await viewer.must('GET', '/service-accounts')).data.map((s) => s.id), [bot.id]);
  await viewer.refused(403, null, 'PATCH', `/service-accounts/${bot.id}`, { disabled: true });
  assert.equal((await org.root.must('PATCH', `/service-accounts/${bot.id}`, { disabled: true }, ANY)).disabled, true);
  assert.equal((await org.root.call('DELETE', `/service-accounts/${bot.id}`)).status, 204);
});

test('who is invited by e-mail is known from then on, and a disabled user is nobody at once', async () => {
  const org = await makeOrganization();
  const owner = await org.token('owner');
  const email = `${fresh('invited')}@example.test`;
  const invited = await owner.must('POST', '/memberships', { email, role: 'auditor' });
  assert.equal((await owner.must('GET', `/users?email=${email.toUpperCase()}`)).data[0].id, invited.user_id);
  assert.equal((await bare.call('POST', '/session', { email, password: PASSWORD })).status, 401, 'has no password yet');
  await owner.refused(403, null, 'PATCH', `/users/${invited.user_id}`, { password: PASSWORD });
  const person = await org.person({ role: 'owner' });
  const token = await person.must('POST', '/admin-tokens', { name: 'mine', role: 'admin' });
  const byToken = as({ authorization: `Bearer ${token.secret}` });
  assert.equal((await byToken.call('GET', '/keys')).status, 200);
  await control.must('PATCH', `/users/${person.user.id}`, { disabled: true }, ANY);
  assert.equal((await person.call('GET', '/session')).status, 401);
  assert.equal((await byToken.call('GET', '/keys')).status, 401);
});

test('price groups of workspaces and organizations are ones that are there', async () => {
  const org = await makeOrganization();
  await org.root.refused(400, 'price_group', 'PATCH', `/workspaces/${org.workspace.id}`, { price_group: 'internal' });
  await org.root.refused(400, 'settings.price_group', 'PATCH', `/organizations/${org.id}`, { settings: { price_group: 'internal' } });
  await org.root.must('POST', '/price-groups', { name: 'Internal', ratio: '0.1' });
  assert.equal((await org.root.must('PATCH', `/workspaces/${org.workspace.id}`, { price_group: 'internal' }, ANY)).price_group, 'Internal');
  await org.root.must('PATCH', `/organizations/${org.id}`, { settings: { price_group: 'Internal' } }, ANY);
  assert.equal((await org.root.must('PATCH', `/workspaces/${org.workspace.id}`, { price_group: '' }, ANY)).price_group, '');
});

test('who is in which price group, and that there is a price book, is decided by who decides on prices', async () => {
  const org = await makeOrganization();
  await org.root.must('POST', '/price-groups', { name: 'cheap', ratio: '0.1' });
  const lead = await org.person({ role: 'admin', workspace_id: org.workspace.id }), group = { price_group: 'cheap' };
  const team = await lead.must('POST', '/teams', { name: 'ours' }), key = await lead.must('POST', '/keys', { name: 'ours' });
  await lead.refused(403, 'price_group', 'POST', '/teams', { name: 'x', ...group });
  await lead.refused(403, 'price_group', 'POST', '/keys', { name: 'x', ...group });
  for (const path of [`/teams/${team.id}`, `/keys/${key.id}`, `/workspaces/${org.workspace.id}`]) {
    await lead.refused(403, 'price_group', 'PATCH', path, group);
    await org.root.must('PATCH', path, group, ANY);
    await lead.must('PATCH', path, { name: fresh('renamed') }, ANY);
    await lead.must('PATCH', path, { price_group: 'CHEAP' }, ANY); // as it is
    await lead.refused(403, 'price_group', 'PATCH', path, { price_group: '' });
  }
  // of many at once the first one's leave is not the next one's
  const other = await org.root.must('POST', '/keys', { name: 'other', workspace_id: org.workspace.id });
  const bulk = await lead.call('POST', '/keys/bulk', { action: 'update', ids: [key.id, other.id], patch: group });
  assert.equal(bulk.status, 200, bulk.text);
  assert.equal((await org.root.must('GET', `/keys/${other.id}`)).price_group, '', bulk.text);

  const runs = await org.token('admin'), owner = await org.token('owner');
  const draft = await runs.must('POST', '/price-books', { name: 'draft', document: { rules: [] }, publish: false });
  assert.equal((await runs.call('DELETE', `/price-books/${draft.id}`)).status, 204);
  const book = await owner.must('POST', '/price-books', { name: 'book', document: { rules: [] } });
  await runs.refused(403, null, 'DELETE', `/price-books/${book.id}`);
  assert.equal((await owner.call('DELETE', `/price-books/${book.id}`)).status, 204);
});

test('a statement names the teams of who asks, and no others', async () => {
  const org = await makeOrganization();
  const other = await org.root.must('POST', '/workspaces', { name: 'other' });
  await org.root.must('POST', '/teams', { name: 'secret', workspace_id: other.id });
  const lead = await org.person({ role: 'admin', workspace_id: org.workspace.id });
  const month = new Date().toISOString().slice(0, 7);
  await lead.refused(404, 'team', 'GET', `/statements?month=${month}&team=secret`);
  await lead.refused(404, 'team', 'GET', `/statements?month=${month}&team=nobodys`);
  const own = await org.root.must('POST', '/teams', { name: 'secret', workspace_id: org.workspace.id });
  await database.query(`select ensure_usage_partitions(current_date, current_date)`);
  await database.query(`insert into usage_events (day, id, organization_id, workspace_id, team_id, started_at, data_plane_id, model, status, outcome, cost_nanousd, list_nanousd, duration_us, endpoint, dialect, error_code, config_version, price_version, metadata, trace_id, stream)
    values (current_date, gen_random_uuid(), $1, $2, $3, now(), gen_random_uuid(), 'm', 200, 'ok', 7, 7, 1, '', '', '', 0, 0, '{}', '', false)`, [uuid(org.id), uuid(org.workspace.id), uuid(own.id)]);
  assert.equal((await lead.must('GET', `/statements?month=${month}&team=secret`)).total.cost_nanousd, 7);
});

test('the data planes are told of the keys of who is disabled, and of who is no longer', async () => {
  const org = await makeOrganization();
  const bot = await org.root.must('POST', '/service-accounts', { name: 'bot', workspace_id: org.workspace.id });
  const person = await org.person({ role: 'developer', workspace_id: org.workspace.id });
  const cases = [[`/service-accounts/${bot.id}`, { service_account_id: bot.id }], [`/users/${person.user.id}`, { user_id: person.user.id }]];
  for (const [path, owner] of cases) {
    const key = await org.root.must('POST', '/keys', { name: fresh('key'), workspace_id: org.workspace.id, ...owner });
    const logged = async () => (await database.query('select deleted from change_log where entity_id = $1 order by version', [uuid(key.id)])).map((r) => r.deleted);
    for (const [disabled, times] of [[true, 2], [true, 2], [false, 3]]) {
      await org.root.must('PATCH', path, { disabled }, ANY);
      assert.deepEqual(await logged(), Array(times).fill(false), `${path} ${disabled}`);
    }
  }
});

test('an administrator of the platform who was invited is out of reach', async () => {
  const org = await makeOrganization();
  const email = `${fresh('platform')}@example.test`;
  await control.must('POST', '/users', { email, password: PASSWORD, platform_admin: true });
  const r = await bare.call('POST', '/session', { email, password: PASSWORD });
  assert.equal(r.status, 201, r.text);
  const owner = await org.person({ role: 'owner' });
  const [mine] = (await owner.must('GET', '/sessions?all=true')).data;
  const invited = await owner.must('POST', '/memberships', { email, role: 'auditor' });
  assert.deepEqual((await owner.must('GET', '/sessions?all=true')).data.map((s) => s.id), [mine.id]);
  assert.deepEqual((await owner.must('GET', `/sessions?user_id=${invited.user_id}`)).data, []);
  const [session] = await database.query('select id from sessions where user_id = $1', [uuid(invited.user_id)]);
  await owner.refused(404, null, 'DELETE', `/sessions/ses_${session.id.replaceAll('-', '')}`);
});

test('who may write identity providers by a role of their own still makes nobody more than they are', async () => {
  const org = await makeOrganization();
  const role = await org.root.must('POST', '/roles', { name: 'identity', scope: 'organization', permissions: ['issuer.read', 'issuer.write', 'organization.read'] });
  const who = await org.person({ role_id: role.id }), owner = await org.person({ role: 'owner' });
  const issuer = { name: 'idp', issuer: 'https://idp.example.test', client_id: 'weir', group_rules: [{ group: '*', role: 'owner' }] };
  await who.refused(403, null, 'POST', '/issuers', issuer);
  await who.refused(403, null, 'POST', '/issuers', { ...issuer, group_rules: [] });
  const made = await owner.must('POST', '/issuers', issuer);
  await who.refused(403, null, 'PATCH', `/issuers/${made.id}`, { jwks_uri: 'https://elsewhere.example.test/keys' });
  await owner.must('PATCH', `/issuers/${made.id}`, { name: 'renamed' }, ANY);
});

test('the answers are as docs/openapi.json says', () => {
  assert.deepEqual(faults, []);
});
