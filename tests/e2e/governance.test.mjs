// What holds behind the admin API's back: no change without its audit row and its line in the log of changes, no right that
// outlives its holder, no secret that a write can lead elsewhere, and changes that arrive although connections are lost.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, configure, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { until } from './harness/process.mjs';

const PASSWORD = 'correct horse battery staple';
let database, control, second, proxy, provider, admin, key, acme;
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;
const uuid = (id) => id.replace(/^[a-z]+_/, '').replace(/^(.{8})-?(.{4})-?(.{4})-?(.{4})-?(.{12})$/, '$1-$2-$3-$4-$5');

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  // Two that start at once on a database without a CA: one makes it, both use it.
  [control, second] = await Promise.all([
    startControl(database, { name: 'control-1', args: ['--database-connections', '2'] }),
    startControl(database, { name: 'control-2' }),
  ]);
  control.token = second.token = admin.admin_token;
  acme = (await control.must('GET', '/organizations')).data[0].id;
  proxy = await startProxy(control);
  provider = await fakeProvider();
  ({ key } = await configure(control, provider.url, [proxy]));
});

after(async () => {
  await provider?.close();
  await proxy?.end();
  await control?.end();
  await second?.end();
  await database?.drop();
});

// The same control plane seen by somebody else.
const as = (token, organization) => ({
  call: (method, path, body, headers = {}) => control.call(method, path, body, {
    authorization: `Bearer ${token}`, ...(organization ? { 'x-weir-organization': organization } : {}), ...headers }),
  async must(...args) {
    const r = await this.call(...args);
    if (r.status >= 300) throw new Error(`${args[0]} ${args[1]}: ${r.status} ${r.text}`);
    return r.json;
  },
});
const root = (organization) => as(admin.admin_token, organization);

async function makeOrganization() {
  const organization = await control.must('POST', '/organizations', { name: fresh('org') });
  const there = root(organization.id);
  const workspace = await there.must('POST', '/workspaces', { name: 'main' });
  const token = (role) => there.must('POST', '/admin-tokens', { name: fresh('token'), role }).then((t) => t.secret);
  return { ...organization, there, workspace, token };
}

async function makeUser(fields = {}) {
  return control.must('POST', '/users', { email: `${fresh('user')}@example.test`, password: PASSWORD, ...fields });
}

async function signIn(email, password = PASSWORD) {
  const r = await control.call('POST', '/session', { email, password }, { authorization: '' });
  assert.equal(r.status, 201, r.text);
  const cookie = r.headers.get('set-cookie').split(';')[0];
  return {
    call: (method, path, body, headers = {}) => fetch(`${control.url}/api/v1${path}`, {
      method, body: body === undefined ? undefined : JSON.stringify(body),
      headers: { 'content-type': 'application/json', cookie, 'x-weir-csrf': r.json.csrf_token, ...headers },
    }).then(async (a) => {
      const text = await a.text();
      return { status: a.status, text, json: text ? JSON.parse(text) : undefined };
    }),
  };
}

test('two control planes that start at once on an empty database share one CA and one snapshot key', async () => {
  assert.equal((await database.query('select * from certificate_authority')).length, 1);
  assert.equal((await database.query('select * from snapshot_keys')).length, 1);
});

test('a change whose audit row cannot be written does not happen', async () => {
  const doomed = await makeUser();
  await control.must('POST', '/enrolment-tokens', {});
  const plane = (await control.must('GET', '/data-planes')).data[0];
  const counts = async () => (await database.query(`select (select count(*) from enrolment_tokens) as tokens,
    (select count(*) from users) as users, (select count(*) from sessions) as sessions, (select count(*) from virtual_keys) as keys,
    (select count(*) from data_planes where revoked_at is not null) as revoked, (select version from config_version) as version`))[0];
  const before = await counts();
  await database.query(`create function refuse_audit() returns trigger language plpgsql as $$ begin raise exception 'no audit'; end $$`);
  await database.query('create trigger refuse before insert on audit_log for each row execute function refuse_audit()');
  try {
    const member = { email: `${fresh('new')}@example.test`, role: 'auditor' };
    for (const [method, path, body] of [
      ['POST', '/enrolment-tokens', {}], ['POST', `/data-planes/${plane.id}/revoke`], ['POST', '/memberships', member],
      ['POST', '/keys', { name: 'unaudited' }], ['POST', '/session', { email: doomed.email, password: PASSWORD }],
    ]) {
      const r = await control.call(method, path, body);
      assert.equal(r.status, 503, `${method} ${path}: ${r.status} ${r.text}`);
      assert.doesNotMatch(r.text, /no audit/, 'the database\'s words stay in the log');
    }
  } finally {
    await database.query('drop trigger refuse on audit_log');
    await database.query('drop function refuse_audit()');
  }
  assert.deepEqual(await counts(), before);
  assert.equal((await proxy.chat(key.secret, { model: 'gpt-4o', messages: [] })).status, 200);
});

test('every change has an audit row that names who, what and where, without its secrets', async () => {
  const org = await makeOrganization();
  const user = await makeUser();
  const email = `${fresh('invited')}@example.test`;
  await org.there.must('POST', '/memberships', { email, role: 'auditor' });
  await org.there.must('POST', '/memberships', { user_id: user.id, role: 'admin' });
  await org.there.must('POST', '/providers', { name: 'p', kind: 'openai', api_key: 'sk-never-shown-anywhere' });
  const made = await org.there.must('POST', '/keys', { name: 'k' });
  await org.there.must('POST', `/keys/${made.id}/revoke`);
  const token = await org.token('admin');
  const session = await signIn(user.email);
  await control.must('PATCH', `/users/${user.id}`, { password: 'another long password' }, { 'if-match': '*' });
  const rows = await database.query('select * from audit_log order by id');
  const of = (action, name) => rows.filter((r) => r.action === action && (!name || r.object_name === name));
  for (const [action, name] of [['user.create', email], ['user.create', user.email], ['membership.create'], ['provider.create', 'p'],
    ['key.create', 'k'], ['key.revoke', 'k'], ['admin_token.create'], ['session.create'], ['enrolment_token.create', 'default'],
    ['data_plane.enrol', proxy.planeName], ['user.password', user.email]]) {
    assert.ok(of(action, name).length > 0, `${action} ${name ?? ''} has an audit row`);
  }
  assert.equal(of('user.create', email)[0].organization_id, uuid(org.id), 'the tenant sees whom it made known');
  assert.ok(rows.every((r) => r.actor_kind === 'system' || (r.actor_id && r.address)), 'each row names its actor and the address');
  const all = JSON.stringify(rows);
  for (const secret of ['sk-never-shown-anywhere', made.secret, token, PASSWORD, 'another long password', '$argon2']) {
    assert.ok(!all.includes(secret), `the audit log does not hold ${secret.slice(0, 8)}…`);
    for (const c of [control, second]) assert.ok(!c.program.log().includes(secret), 'nor does the log');
  }
  assert.equal((await session.call('GET', '/session')).status, 401, 'a password that an administrator sets ends the sessions');
  const kinds = new Set(rows.map((r) => r.object_kind));
  for (const k of kinds) {
    assert.ok(['organization', 'workspace', 'user', 'membership', 'key', 'provider', 'model', 'data_plane_group', 'data_plane',
      'admin_token', 'session'].includes(k), `${k} is a kind that the audit log knows`);
  }
});

test('who is disabled or deleted loses sessions and tokens at once', async () => {
  for (const end of ['disable', 'delete']) {
    const org = await makeOrganization();
    const user = await makeUser();
    await org.there.must('POST', '/memberships', { user_id: user.id, role: 'owner' });
    const session = await signIn(user.email);
    const token = await session.call('POST', '/admin-tokens', { name: 'mine', role: 'owner' });
    assert.equal(token.status, 201, token.text);
    assert.equal((await as(token.json.secret).call('GET', '/keys')).status, 200);
    if (end === 'disable') await control.must('PATCH', `/users/${user.id}`, { disabled: true }, { 'if-match': '*' });
    else assert.equal((await control.call('DELETE', `/users/${user.id}`)).status, 204);
    assert.equal((await session.call('GET', '/session')).status, 401, `${end}: session`);
    assert.equal((await as(token.json.secret).call('GET', '/keys')).status, 401, `${end}: token`);
    const again = await control.call('POST', '/session', { email: user.email, password: PASSWORD });
    assert.equal(again.status, 401, `${end}: cannot sign in`);
  }
});

test('a platform token ends with its maker\'s being an administrator of the platform', async () => {
  const user = await makeUser({ platform_admin: true });
  const session = await signIn(user.email);
  const token = await session.call('POST', '/admin-tokens', { name: 'platform', role: 'platform_admin' });
  assert.equal(token.status, 201, token.text);
  assert.equal((await as(token.json.secret).call('GET', '/data-plane-groups')).status, 200);
  await control.must('PATCH', `/users/${user.id}`, { platform_admin: false }, { 'if-match': '*' });
  assert.equal((await as(token.json.secret).call('GET', '/data-plane-groups')).status, 401);
});

test('deleting a user takes them off their keys, which every data plane learns', async () => {
  const org = await makeOrganization();
  const user = await makeUser();
  await org.there.must('POST', '/memberships', { user_id: user.id, role: 'auditor' });
  const theirs = await org.there.must('POST', '/keys', { name: 'theirs', user_id: user.id });
  const [{ version }] = await database.query('select version from config_version');
  assert.equal((await control.call('DELETE', `/users/${user.id}`)).status, 204);
  const logged = await database.query('select * from change_log where version > $1 and entity_id = $2', [version, uuid(theirs.id)]);
  assert.equal(logged.length, 1);
  assert.equal(logged[0].deleted, false);
  const now = await org.there.must('GET', `/keys/${theirs.id}`);
  assert.equal(now.user_id, null);
  assert.ok(now.revision > theirs.revision, 'an ETag from before is stale');
});

test('deleting an organization logs the deletion of the workspaces that go with it', async () => {
  const org = await makeOrganization();
  const extra = await org.there.must('POST', '/workspaces', { name: 'extra' });
  const [{ version }] = await database.query('select version from config_version');
  assert.equal((await control.call('DELETE', `/organizations/${org.id}`)).status, 204);
  const logged = await database.query('select * from change_log where version > $1 and deleted', [version]);
  assert.deepEqual(logged.map((r) => [r.kind, r.entity_id]).sort(),
    [[1, uuid(org.id)], [2, uuid(org.workspace.id)], [2, uuid(extra.id)]].sort());
  const audit = await database.query(`select object_id from audit_log where action = 'workspace.delete' and organization_id = $1`, [uuid(org.id)]);
  assert.equal(audit.length, 2);
});

test('what still holds keys, providers or models is not deleted under them', async () => {
  const org = await makeOrganization();
  const k = await org.there.must('POST', '/keys', { name: 'k' });
  assert.equal((await org.there.call('DELETE', `/workspaces/${org.workspace.id}`)).status, 409);
  assert.equal((await control.call('DELETE', `/organizations/${org.id}`)).status, 409);
  await org.there.must('DELETE', `/keys/${k.id}`);
  assert.equal((await org.there.call('DELETE', `/workspaces/${org.workspace.id}`)).status, 204);
  assert.equal((await control.call('DELETE', `/organizations/${org.id}`)).status, 204);
});

test('nobody grants above their own: tokens, memberships, users, platform', async () => {
  const org = await makeOrganization(), other = await makeOrganization();
  const owners = await org.token('owner'), admins = await org.token('admin'), billing = await org.token('billing');
  const refused = async (who, method, path, body, want = [403]) => {
    const r = await who.call(method, path, body, { 'if-match': '*' });
    assert.ok(want.includes(r.status), `${method} ${path} ${JSON.stringify(body)}: ${r.status} ${r.text}`);
  };
  const a = as(admins), o = as(owners);
  await refused(a, 'POST', '/admin-tokens', { name: 'x', role: 'owner' });
  await refused(a, 'POST', '/admin-tokens', { name: 'x', role: 'platform_admin' }, [400, 403]);
  await refused(o, 'POST', '/admin-tokens', { name: 'x', role: 'platform_admin' }, [400, 403]);
  await refused(a, 'POST', '/memberships', { email: 'x@example.test', role: 'owner' });
  await refused(o, 'POST', '/memberships', { email: 'x@example.test', role: 'platform_admin' }, [400]);
  await refused(o, 'POST', '/users', { email: 'x@example.test' });
  await refused(o, 'POST', '/organizations', { name: 'x' });
  await refused(o, 'DELETE', `/organizations/${org.id}`);
  await refused(o, 'POST', '/enrolment-tokens', {});
  await refused(o, 'GET', '/data-plane-groups');
  await refused(as(billing), 'POST', '/keys', { name: 'x' });
  await refused(as(billing), 'GET', '/providers');
  await refused(as(owners, other.id), 'POST', '/admin-tokens', { name: 'x', role: 'auditor' }, [404]);
  // what an owner holds, an administrator below does not lengthen
  const token = (await o.must('GET', '/admin-tokens')).data.find((t) => t.role === 'owner');
  await refused(a, 'PATCH', `/admin-tokens/${token.id}`, { expires_at: null });
  // somebody else's people are not there to be named by their id
  const stranger = await makeUser();
  await other.there.must('POST', '/memberships', { user_id: stranger.id, role: 'owner' });
  const named = await o.call('POST', '/memberships', { user_id: stranger.id, role: 'auditor' });
  const nobody = await o.call('POST', '/memberships', { user_id: `usr_${'0'.repeat(12)}70008${'0'.repeat(15)}`, role: 'auditor' });
  assert.equal(named.status, 400, named.text);
  assert.equal(named.json.error.message, nobody.json.error.message);
});

test('roles of one workspace reach neither another workspace nor what the organization shares', async () => {
  const org = await makeOrganization();
  const elsewhere = await org.there.must('POST', '/workspaces', { name: 'elsewhere' });
  const shared = await org.there.must('POST', '/providers', { name: 'shared', kind: 'openai', api_key: 'sk-shared-secret' });
  const foreign = await org.there.must('POST', '/providers', { name: 'foreign', kind: 'openai', workspace_id: elsewhere.id });
  const foreignKey = await org.there.must('POST', '/keys', { name: 'foreign', workspace_id: elsewhere.id });
  const ownKey = await org.there.must('POST', '/keys', { name: 'own', workspace_id: org.workspace.id });
  for (const role of ['admin', 'manager', 'developer', 'viewer']) {
    const user = await makeUser();
    await org.there.must('POST', '/memberships', { user_id: user.id, workspace_id: org.workspace.id, role });
    const who = await signIn(user.email);
    const status = async (method, path, body) => (await who.call(method, path, body, { 'if-match': '*' })).status;
    for (const [method, path, body] of [
      ['PATCH', `/providers/${shared.id}`, { base_url: 'http://127.0.0.1:1' }], ['DELETE', `/providers/${shared.id}`],
      ['POST', `/providers/${shared.id}/test`], ['POST', '/workspaces', { name: 'x' }], ['PATCH', `/organizations/${org.id}`, { name: 'x' }],
      ['POST', '/admin-tokens', { name: 'x', role: 'auditor' }], ['GET', '/admin-tokens'], ['GET', '/users'], ['GET', '/audit'],
      ['POST', '/keys', { name: 'x', workspace_id: elsewhere.id }], ['POST', '/providers', { name: 'x', kind: 'openai', workspace_id: elsewhere.id }],
      ['POST', '/apply', { version: 1, workspace: 'elsewhere', providers: [] }],
      ['POST', '/memberships', { email: 'x@example.test', role: 'admin' , workspace_id: elsewhere.id }],
    ]) assert.ok([400, 403, 404].includes(await status(method, path, body)), `${role}: ${method} ${path}`);
    for (const [method, path] of [['GET', `/providers/${foreign.id}`], ['DELETE', `/providers/${foreign.id}`], ['GET', `/keys/${foreignKey.id}`],
      ['POST', `/keys/${foreignKey.id}/revoke`], ['GET', `/workspaces/${elsewhere.id}`]]) {
      assert.ok([403, 404].includes(await status(method, path)), `${role}: ${method} ${path}`);
    }
    const lists = await Promise.all(['/keys', '/providers', '/models', '/workspaces'].map(async (p) => (await who.call('GET', p)).text));
    assert.ok(!lists.join().includes('elsewhere') && !lists.join().includes('foreign'), `${role} sees nothing of the other workspace`);
    const mayWrite = ['admin', 'manager', 'developer'].includes(role);
    assert.equal(await status('PATCH', `/keys/${ownKey.id}`, { metadata: { role } }), mayWrite ? 200 : 403, role);
    assert.equal(await status('POST', '/providers', { name: fresh('p'), kind: 'openai' }), ['admin', 'manager'].includes(role) ? 201 : 403, role);
  }
  const own = (await org.there.must('GET', '/providers')).data.filter((p) => p.workspace_id === null);
  assert.deepEqual(own.map((p) => p.name), ['shared'], 'what a workspace\'s people made stands in their workspace');
});

test('a stored credential is never led to another server by whoever does not know it', async () => {
  const org = await makeOrganization();
  const p = await org.there.must('POST', '/providers', { name: 'p', kind: 'openai', base_url: 'https://api.example.test/v1', api_key: 'sk-real-secret' });
  const patch = (body) => org.there.call('PATCH', `/providers/${p.id}`, body, { 'if-match': '*' });
  for (const base_url of ['https://evil.example.test/v1', 'http://api.example.test/v1', 'https://api.example.test:444/v1', '']) {
    const r = await patch({ base_url });
    assert.equal(r.status, 400, `${base_url}: ${r.text}`);
    assert.equal(r.json.error.param, 'api_key');
  }
  const applied = await org.there.call('POST', '/apply', { version: 1, providers: [{ name: 'p', kind: 'openai', base_url: 'https://evil.example.test' }] });
  assert.equal(applied.status, 400, applied.text);
  assert.equal(applied.json.error.param, 'providers[0].api_key');
  assert.equal((await patch({ base_url: 'https://API.example.test/v2', timeout_ms: 5 })).status, 200, 'another path of the same server');
  assert.equal((await patch({ base_url: 'https://new.example.test/v1', api_key: 'sk-other' })).status, 200, 'with its key');
  assert.equal((await patch({ base_url: 'https://newer.example.test/v1', api_key: null })).status, 200, 'without any');
  assert.equal((await patch({ base_url: 'https://newest.example.test/v1' })).status, 200, 'none is stored');
});

test('the default group keeps its name', async () => {
  const group = (await control.must('GET', '/data-plane-groups')).data.find((g) => g.name === 'default');
  const r = await control.call('PATCH', `/data-plane-groups/${group.id}`, { name: 'renamed' }, { 'if-match': '*' });
  assert.equal(r.status, 409, r.text);
  assert.equal((await control.call('PATCH', `/data-plane-groups/${group.id}`, { name: 'default' }, { 'if-match': '*' })).status, 200);
});

test('calls to change a password at once do not wait for each other\'s connections', async () => {
  const users = await Promise.all([1, 2, 3, 4].map(() => makeUser()));
  const sessions = [];
  for (const u of users) sessions.push(await signIn(u.email));
  const answers = await Promise.all(sessions.map((s) => s.call('POST', '/session/password', { current_password: PASSWORD, new_password: 'something else, long' })));
  assert.deepEqual(answers.map((a) => a.status), [204, 204, 204, 204]);
});

async function arrives(what, within) {
  const doomed = await root(acme).must('POST', '/keys', { name: fresh('doomed') });
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };
  await until('the key works', async () => (await proxy.chat(doomed.secret, body)).status === 200, within);
  await root(acme).must('POST', `/keys/${doomed.id}/revoke`);
  const answered = Date.now();
  await until('the key is refused', async () => (await proxy.chat(doomed.secret, body)).status === 401, within);
  assert.ok(Date.now() - answered < within, `${what}: took ${Date.now() - answered} ms`);
}

test('a change arrives within two seconds although every listener\'s connection was cut', async () => {
  for (let round = 0; round < 3; round++) {
    const service = new pg.Client({ connectionString: database.serviceUrl });
    await service.connect();
    const cut = await service.query(`select count(pg_terminate_backend(pid)) as n from pg_stat_activity
      where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`);
    await service.end();
    assert.ok(Number(cut.rows[0].n) > 0);
    await arrives('after a cut', 2000);
  }
});

test('tests of a provider that keeps silent do not keep others from the admin API', async () => {
  const held = [];
  const silent = await fakeProvider(() => new Promise((resolve) => held.push(resolve)));
  try {
    const p = await root(acme).must('POST', '/providers', { name: 'silent', kind: 'openai', base_url: `${silent.url}/v1`, api_key: 'sk-x' });
    await until('the data plane knows the provider', async () =>
      (await control.must('GET', '/data-planes')).data.some((d) => d.state === 'connected'));
    const tests = Array.from({ length: 12 }, () => root(acme).call('POST', `/providers/${p.id}/test`));
    await until('a test waits for the provider', () => silent.calls.length > 0);
    for (let i = 0; i < 10; i++) {
      const began = Date.now();
      const r = await fetch(`${control.url}/api/v1/keys`, { headers: { authorization: `Bearer ${admin.admin_token}`, 'x-weir-organization': acme, connection: 'close' } });
      assert.equal(r.status, 200);
      assert.ok(Date.now() - began < 3000, `took ${Date.now() - began} ms`);
    }
    for (const release of held.splice(0)) release(false);
    silent.handler = () => false;
    const answers = await Promise.all(tests);
    const refused = answers.filter((a) => a.status === 503);
    assert.ok(refused.length >= 1 && refused.every((a) => a.json.error.code === 'overloaded'), answers.map((a) => a.status).join());
    assert.ok(answers.some((a) => a.status === 200), answers.map((a) => a.status).join());
    assert.equal((await root(acme).call('POST', `/providers/${p.id}/test`)).status, 200, 'and afterwards one can be tested again');
  } finally {
    await silent.close();
  }
});

test('requests that are malformed, too large or ambiguous end with a clear answer and nothing else', async () => {
  const port = Number(new URL(control.url).port);
  const raw = (head, pieces = []) => new Promise((resolve) => {
    const s = net.connect(port, '127.0.0.1');
    let out = '';
    s.on('data', (d) => (out += d.toString('latin1')));
    s.on('close', () => resolve(out));
    s.on('error', () => {});
    s.write(Buffer.from(head, 'latin1'));
    for (const p of pieces) s.write(Buffer.from(p, 'latin1'));
  });
  const get = (path, headers) => `GET /api/v1${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${headers}\r\n`;
  const error = (text) => JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).error;
  const flood = await raw(get('/session', `x-a: ${'a'.repeat(40 * 1024)}\r\n`));
  assert.match(flood, /^HTTP\/1\.1 431 /);
  assert.equal(error(flood).code, 'headers_too_large');
  const notText = await raw(get('/keys', `authorization: Bearer ${admin.admin_token}\r\nx-weir-organization: \xff\xfe\r\n`));
  assert.match(notText, /^HTTP\/1\.1 404 /);
  assert.equal(error(notText).param, 'x-weir-organization');
  const two = await raw('POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n');
  assert.match(two, /^HTTP\/1\.1 400 /);
  assert.equal(error(two).code, 'bad_request');
  assert.equal(two.match(/HTTP\/1\.1 /g).length, 1, 'what follows is not taken for a request');
  // whoever is not signed in does not make the server take in megabytes of JSON
  const big = await control.call('POST', '/session', { email: 'a@example.test', password: 'x'.repeat(300000) }, { authorization: '' });
  assert.equal(big.status, 413, big.text);
  assert.equal(big.json.error.code, 'body_too_large');
  const wide = await control.call('POST', '/keys', { [`${'é'.repeat(500)}`]: 1 });
  assert.equal(wide.status, 400);
  assert.ok(wide.json?.error?.message && !wide.text.includes('\ufffd'), 'an answer that quotes cuts no character in half');
  assert.equal((await fetch(`${control.url}/livez`)).status, 200);
});
