// Who sees and does what: every route of the admin API as every role, as nobody, as a stranger of another organization and as somebody of
// another workspace, and every endpoint of the data plane with another organization's key. What may be done is what GET /permissions
// says; everything else is 403 or 404 and shows nothing of whoever it belongs to. A route that is not in ROUTES below fails the test: list
// it there with its permission and, where the OpenAPI document does not tell how to call it, say how in `bodies`, `queries` or `fresh`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, eventsOf, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { root, until } from './harness/process.mjs';
import { FACES, LISTS, NAMINGS, ROUTES } from './harness/routes.mjs';

const PASSWORD = 'correct horse battery staple';
// Roles of the table by their keys; each is held by a person of their own. The custom ones stand in `custom` below.
const ORGANIZATION_ROLES = ['owner', 'admin', 'billing', 'auditor'];
const WORKSPACE_ROLES = ['workspace_admin', 'workspace_manager', 'workspace_developer', 'workspace_viewer'];
const custom = {
  custom_organization: { scope: 'organization', permissions: ['organization.read', 'workspace.read', 'team.read', 'team.write', 'member.read', 'key.read'] },
  custom_workspace: { scope: 'workspace', permissions: ['workspace.read', 'key.read', 'key.write', 'budget.read'] },
};

const KEY_PERMISSIONS = ['key.read', 'team.write', 'team.read', 'usage.read', 'limit.write', 'limit.read'];

let database, control, proxy, provider, admin, api, table;
const tenants = {}, actors = {}, problems = [];
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;
const uuid = (id) => id.replace(/^[a-z]+_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

// Thousands of calls: fetch would take longer for each than the server does. Without credentials but those in the headers.
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
let calls = 0;
const bare = {
  call: (method, path, body, headers = {}) => new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const length = text === undefined ? (method === 'GET' ? {} : { 'content-length': 0 }) : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    calls++;
    const q = http.request(`${control.url}/api/v1${path}`, { method, agent, headers: { ...length, ...headers } }, (r) => {
      const parts = [];
      r.on('data', (d) => parts.push(d));
      r.on('error', reject);
      r.on('end', () => {
        const answer = { status: r.statusCode, headers: r.headers, text: Buffer.concat(parts).toString('utf8') };
        try {
          answer.json = JSON.parse(answer.text);
        } catch {
          // lines, or nothing
        }
        resolve(answer);
      });
    });
    q.on('error', reject);
    q.end(text);
  }),
};

// ---- one organization with something of everything, in each of its workspaces and for both ----

// Names say whose they are: "northmark" in all, then A, B (the workspaces) or 0 (the organization).
const mark = (t, place) => `${t.name}mark${place}`;

// Collections whose objects stand in a workspace or for the whole organization, in the order that they need each other.
// (what the names of the place begin with, the place, what this one's name begins with) → body.
const make = {
  '/providers': (m, at, n = m) => ({ name: `${n}-provider`, kind: 'openai', base_url: `${provider.url}/v1`, api_key: `sk-${m}`, ...at }),
  '/models': (m, at, n = m) => ({ name: `${n}-model`, targets: [{ provider: `${m}-provider`, model: 'gpt-4o' }], ...at }),
  '/configs': (m, at, n = m) => ({ name: `${n}-config`, document: { targets: [{ provider: `${m}-provider`, model: 'gpt-4o' }] }, labels: ['production'], ...at }),
  '/prompts': (m, at, n = m) => ({ name: `${n}-prompt`, document: { model: `${m}-model`, messages: [{ role: 'user', content: `${m} says` }] }, labels: ['production'], ...at }),
  '/teams': (m, at, n = m) => ({ name: `${n}-team`, external_id: `${m}-group`, ...at }),
  '/service-accounts': (m, at, n = m) => ({ name: `${n}-account`, description: `${m} job`, ...at }),
  '/keys': (m, at, n = m) => ({ name: `${n}-key`, metadata: { app: `${m}-app` }, ...at }),
  '/budgets': (m, at, n = m) => ({ name: `${n}-budget`, metric: 'cost', amount: '100', window: 'month', mode: 'soft', ...at }),
  '/limits': (m, at, n = m) => ({ name: `${n}-limit`, metric: 'requests', amount: '1000', window: 'minute', algorithm: 'sliding', ...at }),
  '/memberships': (m, at, n = m) => ({ email: `${n}-member@people.test`, role: at.workspace_id ? 'viewer' : 'auditor', ...at }),
};
const WORKSPACE_ONLY = ['/keys', '/service-accounts'];
// Collections of the organization alone.
const makeWhole = {
  '/roles': (m, n = m) => ({ name: `${n}-role`, description: `${m} does`, scope: 'workspace', permissions: ['workspace.read'] }),
  '/admin-tokens': (m, n = m) => ({ name: `${n}-token`, role: 'auditor' }),
  '/catalogue-overrides': (m, n = m) => ({ provider: 'openai', model: `${n}-override`, entry: { price: { token_in: 1000 } } }),
  '/price-groups': (m, n = m) => ({ name: `${n}-prices`, description: `${m} pays`, ratio: '0.8' }),
  '/price-books': (m, n = m) => ({ name: `${n}-book`, document: { rules: [] } }),
  '/issuers': (m, n = m) => ({ name: `${n}-issuer`, issuer: `https://${n}.identity.test`, client_id: `${m}-client` }),
};

const op = (method, path) => api.paths[path]?.[method.toLowerCase()];
const resolve = (s) => (s?.$ref ? resolve(s.$ref.slice(2).split('/').reduce((o, k) => o[k], api)) : s);

// A body that has what the schema requires and nothing else.
function exampleOf(schema, m, name = '') {
  const s = resolve(schema) ?? {};
  if (s.const !== undefined) return s.const;
  if (s.enum) return s.enum[0];
  if (s.examples) return s.examples[0];
  if (s.oneOf ?? s.anyOf) return exampleOf((s.oneOf ?? s.anyOf)[0], m, name);
  const type = Array.isArray(s.type) ? s.type[0] : s.type;
  if (type === 'object' || s.properties) return Object.fromEntries((s.required ?? []).map((k) => [k, exampleOf(s.properties?.[k], m, k)]));
  if (type === 'array') return s.minItems ? [exampleOf(s.items, m, name)] : [];
  if (type === 'integer' || type === 'number') return s.minimum ?? 1;
  if (type === 'boolean') return false;
  return s.format === 'date-time' ? '2031-01-01T00:00:00Z' : s.pattern ? '1' : fresh(`${m}-${name || 'text'}`).slice(0, s.maxLength ?? 100);
}
const schemaOf = (o) => o?.requestBody?.content?.['application/json']?.schema;

async function makeTenant(name) {
  const t = { name, ids: {}, objects: {} };
  t.organization = await control.must('POST', '/organizations', { name: `${name}mark0` });
  t.at = { 'x-weir-organization': t.organization.id };
  const must = (method, path, body, headers = {}) => control.must(method, path, body, { ...t.at, ...headers });
  t.must = must;
  t.places = { 0: {} };
  for (const place of ['A', 'B']) t.places[place] = { workspace_id: (await must('POST', '/workspaces', { name: `${mark(t, place)}-workspace` })).id };
  const keep = (path, place, object) => ((t.objects[path] ??= {})[place] = object);
  keep('/organizations', 0, t.organization);
  for (const place of ['A', 'B']) keep('/workspaces', place, { id: t.places[place].workspace_id });
  for (const [path, body] of Object.entries(make)) {
    for (const place of WORKSPACE_ONLY.includes(path) ? ['A', 'B'] : ['0', 'A', 'B']) keep(path, place, await must('POST', path, body(mark(t, place), t.places[place])));
  }
  for (const [path, body] of Object.entries(makeWhole)) keep(path, 0, await must('POST', path, body(mark(t, 0))));
  // people: known by their memberships, in teams, and signed in
  for (const place of ['0', 'A', 'B']) {
    const { user_id, email } = t.objects['/memberships'][place];
    keep('/users', place, { id: user_id });
    await must('PUT', `/teams/${t.objects['/teams'][place].id}/members/${user_id}`);
    await control.must('PATCH', `/users/${user_id}`, { password: PASSWORD }, { 'if-match': '*' });
    keep('/sessions', place, { id: await sessionOf(email) });
  }
  return t;
}

// Signs in once more; the id of that session.
async function sessionOf(email) {
  const r = await bare.call('GET', '/sessions', undefined, await signIn(email));
  assert.equal(r.status, 200, r.text);
  return r.json.data.find((s) => s.current).id;
}

// What cannot be made by a call: usage (by requests through the proxy), and alerts.
async function makeHistory(t) {
  const ids = [];
  for (const place of ['A', 'B']) {
    const { secret } = t.objects['/keys'][place];
    const body = { model: `${mark(t, place)}-model`, messages: [{ role: 'user', content: 'Hi' }] };
    await until(`the proxy serves ${mark(t, place)}`, async () => {
      const r = await proxy.chat(secret, body);
      if (r.status !== 200) throw new Error(await r.text());
      return true;
    });
    const r = await proxy.chat(secret, body, { 'x-weir-metadata': JSON.stringify({ who: `${mark(t, place)}-caller` }) });
    assert.equal(r.status, 200, await r.text());
    ids.push(r.headers.get('x-weir-request-id'));
  }
  const rows = await eventsOf(database, ids);
  for (const [i, place] of ['A', 'B'].entries()) {
    const row = rows.find((e) => e.id.replaceAll('-', '') === ids[i].replace('req_', ''));
    (t.objects['/events'] ??= {})[place] = { id: `evt_${row.id.replaceAll('-', '')}` };
  }
  const organization = uuid(t.organization.id);
  for (const place of ['0', 'A', 'B']) {
    const budget = uuid(t.objects['/budgets'][place].id), workspace = place === '0' ? null : uuid(t.places[place].workspace_id);
    await database.query(`insert into alert_events (id, organization_id, workspace_id, kind, budget_id, metric, bucket, window_start, percent, settled, amount)
      values (gen_random_uuid(), $1, $2, 'budget_threshold', $3, 'cost', $4, 0, 50, 1, 2)`, [organization, workspace, budget, `${mark(t, place)}-bucket`]);
    const [account] = await database.query(`insert into ledger_accounts (organization_id, quota_id, bucket, window_start, amount, settled, held)
      values ($1, $2, $3, 0, 10, 1, 5) returning id`, [organization, budget, `${mark(t, place)}-bucket`]);
    await database.query(`insert into ledger_leases (account_id, holder, organization_id, data_plane_id, granted) values ($1, gen_random_uuid(), $2, $3, 5)`,
      [account.id, organization, GONE]);
  }
}

// A data plane that holds leases of everybody's and is heard of no more.
const GONE = '01900000-0000-7000-8000-00000000dead';
async function makeLostPlane() {
  await database.query(`insert into data_planes (id, group_id, name, secret, secret_kek, certificate_expires_at, last_seen_at)
    select $1, id, 'lost', '', '', now() + interval '1 day', now() - interval '30 days' from data_plane_groups where name = 'default'`, [GONE]);
}

// ---- who calls ----

async function signIn(email) {
  const r = await bare.call('POST', '/session', { email, password: PASSWORD });
  assert.equal(r.status, 201, r.text);
  return { cookie: r.headers['set-cookie'][0].split(';')[0], 'x-weir-csrf': r.json.csrf_token };
}

// A person with the memberships given; their name is neither tenant's.
async function person(key, memberships = []) {
  const email = `${fresh(key)}@walk.test`;
  const user = await control.must('POST', '/users', { email, password: PASSWORD });
  for (const [t, membership] of memberships) await t.must('POST', '/memberships', { user_id: user.id, ...membership });
  return { user, email, headers: await signIn(email) };
}

async function makeActors() {
  const { north, south } = tenants, A = { workspace_id: north.places.A.workspace_id };
  const add = async (key, tenant, place, who, more = {}) => (actors[key] = { key, tenant, place, ...more, ...await who });
  const token = async (role) => ({ headers: { authorization: `Bearer ${(await north.must('POST', '/admin-tokens', { name: fresh('walk'), role })).secret}` } });
  const keyWith = async (admin_permissions) => ({ headers: { authorization: `Bearer ${(await north.must('POST', '/keys', { name: fresh('walk'), admin_permissions, ...A })).secret}` } });
  const withRole = async (key, { scope, permissions }) => {
    const role = await north.must('POST', '/roles', { name: fresh('walk'), scope, permissions });
    return person(key, [[north, { role_id: role.id, ...(scope === 'workspace' ? A : {}) }]]);
  };
  await Promise.all([
    ...ORGANIZATION_ROLES.map((key) => add(key, north, '0', token(key))),
    ...WORKSPACE_ROLES.map((key) => add(key, north, 'A', person(key, [[north, { role: key.replace('workspace_', ''), ...A }]]))),
    ...Object.entries(custom).map(([key, c]) => add(key, north, c.scope === 'workspace' ? 'A' : '0', withRole(key, c), { permissions: c.permissions })),
    // an application's key that was given some of the admin API
    add('key', north, 'A', keyWith(KEY_PERMISSIONS), { permissions: KEY_PERMISSIONS }),
    add('nobody', null, undefined, person('nobody')),
    // an owner of the other organization, and the admin of one of its workspaces
    add('stranger', south, '0', person('stranger', [[south, { role: 'owner' }]])),
    add('neighbour', south, 'A', person('neighbour', [[south, { role: 'admin', workspace_id: south.places.A.workspace_id }]])),
  ]);
}

// May they, by the table? Nothing else decides.
function holds(actor, permission) {
  if (permission === 'public' || permission === 'signed_in') return true;
  if (!actor.tenant) return false;
  if (actor.permissions) return actor.permissions.includes(permission);
  const role = { stranger: 'owner', neighbour: 'workspace_admin' }[actor.key] ?? actor.key;
  return table.permissions.find((p) => p.name === permission).roles.includes(role);
}

// ---- how a route is called ----

// Members of a body, or a whole one, where the schema does not tell. t, place: where it is aimed at.
const bodies = {
  'POST /session': () => ({ email: 'nobody@walk.test', password: 'not the password' }),
  'POST /session/password': () => ({ current_password: 'not it at all', new_password: 'short' }), // refused before it is counted as a guess
  'PATCH *': (t, place, r) => (r.path.startsWith('/memberships') ? { role: place === '0' ? 'auditor' : 'viewer' } : {}),
  'POST /roles': (t) => ({ name: fresh(mark(t, 0)), scope: 'workspace', permissions: [] }),
  'POST /users': () => ({ email: `${fresh('made')}@walk.test` }),
  'POST /organizations': () => ({ name: fresh('made') }),
  'POST /workspaces': (t) => ({ name: fresh(mark(t, 0)) }),
  'POST /data-plane-groups': () => ({ name: fresh('made') }),
  'POST /admin-tokens': (t) => ({ name: fresh(mark(t, 0)), role: 'admin' }),
  'POST /configs/validate': () => ({ document: { provider: 'openai' } }),
  'POST /prompts/validate': () => ({ document: { messages: [] } }),
  'POST /configs/{id}/versions': () => ({ document: { provider: 'openai' } }),
  'POST /prompts/{id}/versions': () => ({ document: { messages: [{ role: 'user', content: 'x' }] } }),
  'POST /{document}/publish': () => ({ version: 1 }),
  'PUT /{document}/labels': () => ({ version: 1 }),
  'POST /explain': (t, place) => ({ key: t.objects['/keys'][place === '0' ? 'A' : place].id, method: 'POST', path: '/v1/chat/completions', headers: {},
    body: { model: `${mark(t, place === '0' ? 'A' : place)}-model`, messages: [{ role: 'user', content: 'Hi' }] } }),
  'POST /apply': (t, place) => ({ version: 1, ...(place === '0' ? {} : { workspace: t.places[place].workspace_id }), providers: [{ name: `${mark(t, place)}-provider`, kind: 'openai', base_url: `${provider.url}/v1`, api_key: `sk-${mark(t, place)}` }] }),
  'POST /catalogue/update': () => ({}),
  'POST /cache/purge': (t, place) => (place === '0' ? {} : t.places[place]),
  'POST /keys/check': (t, place) => ({ secret: t.objects['/keys'][place === '0' ? 'A' : place].secret }),
  'POST /keys/bulk': (t, place) => ({ action: 'unblock', ids: [t.objects['/keys'][place === '0' ? 'A' : place].id] }),
  'POST /ledger/leases/write-off': () => ({ data_plane_id: `dp_${GONE.replaceAll('-', '')}` }),
  'POST /issuers/{id}/dry-run': () => ({ claims: { sub: 'x', email: 'x@walk.test' } }),
  'POST /budgets/{id}/increase': () => ({ amount: '1', until: '2031-01-01T00:00:00Z' }),
};
const queries = {
  'GET /export': (t, place) => `workspace=${t.places[place === '0' ? 'A' : place].workspace_id}`,
  'GET /sessions': () => 'all=true',
  'GET /statements': () => `month=${new Date().toISOString().slice(0, 7)}`,
  'GET /prices/effective': () => 'provider=openai&model=gpt-4o',
};

// What must be so before it can be done once more.
const prepare = {
  'DELETE /teams/{id}/members/{user_id}': (t, path) => t.must('PUT', path),
  'DELETE /sessions/{id}': async (t, path, place) => `/sessions/${await sessionOf(t.objects['/memberships'][place].email)}`,
};

// What is nobody's in particular: whoever may see such things at all sees these.
const common = {};
const collectionOf = (r) => `/${r.path.split('/')[1]}`;
async function findCommon() {
  for (const path of ['/catalogue', '/data-plane-groups', '/data-planes']) {
    common[path] = (await control.must('GET', path)).data.find((o) => o.id !== `dp_${GONE.replaceAll('-', '')}`);
    assert.ok(common[path]?.id, `something is in ${path}`);
  }
}

// Where else than in its workspace an object is named in a path.
function pathOf(r, t, place) {
  const object = t.objects[collectionOf(r)]?.[place] ?? common[collectionOf(r)];
  if (r.path.includes('{id}') ? !object : r.method === 'POST' && place === '0' && WORKSPACE_ONLY.includes(r.path)) return null;
  return r.path.replace('{id}', object?.id).replace('{number}', '1').replace('{label}', 'production').replace('{user_id}', t.objects['/users']?.[place]?.id);
}

// To publish, and to set a label, is one permission more.
const unpublished = ({ labels, ...body }) => (body.document ? { ...body, publish: false } : body);

function bodyOf(r, t, place) {
  const at = r.path.includes('{id}') || place === '0' ? {} : t.places[place];
  const document = /^\/(configs|prompts|price-books)\/\{id\}\/(publish|labels)/.exec(r.path);
  const how = bodies[`${r.method} ${r.path}`] ?? (document && bodies[`${r.method} /{document}/${document[2]}`]) ?? (r.method === 'PATCH' && bodies['PATCH *']);
  if (how) return how(t, place, r);
  const again = fresh(mark(t, place));
  if (r.method === 'POST' && makeWhole[r.path]) return unpublished(makeWhole[r.path](mark(t, place), again));
  if (r.method === 'POST' && make[r.path]) return unpublished(make[r.path](mark(t, place), at, again));
  return schemaOf(r.operation) && exampleOf(schemaOf(r.operation), mark(t, place));
}

async function call(actor, r, t, place, path, body, headers = {}) {
  const query = queries[`${r.method} ${r.path}`]?.(t, place);
  const answer = await bare.call(r.method, path + (query ? `?${query}` : ''), body, { ...actor.headers, ...headers });
  answer.route = `${r.method} ${r.path}`;
  answer.what = `${r.method} ${path} as ${actor.key}${headers['x-weir-organization'] ? ` in ${headers['x-weir-organization']}` : ''}: ${answer.status} ${answer.text.slice(0, 300)}`;
  return answer;
}

// ---- what must not be seen ----

const idsOf = (t, places) => Object.values(t.objects).flatMap((of) => places.map((p) => of[p]?.id)).filter(Boolean);

// Texts that an actor must not be shown: the other organization's, and the other workspace's for whoever has one.
function hiddenFrom(actor) {
  const all = Object.values(tenants).flatMap((t) => {
    if (t !== actor.tenant) return [`${t.name}mark`, ...idsOf(t, ['0', 'A', 'B'])];
    return actor.place === 'A' ? [mark(t, 'B'), ...idsOf(t, ['B'])] : [];
  });
  return [...all, ...Object.values(tenants).flatMap((t) => Object.values(t.objects['/keys'] ?? {}).map((k) => k.secret))];
}

function look(actor, answer, sent) {
  for (const text of actor.hidden) {
    if (answer.text.includes(text) && !sent.includes(text)) problems.push(`shows ${text}: ${answer.what}`);
  }
  if (answer.status >= 500 && answer.status !== 501) problems.push(`fails: ${answer.what}`);
}

function settle() {
  const found = [...new Set(problems.splice(0))];
  assert.equal(found.length, 0, ['', ...found.slice(0, 60), `${found.length} in all`].join('\n'));
}

const outcomes = new Map(); // route → how often refused and allowed
const count = (answer, outcome) => {
  const o = outcomes.get(answer.route) ?? { refused: 0, allowed: 0 };
  o[outcome]++;
  outcomes.set(answer.route, o);
};
// Work on many answers for each of them.
const noneDone = (answer) => answer.route === 'POST /keys/bulk' && answer.status === 200 && /"succeeded":0,/.test(answer.text);
const expectRefused = (answer, also = []) => {
  count(answer, 'refused');
  if (!noneDone(answer) && ![403, 404, ...also].includes(answer.status)) problems.push(`is not refused: ${answer.what}`);
};
const expectAllowed = (answer) => {
  count(answer, 'allowed');
  // 409 and 412: seen, and as far as the object
  if (answer.status >= 300 && ![409, 412].includes(answer.status)) problems.push(`is refused: ${answer.what}`);
};

// Sorted by what it does to what stands there: an If-Match that fits nothing lets an allowed change get as far as the object and no farther.
const HARMLESS = { 'if-match': '"0"' };
const inMatch = (r) => (r.operation.responses ? false : r.path.includes('{id}')) || (r.operation.parameters ?? []).some((p) => resolve(p).name.toLowerCase() === 'if-match');

// In these the caller's own organization is asked for by itself, or there is none.
const NO_TENANT = /^\/(session|organizations$|users|provider-kinds|permissions|data-plane|enrolment|openapi|schemas|catalogue\/update|secret|issuers\/|sessions)/;

// Abroad all are strangers: whose role is none of these is not asked again.
const ABROAD = ['owner', 'key', 'custom_organization', 'workspace_admin', 'custom_workspace', 'nobody', 'stranger', 'neighbour'];

async function walk(actor, r) {
  const { north, south } = tenants, permission = r.needs ?? r.permission;
  const held = holds(actor, permission), own = actor.tenant, hasId = r.path.includes('{id}'), shared = hasId && common[collectionOf(r)];
  if (r.own) return; // what is about oneself has tests of its own
  // 1. where the actor belongs
  for (const place of own ? ['0', 'A', 'B'] : []) {
    const path = pathOf(r, own, place);
    if (path === null || (shared && place !== actor.place)) continue;
    const inside = actor.place === '0' || actor.place === place;
    const reads = r.method === 'GET' || r.reads;
    const body = bodyOf(r, own, place);
    const may = held && inside;
    const prepared = may && await prepare[`${r.method} ${r.path}`]?.(own, path, place);
    const answer = await call(actor, r, own, place, typeof prepared === 'string' ? prepared : path, body, r.method === 'PATCH' ? { 'if-match': may ? '"0"' : '*' } : may && inMatch(r) ? HARMLESS : {});
    look(actor, answer, path + JSON.stringify(body ?? ''));
    if (may && !r.platform) expectAllowed(answer);
    else if (!held || r.platform) expectRefused(answer);
    else if (place === 'B' && hasId) expectRefused(answer);
    else if (place === 'B' && r.path === '/export') expectRefused(answer, [400]);
    // naming a workspace that one does not see is naming none
    else if (place === 'B' && body && !reads) expectRefused(answer, answer.json?.error?.param?.match(/workspace|provider|key|items/) ? [400] : []);
    else if (!reads && (hasId || r.whole)) expectRefused(answer);
  }
  // 2. where they do not belong: by id from outside, by id from inside, and by naming the organization
  if (!ABROAD.includes(actor.key)) return;
  for (const t of [north, south].filter((x) => x !== own)) {
    for (const place of ['A', '0']) {
      const path = pathOf(r, t, place);
      if (path === null) continue;
      for (const named of own && hasId && !shared ? [{}, t.at] : [t.at]) {
        if (!hasId && !named['x-weir-organization']) continue;
        const body = bodyOf(r, t, place);
        const answer = await call(actor, r, t, place, path, body, { ...named, ...(r.method === 'PATCH' ? { 'if-match': '*' } : {}) });
        look(actor, answer, path + JSON.stringify(body ?? '') + JSON.stringify(named));
        if (['public', 'signed_in'].includes(permission) ) continue;
        if (!NO_TENANT.test(r.path) || hasId || r.platform || !held) expectRefused(answer);
      }
      break;
    }
  }
}

// Lists narrowed to what is hidden: they show nothing, whether or not they say so.
const NARROWS = /^(workspace|workspace_id|key|key_id|user|user_id|team|team_id|service_account_id|provider|provider_id|budget|budget_id|model|role_id)$/;
async function narrow(actor, r) {
  if (r.method !== 'GET' || r.own || !actor.tenant) return;
  const hidden = actor.place === 'A' ? [[actor.tenant, 'B']] : [];
  for (const t of Object.values(tenants)) if (t !== actor.tenant) hidden.push([t, 'A']);
  for (const [t, place] of hidden) {
    const path = pathOf(r, actor.tenant, actor.place) ?? pathOf(r, actor.tenant, 'A');
    if (path === null) continue;
    for (const { name, in: at } of (r.operation.parameters ?? []).map(resolve)) {
      if (at !== 'query' || !NARROWS.test(name)) continue;
      const collection = { user: '/users', service_account: '/service-accounts' }[name.replace(/_id$/, '')] ?? `/${name.replace(/_id$/, '')}s`;
      const value = name === 'model' ? `${mark(t, place)}-model` : t.objects[collection]?.[place]?.id;
      if (!value) continue;
      const own = queries[`${r.method} ${r.path}`]?.(actor.tenant, actor.place);
      const asked = `${path}?${own && !own.startsWith(`${name}=`) ? `${own}&` : ''}${name}=${value}`;
      const answer = await bare.call('GET', asked, undefined, actor.headers);
      answer.what = `GET ${asked} as ${actor.key}: ${answer.status} ${answer.text.slice(0, 300)}`;
      look(actor, answer, asked);
      if (answer.status === 200 && answer.json?.data?.length) problems.push(`finds what is hidden: ${answer.what}`);
    }
  }
}

async function signedOut(r) {
  const t = tenants.north, path = pathOf(r, t, 'A') ?? pathOf(r, t, '0') ?? r.path;
  const answer = await bare.call(r.method, path, ['POST', 'PUT', 'PATCH'].includes(r.method) ? '{' : undefined, t.at);
  answer.what = `${r.method} ${path} without credentials: ${answer.status} ${answer.text.slice(0, 200)}`;
  if (r.permission === 'public') return;
  if (answer.status !== 401) problems.push(`is not 401: ${answer.what}`);
  look({ hidden: actors.nobody.hidden }, answer, path);
}

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database, { args: ['--database-connections', '12'] });
  control.token = admin.admin_token;
  [proxy, provider, api] = await Promise.all([startProxy(control), fakeProvider(), control.must('GET', '/openapi.json')]);
  await makeLostPlane();
  await Promise.all(['north', 'south'].map(async (name) => (tenants[name] = await makeTenant(name))));
  await Promise.all([...Object.values(tenants).map(makeHistory), makeActors()]);
  await findCommon();
  for (const a of Object.values(actors)) a.hidden = hiddenFrom(a);
  table = await control.must('GET', '/permissions');
});

after(async () => {
  agent.destroy();
  await provider?.close();
  await proxy?.end();
  await control?.end();
  await database?.drop();
});

const described = () => Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods)
  .filter(([m]) => ['get', 'post', 'put', 'patch', 'delete'].includes(m))
  .map(([m, operation]) => ({ method: m.toUpperCase(), path, operation })));

test('every route is listed here with its permission, and no other', () => {
  const publicly = (o) => Array.isArray(o.security) && o.security.length === 0;
  const there = described().map(({ method, path, operation: o }) => `${method} ${path} ${o['x-weir-permission'] ?? (publicly(o) ? 'public' : 'signed_in')}`).sort();
  const listed = ROUTES.map((r) => `${r.method} ${r.path} ${r.permission}`).sort();
  assert.deepEqual(there.filter((x) => !listed.includes(x)), [], 'served, and not listed in tests/e2e/harness/routes.mjs');
  assert.deepEqual(listed.filter((x) => !there.includes(x)), [], 'listed, and not served');
  const known = new Set(table.permissions.map((p) => p.name));
  for (const r of ROUTES) assert.ok(['public', 'signed_in'].includes(r.permission) || known.has(r.permission), `${r.permission} is in the table`);
});

test('the table names the roles, and each actor is told what they hold', async () => {
  for (const a of Object.values(actors)) {
    const { held } = await (await fetch(`${control.url}/api/v1/permissions`, { headers: a.headers })).json();
    for (const { name } of table.permissions) {
      assert.equal(held.some((g) => g.permissions.includes(name)), holds(a, name), `${a.key} ${name}`);
    }
  }
});

test('whoever is not signed in gets 401 on every route that is not public', async () => {
  await Promise.all(ROUTES.map((r) => signedOut({ ...r, operation: op(r.method, r.path) ?? {} })));
  settle();
});

test('each role does what the table says, in its organization and workspace, and sees nothing of others', async () => {
  const platform = (r) => !['public', 'signed_in'].includes(r.permission) && table.permissions.find((p) => p.name === r.permission)?.roles.join() === 'platform_admin';
  const whole = (r) => makeWhole[`/${r.path.split('/')[1]}`] !== undefined;
  for (const route of ROUTES) {
    const r = { ...route, operation: op(route.method, route.path) ?? {}, platform: platform(route), whole: whole(route) };
    await Promise.all(Object.values(actors).map((a) => narrow(a, r)));
    // in turn where one undoes what the other did, or where few are let in at once
    if (r.alone) for (const a of Object.values(actors)) await walk(a, r);
    else await Promise.all(Object.values(actors).map((a) => walk(a, r)));
  }
  settle();
  assert.ok(calls > 3000, `${calls} calls`);
  // each was seen from both sides: an object was there to be refused, and somebody was let in
  for (const r of ROUTES.filter((x) => !x.own && (x.needs || !['public', 'signed_in'].includes(x.permission)))) {
    const seen = outcomes.get(`${r.method} ${r.path}`) ?? { refused: 0, allowed: 0 };
    if (!seen.refused || !(seen.allowed || platform(r))) problems.push(`${r.method} ${r.path} was not walked: ${JSON.stringify(seen)}`);
  }
  settle();
});

test('whoever invites somebody from elsewhere sees nothing of them but what they were told', async () => {
  const { north } = tenants, { stranger } = actors, victim = north.objects['/memberships'][0], session = north.objects['/sessions'][0].id;
  const invited = await bare.call('POST', '/memberships', { email: victim.email, role: 'auditor' }, stranger.headers);
  assert.equal(invited.status, 201, invited.text);
  const list = await bare.call('GET', '/sessions?all=true', undefined, stranger.headers);
  assert.ok(!list.text.includes(session), `somebody else's people's sessions are shown: ${list.text}`);
  const end = await bare.call('DELETE', `/sessions/${session}`, undefined, stranger.headers);
  assert.equal(end.status, 404, `somebody else's people are signed out: ${end.text}`);
  const gone = await bare.call('DELETE', `/memberships/${invited.json.id}`, undefined, stranger.headers);
  assert.equal(gone.status, 204, gone.text);
});

test('what the walk was aimed at still stands as it was', async () => {
  for (const t of Object.values(tenants)) {
    for (const [path, of] of Object.entries(t.objects)) {
      for (const o of path === '/sessions' ? [] : Object.values(of)) {
        const r = await control.call('GET', `${path}/${o.id}`, undefined, t.at);
        assert.equal(r.status, 200, `${path}/${o.id}: ${r.text}`);
        if (path === '/keys') assert.equal(r.json.revoked_at, null, 'no key was revoked');
      }
    }
    const sessions = (await control.must('GET', '/sessions?all=true&limit=200')).data.map((s) => s.id);
    for (const { id } of Object.values(t.objects['/sessions'])) assert.ok(sessions.includes(id), 'nobody was signed out');
  }
});

// ---- the data plane ----

const named = (t, place) => ({ ...Object.fromEntries(['model', 'provider', 'config', 'prompt'].map((k) => [k, `${mark(t, place)}-${k}`])),
  configId: t.objects['/configs'][place].id, promptId: t.objects['/prompts'][place].id });
// As long and as well formed, and nobody's.
const nothing = (w) => Object.fromEntries(Object.entries(w).map(([k, v]) => [k, v.replace(/mark\w/, 'markZ').replace(/[0-9a-f]{12}$/, '000000000000')]));

async function ask(secret, [method, path, body, headers = {}]) {
  const r = await fetch(proxy.url + path, { method, body: body && JSON.stringify(body), headers: { 'x-weir-key': secret, ...(body ? { 'content-type': 'application/json' } : {}), ...headers } });
  return { status: r.status, text: await r.text() };
}

test('every path of the data plane\'s tables is walked', () => {
  const source = readFileSync(join(root, 'dataplane/stages/faces.c'), 'utf8');
  const there = [...source.matchAll(/^\s+\{"([^"]+)", REQUEST_/gm)].map((m) => m[1]);
  assert.ok(there.length >= 20);
  assert.deepEqual(there.filter((f) => !FACES[f]), [], 'in faces.c, and not in tests/e2e/harness/routes.mjs');
  assert.deepEqual(Object.keys(FACES).filter((f) => !there.includes(f)), []);
});

test('a key names nothing of another organization or workspace: what is there is answered as what is not', async () => {
  const { north, south } = tenants;
  const calls = { ...Object.fromEntries(Object.entries(FACES).map(([face, f]) => [face, (w) => ['POST', ...f(w.model)]])), ...NAMINGS };
  // whose key, and what it must not reach
  const walks = [['another organization', south, 'A', north, 'A'], ['what another organization\'s workspaces share', south, 'B', north, '0'], ['another workspace', north, 'B', north, 'A']];
  let served = 0;
  for (const [who, t, place, of, at] of walks) {
    const { secret } = t.objects['/keys'][place], w = named(of, at), none = nothing(w), hidden = [...idsOf(of, [at]), mark(of, at)];
    await Promise.all(Object.entries(calls).map(async ([what, make]) => {
      const [theirs, absent] = await Promise.all([ask(secret, make(w)), ask(secret, make(none))]);
      const sent = JSON.stringify(make(w));
      const like = (text, names) => Object.values(names).reduce((x, v) => x.replaceAll(v, '…'), text).replace(/req_[0-9a-f]{32}/g, 'req').replace(/\d{10,}/g, 'n');
      if (theirs.status < 400) problems.push(`${what}: reaches ${who}: ${theirs.status} ${theirs.text.slice(0, 300)}`);
      if (theirs.status !== absent.status || like(theirs.text, w) !== like(absent.text, none)) problems.push(`${what}: tells ${who}'s from nobody's: ${theirs.status} ${theirs.text.slice(0, 300)} / ${absent.status} ${absent.text.slice(0, 300)}`);
      for (const h of hidden) if (theirs.text.includes(h) && !sent.includes(h)) problems.push(`${what}: shows ${h} of ${who}: ${theirs.text.slice(0, 300)}`);
      // and the same call about what is the caller's own gets somewhere: it is the name that is refused, not the call
      const own = await ask(secret, make(named(t, place)));
      served += own.status < 400;
      if (own.status === theirs.status && like(own.text, named(t, place)) === like(theirs.text, w)) problems.push(`${what}: is refused whoever asks: ${own.status} ${own.text.slice(0, 300)}`);
    }));
  }
  settle();
  assert.ok(served > 20, `${served} calls about one's own were served`);
});

test('lists of the data plane hold what is the key\'s own', async () => {
  for (const t of Object.values(tenants)) {
    for (const [place, other] of [['A', 'B'], ['B', 'A']]) {
      for (const path of LISTS) {
        const r = await ask(t.objects['/keys'][place].secret, ['GET', path]);
        assert.equal(r.status, 200, `${path}: ${r.text}`);
        assert.ok(r.text.includes(mark(t, place)), `${path} shows what is ${mark(t, place)}'s: ${r.text}`);
        for (const hidden of [mark(t, other), ...Object.values(tenants).filter((x) => x !== t).map((x) => `${x.name}mark`)]) assert.ok(!r.text.includes(hidden), `${path} shows ${hidden}`);
      }
    }
  }
});

test('without a key, and with one that is nobody\'s, every endpoint answers 401', async () => {
  const w = named(tenants.north, 'A'), calls = [...Object.values(FACES).map((f) => ['POST', ...f(w.model)]), ...Object.values(NAMINGS).map((f) => f(w)), ...LISTS.map((path) => ['GET', path])];
  await Promise.all(calls.flatMap((c) => ['', 'wr_live_000000000000000000000000000000000', tenants.north.objects['/admin-tokens'][0].secret].map(async (secret) => {
    const r = await ask(secret, c);
    if (r.status !== 401 || r.text.includes('mark')) problems.push(`${c[0]} ${c[1]} with "${secret.slice(0, 8)}": ${r.status} ${r.text.slice(0, 200)}`);
  })));
  settle();
});
