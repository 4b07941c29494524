// The audit log as chains of hashes: exported, verified, and every way to falsify it found.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { bootstrap, startControl } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, temporaryFolder } from './harness/process.mjs';

const PLATFORM = '00000000-0000-0000-0000-000000000000';
const { folder, remove } = temporaryFolder('audit');
let database, control, admin, acme, other;

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  acme = (await control.must('GET', '/organizations')).data[0];
  other = await control.must('POST', '/organizations', { name: 'other' });
  for (const name of ['one', 'two', 'three']) await control.must('POST', '/workspaces', { name }, inside(acme));
  await control.must('POST', '/workspaces', { name: 'theirs' }, inside(other));
});
after(async () => {
  await control?.end();
  await database?.drop();
  remove();
});

const inside = (organization) => ({ 'x-weir-organization': organization.id });

async function weir(args, env = {}) {
  return new Promise((resolve) => {
    execFile(join(build, 'weir'), args, {
      encoding: 'utf8', maxBuffer: 64 << 20,
      env: { ...process.env, WEIR_URL: control.url, WEIR_TOKEN: control.token, HOME: folder, ...env },
    }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
}

const lines = (text) => text.split('\n').filter(Boolean).map((l) => JSON.parse(l));
const rowsOf = (list) => list.filter((l) => l.text);
const exported = async (organization, query = '') =>
  (await control.call('GET', `/audit/export${query}`, undefined, organization ? inside(organization) : {}));

test('an export proves itself to whoever has nothing else', async () => {
  const answer = await exported(acme);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /^application\/x-ndjson/);
  const list = lines(answer.text);
  let hash = '0'.repeat(64);
  rowsOf(list).forEach((row, i) => {
    const entry = JSON.parse(row.text);
    assert.equal(row.seq, i + 1);
    assert.equal(entry.seq, row.seq);
    assert.equal(entry.chain, row.chain);
    hash = createHash('sha256').update(`${hash}\n${row.text}`).digest('hex');
    assert.equal(row.hash, hash);
  });
  assert.deepEqual(list.at(-1), { chain: list[0].chain, head: { seq: list.length - 1, hash } });
  assert.ok(rowsOf(list).some((r) => JSON.parse(r.text).object_name === 'two'));
});

test('a tenant sees its own chain only, and all of it', async () => {
  for (const organization of [acme, other]) {
    const list = lines((await exported(organization)).text);
    assert.equal(new Set(list.map((l) => l.chain)).size, 1);
    assert.equal(list[0].chain.replaceAll('-', ''), organization.id.slice(4).replaceAll('-', ''));
  }
  const all = lines((await exported(null)).text);
  assert.deepEqual([...new Set(all.map((l) => l.chain))].length, 3);
  assert.equal(all[0].chain, PLATFORM);
  const token = await control.must('POST', '/admin-tokens', { name: 'auditor', role: 'auditor' }, inside(other));
  const own = await fetch(`${control.url}/api/v1/audit/export`, { headers: { authorization: `Bearer ${token.token || token.secret}` } });
  assert.equal(own.status, 200);
  assert.equal(new Set(lines(await own.text()).map((l) => l.chain)).size, 1);
  const foreign = await fetch(`${control.url}/api/v1/audit/export?chain=${lines((await exported(acme)).text)[0].chain}`,
    { headers: { authorization: `Bearer ${token.token || token.secret}` } });
  assert.equal(foreign.status, 400);
});

test('the list shows number and hash of each row', async () => {
  const page = await control.must('GET', '/audit?limit=2', undefined, inside(acme));
  const list = rowsOf(lines((await exported(acme)).text));
  assert.equal(page.data[0].seq, list.length);
  assert.equal(page.data[0].hash, list.at(-1).hash);
});

test('weir audit verify takes the server, a file and a noted head', async () => {
  const server = await weir(['audit', 'verify']);
  assert.equal(server.code, 0, server.stderr);
  assert.match(server.stdout, /rows 1 to \d+ hold/);
  const file = join(folder, 'export.jsonl');
  assert.equal((await weir(['audit', 'export', '--organization', acme.id, '--output', file])).code, 0);
  const head = (await weir(['audit', 'head', '--organization', acme.id])).stdout.trim().split(' ');
  assert.equal((await weir(['audit', 'verify', file])).code, 0);
  await control.must('POST', '/workspaces', { name: 'later' }, inside(acme));
  const noted = await weir(['audit', 'verify', '--organization', acme.id, '--head', head[2]]);
  assert.equal(noted.code, 0, noted.stderr);
  const wrong = await weir(['audit', 'verify', file, '--head', 'f'.repeat(64)]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /no row has the hash/);
  const rest = join(folder, 'rest.jsonl');
  assert.equal((await weir(['audit', 'export', '--organization', acme.id, '--after', head[1], '--output', rest])).code, 0);
  const verified = await weir(['audit', 'verify', rest, '--json']);
  assert.equal(verified.code, 0, verified.stderr);
  assert.deepEqual(JSON.parse(verified.stdout).chains.map((c) => [c.from, c.seq]), [[Number(head[1]), Number(head[1]) + 1]]);
});

test('verify finds a row that was changed, removed, moved, added or cut off in a file, and says which', async () => {
  const text = (await exported(acme)).text;
  const list = text.split('\n').filter(Boolean);
  const check = async (name, changed, pattern) => {
    const file = join(folder, 'changed.jsonl');
    writeFileSync(file, changed.join('\n'));
    const r = await weir(['audit', 'verify', file]);
    assert.equal(r.code, 1, `${name}: ${r.stdout}`);
    assert.match(r.stderr, pattern, name);
  };
  const at = (i, line) => list.map((l, k) => (k === i ? line : l));
  await check('changed', at(2, list[2].replace(/workspace|membership|user|organization/, 'elsewhere')), /row 3 .*was changed/);
  await check('removed', list.filter((_, i) => i !== 2), /row 4 .*stands where row 3 belongs/);
  await check('moved', [list[1], list[0], ...list.slice(2)], /row 2 .*stands where row 1 belongs/);
  await check('added', [list[0], list[0], ...list.slice(1)], /row 1 .*stands where row 2 belongs/);
  await check('cut off', list.slice(0, -2), /cut off/);
  await check('end removed', [...list.slice(0, -2), list.at(-1)], /is missing/);
  await check('another head', [...list.slice(0, -1), list.at(-1).replace(/"hash":"../, '"hash":"zz')], /head/);
  await check('no export', ['{}'], /not a row/);
});

test('verify finds what was falsified in the database itself', async () => {
  const falsify = async (statement, pattern) => {
    const c = new pg.Client({ connectionString: database.ownerUrl });
    await c.connect();
    await c.query('set search_path = weir');
    const [{ id }] = (await c.query('select id from audit_log where organization_id is not null and seq = 3 order by id limit 1')).rows;
    await c.query('create table kept as select * from audit_log');
    await c.query('alter table audit_log disable trigger user');
    await c.query(statement, [id]);
    const r = await weir(['audit', 'verify']);
    await c.query('delete from audit_log');
    await c.query('insert into audit_log select * from kept');
    await c.query('alter table audit_log enable trigger user');
    await c.query('drop table kept');
    await c.end();
    assert.equal(r.code, 1, r.stdout);
    assert.match(r.stderr, pattern);
  };
  await falsify(`update audit_log set actor_name = 'somebody else' where id = $1`, /row 3 .*was changed/);
  await falsify('delete from audit_log where id = $1', /stands where row 3 belongs/);
  assert.equal((await weir(['audit', 'verify'])).code, 0);
});

test('nobody changes or removes a row: not the service, and not its owner by mistake', async () => {
  for (const [url, role, pattern] of [[database.serviceUrl, 'weir_system', /permission denied/], [database.serviceUrl, 'weir_tenant', /permission denied/],
    [database.ownerUrl, null, /append-only/]]) {
    const c = new pg.Client({ connectionString: url });
    await c.connect();
    await c.query('set search_path = weir');
    if (role) await c.query(`set role ${role}`);
    for (const statement of [`update audit_log set action = 'x'`, 'delete from audit_log', 'truncate audit_log']) {
      await assert.rejects(c.query(statement), pattern, `${role}: ${statement}`);
    }
    if (role) {
      await assert.rejects(c.query(`insert into audit_log (id, action, object_kind) values (gen_random_uuid(), 'x', 'x')`), /permission denied/);
      await assert.rejects(c.query('update audit_heads set seq = 0'), /permission denied/);
    }
    await c.end();
  }
});

test('changes at the same time make one chain without gaps', async () => {
  await Promise.all(Array.from({ length: 24 }, (_, i) =>
    control.must('POST', '/teams', { name: `team-${i}` }, inside(i % 2 ? acme : other))));
  const r = await weir(['audit', 'verify']);
  assert.equal(r.code, 0, r.stderr);
  const entries = rowsOf(lines((await exported(acme)).text)).map((l) => JSON.parse(l.text));
  assert.equal(entries.filter((e) => e.action === 'team.create').length, 12);
});

test('sign-in, failure and sign-out are rows with address and person', async () => {
  const browser = { origin: control.url };
  const refused = await control.call('POST', '/session', { email: admin.email, password: 'not the one' }, { ...browser, authorization: '' });
  assert.equal(refused.status, 401);
  const signed = await fetch(`${control.url}/api/v1/session`, {
    method: 'POST', headers: { 'content-type': 'application/json', ...browser }, body: JSON.stringify({ email: admin.email, password: admin.password }),
  });
  assert.ok(signed.status < 300, await signed.clone().text());
  const csrf = (await signed.json()).csrf_token;
  const cookie = signed.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ');
  const out = await fetch(`${control.url}/api/v1/session`, { method: 'DELETE', headers: { cookie, 'x-weir-csrf': csrf, ...browser } });
  assert.ok(out.status < 300, `${out.status} ${await out.text()}`);
  const entries = rowsOf(lines((await exported(null)).text)).map((l) => JSON.parse(l.text));
  for (const action of ['session.refused', 'session.create', 'session.delete']) {
    const e = entries.find((x) => x.action === action);
    assert.ok(e, action);
    assert.equal(e.address, '127.0.0.1', action);
  }
  assert.doesNotMatch(JSON.stringify(entries), new RegExp(admin.password.replace(/[^\w]/g, '.')));
});
