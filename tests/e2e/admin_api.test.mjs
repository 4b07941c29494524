// The promises of the admin API as a client sees them: signing in, writing once, writing on what one has seen, reading page by
// page, being told which field is wrong; and that every route of docs/openapi.json knows a stranger from a tenant.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap, startControl } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { root } from './harness/process.mjs';

const api = JSON.parse(readFileSync(join(root, 'docs/openapi.json'), 'utf8'));
const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).filter(([m]) => ['get', 'post', 'put', 'patch', 'delete'].includes(m))
    .map(([m, operation]) => ({ method: m.toUpperCase(), path, operation })));
const isPublic = (r) => Array.isArray(r.operation.security) && r.operation.security.length === 0;

let database, control, admin;
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
});

after(async () => {
  await control?.end();
  await database?.drop();
});

// A call as whoever the headers say; nobody without them.
const anonymous = (method, path, body, headers = {}) => control.call(method, path, body, { authorization: '', ...headers });
async function bare(method, path, body, headers = {}) {
  const r = await fetch(`${control.url}/api/v1${path}`, {
    method, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, body, redirect: 'manual' });
  const text = await r.text();
  return { status: r.status, headers: r.headers, text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
}

function assertError(r, status, code, param) {
  assert.equal(r.status, status, r.text);
  const { error } = r.json;
  assert.equal(error.code, code, r.text);
  if (param !== undefined) assert.equal(error.param, param, r.text);
  assert.match(error.request_id, /^req_[0-9a-f]{32}$/);
  assert.equal(r.headers.get('x-weir-request-id'), error.request_id);
  assert.equal(r.headers.get('cache-control'), 'no-store');
  assert.match(r.headers.get('content-type'), /^application\/json/);
}

async function tenant(name) {
  const organization = await control.must('POST', '/organizations', { name });
  const at = { 'x-weir-organization': organization.id };
  const workspace = await control.must('POST', '/workspaces', { name: `${name}-workspace` }, at);
  const provider = await control.must('POST', '/providers', { name: `${name}-provider`, kind: 'openai', base_url: 'http://127.0.0.1:9/v1', api_key: `sk-${name}-secret` }, at);
  const model = await control.must('POST', '/models', { name: `${name}-model`, targets: [{ provider: provider.name, model: 'm' }] }, at);
  const key = await control.must('POST', '/keys', { name: `${name}-key` }, at);
  const config = await control.must('POST', '/configs', { name: `${name}-config`, document: { provider: 'openai' }, labels: ['production'] }, at);
  const prompt = await control.must('POST', '/prompts', { name: `${name}-prompt`, document: { messages: [{ role: 'user', content: `${name} says` }] } }, at);
  const membership = await control.must('POST', '/memberships', { email: `${name}@people.test`, role: 'owner' }, at);
  const token = await control.must('POST', '/admin-tokens', { name: `${name}-token`, role: 'owner' }, at);
  return { name, at, organization, workspace, provider, model, key, config, prompt, membership, token };
}

test('signing in gives a session whose writes need the CSRF token and our own origin', async () => {
  const wrong = await anonymous('POST', '/session', { email: admin.email, password: 'no, not this' });
  assertError(wrong, 401, 'unauthenticated');
  const unknown = await anonymous('POST', '/session', { email: 'nobody@example.test', password: 'no, not this' });
  assert.equal(unknown.json.error.message, wrong.json.error.message, 'an unknown account is not told apart');
  const foreign = await anonymous('POST', '/session', { email: admin.email, password: admin.password }, { origin: 'https://evil.example' });
  assertError(foreign, 403, 'csrf_failed');

  const r = await anonymous('POST', '/session', { email: admin.email, password: admin.password });
  assert.equal(r.status, 201, r.text);
  const set = r.headers.get('set-cookie');
  assert.match(set, /^weir_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
  const cookie = set.split(';')[0], csrf = r.json.csrf_token;
  const me = await bare('GET', '/session', undefined, { cookie });
  assert.equal(me.json.user.email, admin.email);
  assert.equal(me.json.csrf_token, csrf, 'a page that is loaded anew is told it again');

  const write = (headers) => bare('POST', '/organizations', JSON.stringify({ name: fresh('by-cookie') }), { cookie, ...headers });
  assertError(await write({}), 403, 'csrf_failed');
  assertError(await write({ 'x-weir-csrf': `${csrf.slice(0, -1)}${csrf.endsWith('A') ? 'B' : 'A'}` }), 403, 'csrf_failed');
  assertError(await write({ 'x-weir-csrf': csrf, origin: 'https://evil.example' }), 403, 'csrf_failed');
  assertError(await write({ 'x-weir-csrf': csrf, 'sec-fetch-site': 'cross-site' }), 403, 'csrf_failed');
  assert.equal((await write({ 'x-weir-csrf': csrf, origin: control.url })).status, 201);

  assertError(await bare('DELETE', '/session', undefined, { cookie }), 403, 'csrf_failed');
  const out = await bare('DELETE', '/session', undefined, { cookie, 'x-weir-csrf': csrf });
  assert.equal(out.status, 204);
  assert.match(out.headers.get('set-cookie'), /^weir_session=; .*Max-Age=0/);
  assertError(await bare('GET', '/session', undefined, { cookie }), 401, 'unauthenticated');
});

test('a cookie is Secure and bound to the host where browsers come by HTTPS', async () => {
  const secure = await startControl(database, { name: 'secure', args: ['--public-url', 'https://weir.example.test'] });
  try {
    const r = await secure.call('POST', '/session', { email: admin.email, password: admin.password });
    assert.match(r.headers.get('set-cookie'), /^__Host-weir_session=[\w-]{43}; Path=\/; .*; Secure$/);
  } finally {
    await secure.end();
  }
});

test('guessing passwords is slowed down per account, also in parallel and in another spelling', async () => {
  const user = await control.must('POST', '/users', { email: 'guessed@example.test', password: 'the right password' });
  const guess = (email, password) => anonymous('POST', '/session', { email, password });
  const burst = await Promise.all(Array.from({ length: 10 }, (_, i) => guess(i % 2 ? user.email : user.email.toUpperCase(), `guess number ${i}`)));
  const looked = burst.filter((r) => r.status === 401).length;
  assert.ok(looked <= 5, `${looked} of 10 guesses were looked at`);
  const locked = await guess(user.email, 'the right password');
  assertError(locked, 429, 'rate_limit_exceeded');
  const wait = Number(locked.headers.get('retry-after'));
  assert.ok(wait >= 1 && wait <= 3600, `retry-after ${wait}`);
  assert.equal((await anonymous('POST', '/session', { email: admin.email, password: admin.password })).status, 201, 'others are not locked');
});

test('the same Idempotency-Key gives the same answer and one effect', async () => {
  const headers = { 'idempotency-key': fresh('once') };
  const body = { name: fresh('idempotent') };
  const many = await Promise.all(Array.from({ length: 6 }, () => control.call('POST', '/organizations', body, headers)));
  const made = many.filter((r) => r.status === 201);
  assert.ok(made.length >= 1 && many.every((r) => r.status === 201 || r.status === 409), many.map((r) => r.status).join());
  const again = await control.call('POST', '/organizations', body, headers);
  assert.equal(again.status, 201);
  assert.equal(again.headers.get('idempotent-replayed'), 'true');
  assert.equal(again.text, made[0].text);
  assert.equal(again.headers.get('etag'), made[0].headers.get('etag'));
  assert.equal((await control.must('GET', `/organizations?name=${body.name}`)).data.length, 1);
  assertError(await control.call('POST', '/organizations', { name: 'another' }, headers), 409, 'conflict', 'idempotency-key');
  assertError(await control.call('POST', '/organizations', body, { 'idempotency-key': 'x'.repeat(256) }), 400, 'invalid_field', 'idempotency-key');
  const org = made[0].json.id, at = { 'x-weir-organization': org };
  await control.must('POST', '/workspaces', { name: 'w' }, at);
  const k = { ...at, 'idempotency-key': fresh('key') };
  const first = await control.must('POST', '/keys', { name: 'k' }, k);
  assert.equal((await control.must('POST', '/keys', { name: 'k' }, k)).secret, first.secret, 'a lost answer is not a lost key');
  const stored = await database.query('select * from idempotency_keys');
  assert.ok(!stored.some((r) => r.response.includes(first.secret)), 'stored answers are sealed');
  // somebody else's key of the same text is another key
  const token = await control.must('POST', '/admin-tokens', { name: 'other', role: 'owner' }, at);
  const other = await control.call('POST', '/keys', { name: 'k' }, { authorization: `Bearer ${token.secret}`, 'idempotency-key': k['idempotency-key'] });
  assertError(other, 409, 'conflict', 'name');
  // a call that failed is not remembered
  const retry = { ...at, 'idempotency-key': fresh('retry') };
  assertError(await control.call('POST', '/keys', { name: '' }, retry), 400, 'invalid_field', 'name');
  assert.equal((await control.call('POST', '/keys', { name: 'now-right' }, retry)).status, 201);
});

test('a write on an ETag that is no longer the object\'s is refused, and one of two at once wins', async () => {
  const org = await control.must('POST', '/organizations', { name: fresh('etag') });
  const path = `/organizations/${org.id}`;
  const got = await control.call('GET', path);
  const etag = got.headers.get('etag');
  assertError(await control.call('PATCH', path, { name: fresh('x') }), 428, 'precondition_required', 'if-match');
  const race = await Promise.all(Array.from({ length: 5 }, () => control.call('PATCH', path, { name: fresh('etag') }, { 'if-match': etag })));
  assert.deepEqual(race.map((r) => r.status).sort(), [200, 412, 412, 412, 412]);
  assertError(race.find((r) => r.status === 412), 412, 'precondition_failed', 'if-match');
  const winner = race.find((r) => r.status === 200);
  assert.notEqual(winner.headers.get('etag'), etag);
  assert.equal((await control.call('GET', path)).headers.get('etag'), winner.headers.get('etag'));
  for (const bad of ['"x"', '"-1"', 'W/""', '"99999999999999999999999"']) {
    assertError(await control.call('PATCH', path, { name: fresh('x') }, { 'if-match': bad }), 412, 'precondition_failed');
  }
  assertError(await control.call('DELETE', path, undefined, { 'if-match': etag }), 412, 'precondition_failed');
  assert.equal((await control.call('DELETE', path, undefined, { 'if-match': winner.headers.get('etag') })).status, 204);
});

test('pages neither repeat nor leave out what was there, whatever is made or deleted between them', async () => {
  const t = await tenant(fresh('paged'));
  const made = [];
  for (let i = 0; i < 9; i++) made.push(await control.must('POST', '/keys', { name: `page-${i}` }, t.at));
  const seen = [];
  let cursor = '', pages = 0;
  do {
    const page = await control.must('GET', `/keys?limit=3${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, undefined, t.at);
    assert.ok(page.data.length <= 3);
    seen.push(...page.data.map((k) => k.id));
    if (++pages === 2) {
      await control.must('DELETE', `/keys/${seen[0]}`, undefined, t.at);
      await control.must('POST', '/keys', { name: 'late' }, t.at);
    }
    cursor = page.next_cursor;
  } while (cursor);
  assert.equal(new Set(seen).size, seen.length, 'none twice');
  for (const k of made) assert.ok(seen.includes(k.id), `${k.name} was seen`);
  for (const [query, param] of [['limit=0', 'limit'], ['limit=201', 'limit'], ['limit=-1', 'limit'], ['limit=x', 'limit'], ['limit=1e1', 'limit'],
    ['cursor=AAAA', 'cursor'], ['cursor=%7B%7D', 'cursor'], [`cursor=${'A'.repeat(5000)}`, 'cursor']]) {
    assertError(await control.call('GET', `/keys?${query}`, undefined, t.at), 400, 'invalid_field', param);
  }
  assertError(await control.call('GET', '/keys?limit=%zz', undefined, t.at), 400, 'bad_request');
  assertError(await control.call('GET', '/keys?name=%ff', undefined, t.at), 400, 'bad_request');
  assertError(await control.call('GET', '/keys?name=%00', undefined, t.at), 400, 'bad_request');
  const empty = await control.must('GET', '/keys?name=there-is-none', undefined, t.at);
  assert.deepEqual(empty, { data: [], next_cursor: null });
});

test('a wrong field is named, and no value makes the server fail', async () => {
  const t = await tenant(fresh('valid'));
  const post = (path, body) => control.call('POST', path, body, t.at);
  const target = (extra) => ({ name: 'm2', targets: [{ provider: t.provider.name, model: 'm', ...extra }] });
  for (const [path, body, param] of [
    ['/keys', {}, 'name'], ['/keys', { name: 7 }, 'name'], ['/keys', { name: null }, 'name'], ['/keys', { name: '' }, 'name'],
    ['/keys', { name: 'x'.repeat(101) }, 'name'], ['/keys', { name: ' x' }, 'name'], ['/keys', { name: 'a\u0007b' }, 'name'],
    ['/keys', { name: ['x'] }, 'name'], ['/keys', { name: 'k', unknown: 1 }, 'unknown'], ['/keys', { name: 'k', models: '*' }, 'models'],
    ['/keys', { name: 'k', models: ['*', 5] }, 'models[1]'], ['/keys', { name: 'k', models: ['a b'] }, 'models[0]'],
    ['/keys', { name: 'k', expires_at: 'tomorrow' }, 'expires_at'], ['/keys', { name: 'k', expires_at: -1 }, 'expires_at'],
    ['/keys', { name: 'k', expires_at: '2030-02-30T00:00:00Z' }, 'expires_at'], ['/keys', { name: 'k', disabled: 'yes' }, 'disabled'],
    ['/keys', { name: 'k', metadata: [] }, 'metadata'], ['/keys', { name: 'k', metadata: { a: 'x'.repeat(5000) } }, 'metadata'],
    ['/keys', { name: 'k', secret: 'short' }, 'secret'], ['/keys', { name: 'k', secret: 'env:PATH' }, 'secret'],
    ['/keys', { name: 'k', user_id: 'usr_1' }, 'user_id'], ['/keys', { name: 'k', user_id: t.key.id }, 'user_id'],
    ['/keys', { name: 'k', workspace_id: 'ws_00000000000070008000000000000000' }, 'workspace_id'],
    ['/providers', { name: 'a b', kind: 'openai' }, 'name'], ['/providers', { name: 'v1', kind: 'openai' }, 'name'],
    ['/providers', { name: 'p', kind: 'none' }, 'kind'], ['/providers', { name: 'p', kind: 'openai', base_url: 'file:///etc/passwd' }, 'base_url'],
    ['/providers', { name: 'p', kind: 'openai', base_url: 'http://user:pw@x/' }, 'base_url'],
    ['/providers', { name: 'p', kind: 'openai', base_url: 'http://' }, 'base_url'], ['/providers', { name: 'p', kind: 'openai', base_url: 'http://x:99999' }, 'base_url'],
    ['/providers', { name: 'p', kind: 'openai', base_url: 'http://x/?a' }, 'base_url'], ['/providers', { name: 'p', kind: 'openai', base_url: 'ref:HOST' }, 'base_url'],
    ['/providers', { name: 'p', kind: 'openai', base_url: 'http://x\r\nhost: y' }, 'base_url'],
    ['/providers', { name: 'p', kind: 'openai', timeout_ms: -1 }, 'timeout_ms'], ['/providers', { name: 'p', kind: 'openai', timeout_ms: 1.5 }, 'timeout_ms'],
    ['/providers', { name: 'p', kind: 'openai', api_key: 'file:/etc/passwd' }, 'api_key'], ['/providers', { name: 'p', kind: 'openai', api_key: 'a\nb' }, 'api_key'],
    ['/providers', { name: 'p', kind: 'openai', api_key: {} }, 'api_key'], ['/providers', { name: 'p', kind: 'openai', settings: 'x' }, 'settings'],
    ['/models', { name: 'm2' }, 'targets'], ['/models', { name: 'm2', targets: [] }, 'targets'], ['/models', target({ weight: -1 }), 'targets[0].weight'],
    ['/models', target({ weight: 0 }), 'targets'], ['/models', target({ provider: 'none' }), 'targets[0].provider'], ['/models', target({ model: '' }), 'targets[0].model'],
    ['/models', { name: '@m', targets: [] }, 'name'], ['/models', { name: 'm2', targets: ['x'] }, 'targets[0]'],
    ['/memberships', { email: 'nobody', role: 'owner' }, 'email'], ['/memberships', { email: 'a@b.test', role: 'king' }, 'role'],
    ['/memberships', { role: 'owner' }, 'user_id'], ['/admin-tokens', { name: 't', role: 'king' }, 'role'],
    ['/apply', {}, 'version'], ['/apply', { version: 2 }, 'version'], ['/apply', { version: 1, keys: [{}] }, 'keys[0].name'],
    ['/apply', { version: 1, keys: [{ name: 'a' }, { name: 'A' }] }, 'keys[1].name'],
    ['/apply', { version: 1, providers: [{ name: 'p', kind: 'openai', base_url: 1 }] }, 'providers[0].base_url'],
    ['/apply', { version: 1, organization: 'acme' }, 'organization'],
  ]) {
    const r = await post(path, body);
    assertError(r, 400, 'invalid_field', param);
    assert.ok(r.json.error.message.startsWith(param) || param === 'user_id', r.text);
  }
  const deep = `{"name":"k","metadata":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`;
  for (const [body, where] of [['', 0], ['{', 1], ['{"name":"k",}', 1], ['{"name":"a","name":"b"}', 1], ['{"name":"\\u0000"}', 1], ['{"name":"\\ud800"}', 1],
    ['[1]', undefined], ['"x"', undefined], ['null', undefined], [deep, undefined], ['{"name":"k","metadata":{"n":1e999}}', 1]]) {
    const r = await post('/keys', body);
    assertError(r, 400, 'invalid_json');
    if (where) assert.ok(r.json.error.line >= 1 && r.json.error.column >= 0, r.text);
  }
  const bytes = await bare('POST', '/keys', Buffer.from([...Buffer.from('{"name":"'), 0xff, 0xfe, ...Buffer.from('"}')]), { authorization: `Bearer ${control.token}`, ...t.at });
  assertError(bytes, 400, 'invalid_json');
  assertError(await control.call('POST', '/keys', { name: 'k' }, { ...t.at, 'content-type': 'text/plain' }), 415, 'unsupported_media_type');
  assertError(await control.call('POST', '/keys', `{"name":"${'x'.repeat(9 << 20)}"}`, t.at), 413, 'body_too_large');
  assertError(await control.call('PUT', '/keys', {}, t.at), 405, 'method_not_allowed');
  assertError(await control.call('GET', '/nothing'), 404, 'not_found');
  assertError(await control.call('GET', '/keys/key_1', undefined, t.at), 404, 'not_found');
  assertError(await control.call('GET', `/keys/${t.provider.id}`, undefined, t.at), 404, 'not_found');
  const text = JSON.stringify((await post('/providers', { name: t.provider.name, kind: 'openai', api_key: 'sk-in-a-refused-call' })).json);
  assert.ok(text.includes('is taken') && !text.includes('sk-in-a-refused-call'));
});

test('the address of a provider is stored and never visited by the control plane', async () => {
  const t = await tenant(fresh('ssrf'));
  for (const base_url of ['http://169.254.169.254/latest', 'http://127.0.0.1:1/v1', 'http://[::1]:1']) {
    assert.equal((await control.call('POST', '/providers', { name: fresh('p'), kind: 'openai', base_url }, t.at)).status, 201);
  }
  // the test runs in a data plane, and none is connected
  assertError(await control.call('POST', `/providers/${t.provider.id}/test`, undefined, t.at), 503, 'not_ready');
});

test('nobody gets past a route of the API without signing in', async () => {
  assert.ok(routes.length > 50, `${routes.length} routes are walked`);
  for (const r of routes.filter((x) => !isPublic(x))) {
    const path = r.path.replace('{id}', 'org_00000000000070008000000000000000').replace('{number}', '1').replace('{label}', 'production');
    for (const headers of [{}, { authorization: 'Bearer wr_adm_000000000000000000000000000000000' }, { authorization: `Basic ${btoa('a:b')}` },
      { authorization: `Bearer ${admin.key}` }, { cookie: `weir_session=${'A'.repeat(43)}` }, { cookie: 'weir_session=' }]) {
      const a = await bare(r.method, path, ['POST', 'PUT', 'PATCH'].includes(r.method) ? '{' : undefined, { 'x-weir-organization': 'acme', ...headers });
      assert.equal(a.status, 401, `${r.method} ${path} ${JSON.stringify(headers)}: ${a.status} ${a.text}`);
      assert.equal(a.json.error.type, 'authentication_error');
    }
  }
});

// One call for each route, aimed at what is `t`'s; bodies that would be right if it were the caller's own.
function aimed(r, t, ids) {
  const kind = r.path.split('/')[1];
  const id = ids[kind];
  const bodies = {
    'POST /session/password': { current_password: 'x', new_password: 'yyyyyyyyyyyy' }, 'POST /organizations': { name: fresh('o') },
    'PATCH /organizations/{id}': { name: fresh('o') }, 'POST /workspaces': { name: fresh('w') }, 'PATCH /workspaces/{id}': { name: fresh('w') },
    'POST /users': { email: `${fresh('u')}@x.test` }, 'PATCH /users/{id}': { name: 'x' }, 'POST /memberships': { email: 'thief@x.test', role: 'auditor' },
    'PATCH /memberships/{id}': { role: 'auditor' }, 'POST /keys': { name: fresh('k') }, 'PATCH /keys/{id}': { disabled: true },
    'POST /providers': { name: fresh('p'), kind: 'openai' }, 'PATCH /providers/{id}': { disabled: true },
    'POST /models': { name: fresh('m'), targets: [{ provider_id: t.provider.id, model: 'm' }] }, 'PATCH /models/{id}': { settings: {} },
    'POST /configs': { name: fresh('c'), document: { provider: 'openai' } }, 'POST /configs/validate': { document: {} }, 'PATCH /configs/{id}': { description: 'x' },
    'POST /prompts': { name: fresh('c'), document: { messages: [] } }, 'POST /prompts/validate': { document: {} }, 'PATCH /prompts/{id}': { description: 'x' },
    'POST /configs/{id}/versions': { document: { provider: 'openai' } }, 'POST /prompts/{id}/versions': { document: { messages: [] } },
    'POST /configs/{id}/publish': { version: 1 }, 'POST /prompts/{id}/publish': { version: 1 },
    'PUT /configs/{id}/labels/{label}': { version: 1 }, 'PUT /prompts/{id}/labels/{label}': { version: 1 },
    'POST /data-plane-groups': { name: fresh('g') }, 'PATCH /data-plane-groups/{id}': { serves_all: false }, 'POST /enrolment-tokens': {},
    'POST /admin-tokens': { name: fresh('t'), role: 'auditor' }, 'PATCH /admin-tokens/{id}': { name: 'x' },
    'POST /apply': { version: 1, organization: t.name, workspace: t.workspace.name, keys: [{ name: 'planted' }] },
  };
  return { path: r.path.replace('{id}', id ?? '').replace('{number}', '1').replace('{label}', 'production'), body: bodies[`${r.method} ${r.path}`], hasId: r.path.includes('{id}') };
}

test('a tenant\'s token reaches nothing of another tenant on any route, nor what is the platform\'s', async () => {
  const mine = await tenant(fresh('mine')), theirs = await tenant(fresh('theirs'));
  const user = await control.must('POST', '/users', { email: 'private@theirs.test', name: 'Private Person' });
  const event = '01900000-0000-7000-8000-000000000001';
  const [{ id: org }] = await database.query('select id from organizations where name = $1', [theirs.name]);
  await database.query(`insert into usage_events (id, day, organization_id, workspace_id, key_id, data_plane_id, started_at, duration_us, endpoint, dialect,
      model, status, outcome)
    select $1, '2024-06-10', organization_id, workspace_id, id, '00000000-0000-0000-0000-000000000001', now(), 1, '', '', 'theirs-event-model', 200, 'ok'
    from virtual_keys where organization_id = $2 limit 1`, [event, org]);
  const groups = (await control.must('GET', '/data-plane-groups')).data;
  const ids = {
    organizations: theirs.organization.id, workspaces: theirs.workspace.id, users: user.id, memberships: theirs.membership.id, keys: theirs.key.id,
    providers: theirs.provider.id, models: theirs.model.id, configs: theirs.config.id, prompts: theirs.prompt.id, 'data-plane-groups': groups[0].id, 'data-planes': 'dp_00000000000070008000000000000000',
    'admin-tokens': theirs.token.id, events: `evt_${event.replaceAll('-', '')}`,
  };
  const foreign = [theirs.name, theirs.organization.id, theirs.workspace.id, theirs.provider.id, theirs.key.id, theirs.key.mask, theirs.token.id, 'private@', 'Private Person', 'theirs-event-model'];
  const state = async () => JSON.stringify([
    await database.query(`select (select max(id::text) from audit_log where organization_id = $1) as audit, (select count(*) from users where email not like '%@x.test') as users,
      (select count(*) from organizations) as organizations, (select count(*) from enrolment_tokens) as enrolment`, [org]),
    ...await Promise.all(['workspaces', 'memberships', 'virtual_keys', 'providers', 'models', 'model_targets', 'configs', 'config_documents', 'prompts', 'prompt_documents'].map((t) =>
      database.query(`select * from ${t} where organization_id = $1 order by 1, 2`, [org]))),
    await database.query('select id, name, serves_all, revision from data_plane_groups'),
    await database.query('select id, role, revoked_at, expires_at, name from admin_tokens where organization_id = $1', [org]),
  ]);
  assert.equal((await control.must('GET', '/events/' + ids.events, undefined, theirs.at)).model, 'theirs-event-model');
  const before = await state();
  const platformOnly = /^\/(data-plane-groups|enrolment-tokens)|^\/data-planes\/\{id\}\/revoke/;
  for (const r of routes.filter((x) => !isPublic(x))) {
    const { path, body, hasId } = aimed(r, theirs, ids);
    for (const named of [theirs.organization.id, theirs.name, undefined]) {
      const query = named && r.method === 'GET' ? [`?organization=${named}`, ''] : [''];
      for (const q of query) {
        const headers = { authorization: `Bearer ${mine.token.secret}`, ...(named && !q ? { 'x-weir-organization': named } : {}), ...(r.method === 'PATCH' ? { 'if-match': '*' } : {}) };
        const a = await control.call(r.method, path + q, body, headers);
        const what = `${r.method} ${path}${q} as ${named ?? 'itself'}: ${a.status} ${a.text.slice(0, 300)}`;
        for (const f of foreign) {
          // what the caller wrote itself may be quoted back
          if (!path.includes(f) && !JSON.stringify(body ?? '').includes(f) && named !== f) assert.ok(!a.text.includes(f), `${what}\nshows ${f}`);
        }
        assert.ok(a.status < 500 || a.status === 501, what);
        const tenantRoute = !/^\/(session|organizations$|provider-kinds$|permissions$|catalogue)/.test(r.path); // the last three are the same for everybody
        if (hasId || platformOnly.test(r.path)) assert.ok([403, 404].includes(a.status), what);
        else if (named && tenantRoute) assert.ok([403, 404].includes(a.status), what);
        else if (a.status === 200) assert.ok(!a.text.includes(theirs.name), what);
      }
    }
  }
  assert.equal(await state(), before, 'nothing of theirs was changed');
  const audit = await control.must('GET', '/audit?limit=200', undefined, { authorization: `Bearer ${mine.token.secret}` });
  assert.ok(audit.data.length > 0 && audit.data.every((row) => row.organization_id === mine.organization.id));
});
