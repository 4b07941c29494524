// Stored secrets: sealed anew by another key while the service runs, references that only the operator declares, and nothing
// secret anywhere that people or backups see.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap, run, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, letGoAfterTests, temporaryFolder, until } from './harness/process.mjs';

const OLD = 'a'.repeat(64), NEW = 'b'.repeat(64);
const MARK = 'mArKeR5ecret';
const { folder, remove } = temporaryFolder('secrets');
const vault = { asked: 0, status: 200, token: 'hvs.token', data: { api_key: `${MARK}-vault-1` } };
let database, control, proxy, admin, acme, other, upstream, seen = [];

async function listen(handler) {
  const server = http.createServer(handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  letGoAfterTests(() => server.closeAllConnections());
  return `http://127.0.0.1:${server.address().port}`;
}

const references = () => [
  `from-env = env:${'TEST_REFERENCE'}`,
  `from-file = file:${join(folder, 'value')} for ${acme.id}`,
  `from-vault = vault:secret/data/openai#api_key`,
  `nowhere = env:TEST_REFERENCE_THAT_IS_NOT_SET`,
  `theirs = env:TEST_REFERENCE for ${other.id}`,
].join('\n');

const started = (keys, ports) => ({ ports, env: { TEST_REFERENCE: `${MARK}-env` }, args: ['--database-connections', '6', '--secret-refresh', '200ms', '--secret-references-file', join(folder, 'references'),
  '--vault-address', vault.url, '--vault-token-file', join(folder, 'token'), ...keys] });

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  vault.url = await listen((request, answer) => {
    vault.asked++;
    vault.path = request.url;
    const ok = request.headers['x-vault-token'] === vault.token;
    answer.writeHead(ok ? vault.status : 403, { 'content-type': 'application/json' });
    answer.end(JSON.stringify(ok && vault.status === 200 ? { data: { data: vault.data, metadata: { version: 1 } } } : { errors: [] }));
  });
  upstream = await listen((request, answer) => {
    seen.push(request.headers.authorization);
    request.resume();
    request.on('end', () => answer.writeHead(200, { 'content-type': 'application/json' }).end(request.url.endsWith('/models')
      ? JSON.stringify({ object: 'list', data: [] })
      : JSON.stringify({ id: 'x', object: 'chat.completion', model: 'gpt-4o', created: 1, choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } })));
  });
  writeFileSync(join(folder, 'token'), `${vault.token}\n`);
  writeFileSync(join(folder, 'value'), `${MARK}-file\n`);
  // organizations are named by id: they are there before the declarations are
  control = await startControl(database, { name: 'first' });
  control.token = admin.admin_token;
  acme = (await control.must('GET', '/organizations')).data[0];
  other = await control.must('POST', '/organizations', { name: 'other' });
  await control.end();
  writeFileSync(join(folder, 'references'), `# what the operator declares\n${references()}\n`);
  control = await startControl(database, started(['--key', OLD]));
  control.token = admin.admin_token;
  proxy = await startProxy(control, { workers: 1 });
});
after(async () => {
  await proxy?.end();
  await control?.end();
  await database?.drop();
  remove();
});

const inside = (organization) => ({ 'x-weir-organization': organization.id });
const make = (name, body, organization = acme) =>
  control.call('POST', '/providers', { name, kind: 'openai', base_url: `${upstream}/v1`, ...body }, inside(organization));

// What a provider's requests carry now.
async function sentBy(model) {
  seen = [];
  const r = await proxy.chat(admin.key, { model, messages: [{ role: 'user', content: 'hi' }] });
  const text = await r.text();
  return r.status === 200 ? seen.at(-1) : `${r.status} ${text}`;
}

async function serve(name) {
  await control.must('POST', '/models', { name, targets: [{ provider: name, model: 'gpt-4o' }] }, inside(acme));
  return until(`${name} is served`, async () => {
    const sent = await sentBy(name);
    return sent?.startsWith('Bearer') && sent;
  });
}

test('references from environment, file and Vault reach the provider, and are shown by name only', async () => {
  for (const [name, value] of [['from-env', `${MARK}-env`], ['from-file', `${MARK}-file`], ['from-vault', `${MARK}-vault-1`]]) {
    const made = await make(name, { api_key: `ref:${name}` });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.json.api_key_mask, `ref:${name}`);
    assert.deepEqual(made.json.references, { api_key: `ref:${name}` });
    assert.equal(await serve(name), `Bearer ${value}`);
  }
  assert.equal(vault.path, '/v1/secret/data/openai');
  const several = await make('several', { api_keys: ['ref:from-env', 'sk-own', 'ref:nowhere'] });
  assert.equal(several.status, 201, several.text);
  const used = new Set([await serve('several')]);
  for (let i = 0; i < 12; i++) used.add(await sentBy('several'));
  assert.deepEqual([...used].sort(), [`Bearer ${MARK}-env`, 'Bearer sk-own']);
});

test('the test button works with a reference', async () => {
  const p = (await control.must('GET', '/providers?name=from-vault', undefined, inside(acme))).data[0];
  const r = await control.call('POST', `/providers/${p.id}/test`, undefined, inside(acme));
  assert.equal(r.status, 200, r.text);
  assert.equal(r.json.result.ok, true, r.text);
});

test('nothing in the API can name a path, a variable, a URL or somebody else\'s reference', async () => {
  for (const [bad, pattern] of [['env:HOME', /env:/], ['file:/etc/passwd', /file:/], ['vault:secret/data/x#y', /vault:/], ['ref:../x', /name of a reference/],
    ['ref:', /name of a reference/], ['ref:env:HOME', /name of a reference/], ['ref:unknown', /names no reference/], ['ref:theirs', /names no reference/]]) {
    for (const body of [{ api_key: bad }, { api_keys: ['sk-x', bad] }, { kind: 'azure', client_secret: bad }]) {
      const r = await make('bad', body);
      assert.equal(r.status, 400, `${JSON.stringify(body)}: ${r.status} ${r.text}`);
      assert.match(r.json.error.message, pattern, JSON.stringify(body));
      assert.doesNotMatch(r.text, /root:/);
    }
  }
  assert.equal((await make('theirs', { api_key: 'ref:from-file' }, other)).status, 400);
  assert.equal((await make('theirs', { api_key: 'ref:theirs' }, other)).status, 201);
  const issuer = (client_secret) => control.call('POST', '/issuers', { name: 'idp', issuer: 'https://idp.example.test', client_id: 'weir', login: true, client_secret }, inside(acme));
  assert.equal((await issuer('ref:theirs')).status, 400);
  assert.equal((await issuer('file:/etc/passwd')).status, 400);
  const made = await issuer('ref:from-env');
  assert.equal(made.status, 201, made.text);
  assert.equal(made.json.client_secret_reference, 'ref:from-env');
  const config = await control.call('POST', '/configs', { name: 'c', document: { provider: 'openai', api_key: 'ref:from-env' } }, inside(acme));
  assert.equal(config.status, 400, config.text);
});

test('GET /secret-references tells names and whether they resolve, never values or places', async () => {
  const r = await control.call('GET', '/secret-references', undefined, inside(acme));
  assert.deepEqual(r.json.data.map((x) => [x.name, x.source, x.resolves]),
    [['from-env', 'env', true], ['from-file', 'file', true], ['from-vault', 'vault', true], ['nowhere', 'env', false]]);
  assert.doesNotMatch(r.text, new RegExp(`${MARK}|TEST_REFERENCE|${folder}|secret/data`));
  assert.deepEqual((await control.must('GET', '/secret-references')).data.map((x) => x.name).includes('theirs'), true);
});

test('a changed value reaches the proxies; while Vault is away the last one serves', async () => {
  vault.data = { api_key: `${MARK}-vault-2` };
  await until('the new value is used', async () => (await sentBy('from-vault')) === `Bearer ${MARK}-vault-2`);
  writeFileSync(join(folder, 'value'), `${MARK}-file-2`);
  await until('the new file is used', async () => (await sentBy('from-file')) === `Bearer ${MARK}-file-2`);
  vault.status = 503;
  const asked = vault.asked;
  await until('Vault was asked twice', () => vault.asked > asked + 1);
  assert.equal(await sentBy('from-vault'), `Bearer ${MARK}-vault-2`);
  const state = (await control.must('GET', '/secret-references', undefined, inside(acme))).data.find((x) => x.name === 'from-vault');
  assert.deepEqual([state.resolves, state.stale], [true, true]);
  vault.status = 200;
  vault.data = { api_key: `${MARK}-vault-3` };
  await until('Vault is back', async () => (await sentBy('from-vault')) === `Bearer ${MARK}-vault-3`);
});

test('export names references and holds no sealed value; applying it changes nothing', async () => {
  assert.equal((await make('sealed', { api_key: `${MARK}-sealed` })).status, 201);
  const file = join(folder, 'weir.yaml');
  const weir = (...a) => execFileSync(join(build, 'weir'), a, { encoding: 'utf8', stdio: 'pipe',
    env: { ...process.env, WEIR_URL: control.url, WEIR_TOKEN: control.token, WEIR_ORGANIZATION: acme.id, HOME: folder } });
  weir('export', '--output', file);
  const text = readFileSync(file, 'utf8');
  assert.match(text, /api_key: "?ref:from-vault"?/);
  assert.doesNotMatch(text, new RegExp(MARK));
  const dry = JSON.parse(weir('apply', '-f', file, '--dry-run', '--json'));
  assert.doesNotMatch(JSON.stringify(dry), /"(create|update)d?"\s*:\s*[1-9]/);
  weir('provider', 'add', 'by-cli', '--kind', 'openai', '--base-url', `${upstream}/v1`, '--api-key', 'ref:from-env');
  const p = (await control.must('GET', '/providers?name=by-cli', undefined, inside(acme))).data[0];
  assert.equal(p.api_key_mask, 'ref:from-env');
});

test('everything is sealed anew while changes go on, and the old key is not needed any more', async () => {
  const idempotent = () => control.call('POST', '/teams', { name: 'once' }, { ...inside(acme), 'idempotency-key': 'only-once' });
  const first = await idempotent();
  assert.equal(first.status, 201);
  await control.must('POST', '/configs', { name: 'own', publish: true, document: { provider: 'openai', api_key: `${MARK}-config` } }, inside(acme));
  const ports = Number(new URL(control.url).port);
  await control.end();
  control = await startControl(database, started(['--key', NEW, '--former-keys', OLD], ports));
  control.token = admin.admin_token;
  // no change is lost: providers get new keys while the others are sealed anew
  const made = [];
  for (let i = 0; i < 20; i++) made.push((await make(`busy-${i}`, { api_key: `sk-before-${i}` })).json);
  const reseal = () => run('weir-control', ['reseal', '--former-keys', OLD], { WEIR_DATABASE_URL: database.serviceUrl, WEIR_KEY: NEW });
  const changes = made.map((p, i) => control.must('PATCH', `/providers/${p.id}`, { api_key: `sk-after-${i}` }, { ...inside(acme), 'if-match': '*' }));
  const out = reseal();
  await Promise.all(changes);
  assert.match(out, /providers\.credential: [1-9]\d* sealed anew/);
  assert.match(out, /certificate_authority\.key: 1 sealed anew/);
  assert.match(out, /snapshot_keys\.key: 1 sealed anew/);
  assert.match(out, /data_planes\.secret: 1 sealed anew/);
  assert.match(out, /issuers\.client_secret: 1 sealed anew/);
  assert.match(out, /idempotency_keys\.response: [1-9]\d* sealed anew/);
  assert.match(out, /config_documents\.secrets: 1 sealed anew/);
  assert.match(out, /former keys are not needed/);
  assert.doesNotMatch(reseal(), /[1-9]\d* sealed anew/);
  await control.end();
  control = await startControl(database, started(['--key', NEW], ports));
  control.token = admin.admin_token;
  assert.doesNotMatch(control.program.log(), /credential_unreadable/);
  assert.equal((await idempotent()).json.id, first.json.id);
  assert.equal(await until('the proxy is in session again', async () => (await sentBy('from-vault')).startsWith('Bearer') && sentBy('from-vault')), `Bearer ${MARK}-vault-3`);
  for (const p of made) assert.equal((await control.must('GET', `/providers/${p.id}`, undefined, inside(acme))).revision, 2);
  for (const i of [0, 19]) assert.equal(await serve(`busy-${i}`), `Bearer sk-after-${i}`);
  const [{ n }] = await database.query(`select count(*)::integer as n from providers where credential_kek <> (select key_kek from certificate_authority)`);
  assert.equal(n, 0);
});

test('a key that is missing is told, and nothing is harmed', async () => {
  let error;
  try {
    run('weir-control', ['reseal'], { WEIR_DATABASE_URL: database.serviceUrl, WEIR_KEY: 'c'.repeat(64) });
  } catch (e) {
    error = e;
  }
  assert.match(error.message, /still sealed by other keys/);
  assert.doesNotMatch(error.message, /c{64}/);
  assert.doesNotMatch(run('weir-control', ['reseal'], { WEIR_DATABASE_URL: database.serviceUrl, WEIR_KEY: NEW }), /[1-9]\d* sealed anew/);
});

test('no secret stands in the database, in logs, or in the audit log; and no core dump holds one', async () => {
  const tables = await database.query(`select table_name from information_schema.tables where table_schema = 'weir' and table_type = 'BASE TABLE'`);
  for (const { table_name: name } of tables) {
    const rows = await database.query(`select t::text as row from "${name}" t`);
    const text = rows.map((r) => r.row).join('\n');
    assert.ok(!text.includes(MARK), `${name} holds a secret`);
    assert.ok(!text.includes(Buffer.from(MARK).toString('hex')), `${name} holds a secret in hex`);
  }
  for (const program of [control.program, proxy.program]) {
    assert.ok(!program.log().includes(MARK));
    const limits = readFileSync(`/proc/${program.pid}/limits`, 'utf8');
    assert.match(limits, /Max core file size\s+0\s+0\s/);
  }
  const audit = await control.call('GET', '/audit/export');
  assert.ok(!audit.text.includes(MARK));
  assert.ok(audit.text.includes('ref:from-vault'));
});
