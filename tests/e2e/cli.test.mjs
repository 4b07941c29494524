// The command line against a real control plane and a real data plane.
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, eventsOf, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, root, temporaryFolder, until } from './harness/process.mjs';

let database, control, proxy, provider, admin, home;

const environment = (extra = {}) => ({
  PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: home.folder, WEIR_URL: control.url, WEIR_TOKEN: admin.admin_token,
  ASAN_OPTIONS: 'detect_leaks=1:exitcode=99', ...extra,
});

// Runs `weir` to its end. A sanitizer's report fails the test that caused it.
function weir(args, { input = '', env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(build, 'weir'), args, { env: environment(env), cwd: root });
    let out = '', err = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (err += d));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => {
      if (/Sanitizer|runtime error:/.test(err)) return reject(new Error(`weir ${args.join(' ')}\n${err}`));
      resolve({ code, out, err });
    });
  });
}

async function json(args, options) {
  const r = await weir([...args, '--json'], options);
  try {
    return { ...r, json: JSON.parse(r.out) };
  } catch {
    throw new Error(`weir ${args.join(' ')} --json did not write one JSON document: ${r.out}\n${r.err}`);
  }
}

async function must(args, options) {
  const r = await weir(args, options);
  assert.equal(r.code, 0, `weir ${args.join(' ')}: ${r.err}${r.out}`);
  return r.out;
}

before(async () => {
  home = temporaryFolder('home');
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  provider = await fakeProvider();
  proxy = await startProxy(control);
});

after(async () => {
  await proxy?.end();
  await control?.end();
  await provider?.close();
  await database?.drop();
  home?.remove();
});

describe('weir apply and export', () => {
  it('makes what the demo file says, and the second time finds it so', async () => {
    const env = { WEIR_DEMO_URL: `${provider.url}/v1` };
    const first = await json(['apply', '-f', 'deploy/demo.yaml'], { env });
    assert.equal(first.code, 0);
    assert.deepEqual(first.json.models.created, ['demo', 'demo-slow', 'demo-fail']);
    const second = await json(['apply', '-f', 'deploy/demo.yaml'], { env });
    assert.deepEqual(second.json.models.unchanged, ['demo', 'demo-slow', 'demo-fail']);
    assert.deepEqual(second.json.providers.unchanged, ['demo']);
  });

  it('resolves references where it runs, and shows minted secrets once', async () => {
    const env = { CLI_KEY: 'sk-from-here' };
    const text = `version: 1
providers: [{name: applied, kind: openai, base_url: "${provider.url}/v1", api_key: "env:CLI_KEY"}]
models: [{name: applied-model, targets: [{provider: applied, model: gpt-4o}]}]
keys: [{name: minted, models: [applied-model]}]
`;
    const r = await json(['apply', '-f', '-'], { env, input: text });
    assert.equal(r.code, 0, r.err);
    const [minted] = r.json.secrets;
    assert.equal(minted.name, 'minted');
    const again = await json(['apply', '-f', '-'], { env, input: text });
    assert.deepEqual(again.json.secrets, []);
    provider.calls.length = 0;
    await until('the minted key is answered', async () =>
      (await proxy.chat(minted.secret, { model: 'applied-model', messages: [{ role: 'user', content: 'x' }] })).status === 200);
    assert.equal(provider.calls.at(-1).headers.authorization, 'Bearer sk-from-here');
  });

  it('export | apply is a fix-point, without secrets', async () => {
    const written = await must(['export']);
    assert.doesNotMatch(written, /sk-from-here|wr_live_/);
    await must(['apply', '-f', '-'], { input: written }); // takes over what the API had made
    const r = await json(['apply', '-f', '-'], { input: await must(['export']) });
    for (const section of ['providers', 'models', 'keys']) {
      for (const outcome of ['created', 'updated', 'deleted']) assert.deepEqual(r.json[section][outcome], [], `${section} ${outcome}`);
    }
    const asJson = await json(['apply', '-f', '-'], { input: (await json(['export'])).out });
    assert.equal(asJson.code, 0, asJson.err);
  });

  it('keeps what only the control plane knows through export and apply', async () => {
    const made = await control.must('POST', '/providers', { name: 'special', kind: 'openai', disabled: true, settings: { note: ['a', 1, null] } });
    await must(['apply', '-f', '-'], { input: await must(['export']) });
    const now = await control.must('GET', `/providers/${made.id}`);
    assert.equal(now.disabled, true);
    assert.deepEqual(now.settings, { note: ['a', 1, null] });
  });

  it('a dry run changes nothing, prune deletes what a file owned', async () => {
    const text = 'version: 1\nkeys: [{name: gone-soon}]\n';
    await must(['apply', '-f', '-'], { input: text });
    const file = join(home.folder, 'empty.yaml');
    writeFileSync(file, 'version: 1\nkeys: [{name: minted}]\n');
    const dry = await json(['apply', '-f', file, '--prune', '--dry-run']);
    assert.ok(dry.json.keys.deleted.includes('gone-soon'), dry.out + dry.err);
    assert.match(await must(['key', 'list']), /gone-soon +\S+ +active/);
    await must(['apply', '-f', file, '--prune']);
    const list = await json(['key', 'list']);
    assert.equal(list.json.data.find((k) => k.name === 'gone-soon').status, 'revoked');
  });

  it('tells file, line and column of what is wrong, here and there', async () => {
    const here = await weir(['apply', '-f', '-'], { input: 'version: 1\nproviders:\n  - {name: a, kind: smtp}\n' });
    assert.equal(here.code, 1);
    assert.match(here.err, /<stdin>:3:21: unknown kind "smtp"/);
    const there = await json(['apply', '-f', '-'], {
      input: 'version: 1\nmodels:\n  - name: m\n    targets:\n      - {provider: nowhere, model: x}\n',
    });
    assert.equal(there.code, 1);
    assert.equal(there.json.error.line, 5);
    assert.match(there.json.error.message, /<stdin>:5:20: .*nowhere/);
    assert.ok(there.json.error.request_id);
  });
});

describe('routing configs and prompts', () => {
  const manifest = () => `version: 1
providers: [{name: routed, kind: openai, base_url: "${provider.url}/v1", api_keys: ["env:ONE", "env:TWO"], health_check: {interval_ms: 60000}}]
configs:
  - name: by-plan
    description: who gets what
    labels: [production]
    document:
      strategy: {mode: conditional, conditions: [{query: {metadata.plan: pro}, then: best}], default: cheap}
      targets:
        - {name: best, provider: "@routed", model: large, weight: 0.7, override_params: {seed: 7, stop: null}}
        - {name: cheap, provider: "@routed", model: small}
prompts:
  - {name: sign, partial: true, document: {text: "Yours, {{team}}"}}
  - {name: hello, labels: [staging], document: {model: assistant, messages: [{role: user, content: "Hi {{name}} {{> sign}}"}]}}
models: [{name: assistant, config: by-plan@production}]
keys: [{name: routed-key, config: by-plan, config_locked: true, tags: [nightly, "two words"]}]
`;
  const env = { ONE: 'sk-one', TWO: 'sk-two' };
  let secret;

  it('apply makes them, finds them so, and export writes what apply takes', async () => {
    const first = await json(['apply', '-f', '-'], { input: manifest(), env });
    assert.equal(first.code, 0, first.err);
    secret = first.json.secrets[0].secret;
    assert.deepEqual(first.json.configs.created, ['by-plan']);
    assert.deepEqual(first.json.prompts.created, ['sign', 'hello']);
    const again = await json(['apply', '-f', '-'], { input: manifest(), env });
    for (const section of ['configs', 'prompts', 'models', 'keys']) assert.deepEqual(again.json[section].updated, [], section);
    const written = await must(['export']);
    assert.match(written, /weight: 0\.7\b/);
    assert.match(written, /config_locked: true/);
    assert.doesNotMatch(written, /sk-one|sk-two/);
    const third = await json(['apply', '-f', '-'], { input: written });
    assert.equal(third.code, 0, third.err);
    for (const section of ['configs', 'prompts', 'models', 'keys']) {
      for (const outcome of ['created', 'updated', 'deleted']) assert.deepEqual(third.json[section][outcome], [], `${section} ${outcome}`);
    }
  });

  it('a document that is wrong is told by its place in the file', async () => {
    const r = await weir(['apply', '-f', '-'], { input: manifest().replace('mode: conditional', 'mode: clairvoyant'), env });
    assert.equal(r.code, 1);
    assert.match(r.err, /<stdin>:8:\d+: .*clairvoyant/);
  });

  it('a request follows the config, and explain says why', async () => {
    const body = { model: 'assistant', messages: [{ role: 'user', content: 'x' }] };
    await until('the key is answered', async () => (await proxy.chat(secret, body)).status === 200);
    assert.equal(provider.calls.at(-1).json.model, 'small');
    const text = await must(['explain', '--key', 'routed-key', '--model', 'assistant', '--header', 'x-weir-metadata: {"plan":"pro"}']);
    assert.match(text, /^data plane +\S+/m);
    assert.match(text, /by-plan@1/);
    assert.match(text, /conditional chose config\.targets\[0\]/);
    assert.match(text, /holds: it saw .*"pro"/);
    assert.match(text, /1 +config\.targets\[0\] +routed +large/);
    const j = (await json(['explain', '--key', 'routed-key', '--body', '-'], { input: JSON.stringify(body) })).json;
    assert.equal(j.targets[0].model, 'small');
    assert.equal((await weir(['explain', '--key', 'nobody', '--model', 'x'])).code, 3);
  });

  it('targets are shown, and the cache is purged', async () => {
    assert.match(await must(['targets']), /routed +small/);
    assert.match(await must(['cache', 'purge']), /\d+ answers are purged in 1 data planes/);
  });

  it('versions are made, shown, published, rolled back and labelled', async () => {
    const draft = 'provider: "@routed"\nmodel: v2\noverride_params: {stop: null}\n';
    await must(['config', 'create', 'free', '-f', '-', '--description', 'by hand'], { input: 'provider: "@routed"\nmodel: v1\n' });
    assert.match(await must(['config', 'publish', 'free', '-f', '-', '--draft', '--label', 'staging', '--note', 'a try'], { input: draft }), /version 2 is made/);
    assert.match(await must(['config', 'show', 'free']), /version 1 of 2; published: 1[^]*model: v1/);
    const shown = await must(['config', 'show', 'free@staging']);
    assert.match(shown, /model: v2\noverride_params: {stop: null}/);
    assert.match(await must(['config', 'publish', 'free@staging']), /version 2 is published/);
    assert.match(await must(['config', 'publish', 'free@1']), /version 1 is published/);
    assert.match(await must(['config', 'label', 'free@1', 'production']), /production is at version 1/);
    await must(['config', 'label', 'free', 'staging', '--remove']);
    assert.equal((await weir(['config', 'show', 'free@staging'])).code, 3);
    assert.match(await must(['config', 'list']), /free +1 +2 +by hand/);
    await must(['prompt', 'create', 'bye', '-f', '-', '--partial'], { input: '{"text": "Bye"}' });
    assert.match(await must(['prompt', 'show', 'bye@1']), /text: Bye/);
    assert.match(await must(['prompt', 'list']), /bye +1 +1/);
    const refused = await weir(['config', 'create', 'bad', '-f', '-'], { input: 'strategy: {mode: clairvoyant}\n' });
    assert.equal(refused.code, 1);
    assert.match(refused.err, /clairvoyant/);
  });

  it('replay takes costs from the admin API', async () => {
    const open = (await must(['key', 'create', 'replay'])).trim();
    const line = JSON.stringify({ path: '/v1/chat/completions', body: { model: 'assistant', messages: [{ role: 'user', content: 'x' }] } });
    await until('the key is answered', async () => (await proxy.chat(open, { model: 'assistant', messages: [] })).status !== 401);
    const r = await json(['replay', '-', '--proxy', proxy.url, '--key', 'env:OPEN', '--config', 'by-plan'], { input: line, env: { OPEN: open } });
    assert.equal(r.code, 0, r.err);
    assert.equal(r.json.proposed.succeeded, 1);
    assert.equal(r.json.proposed.costed, 1, r.err);
    assert.equal(r.json.proposed.tokens_in, 9);
  });
});

describe('keys and providers', () => {
  it('a key works until it is revoked by its name', async () => {
    const secret = (await must(['key', 'create', 'app', '--model', 'demo*', '--model', 'applied-model', '--expires', '30d'])).trim();
    assert.match(secret, /^wr_live_[0-9A-Za-z]{33}$/);
    const row = (await json(['key', 'list'])).json.data.find((k) => k.name === 'app');
    assert.deepEqual(row.models, ['demo*', 'applied-model']);
    const days = (Date.parse(row.expires_at) - Date.now()) / 86400000;
    assert.ok(days > 29.9 && days <= 30, `${days} days`);
    const body = { model: 'applied-model', messages: [{ role: 'user', content: 'x' }] };
    await until('the key is answered', async () => (await proxy.chat(secret, body)).status === 200);
    await must(['key', 'revoke', 'app']);
    await until('the key is refused', async () => (await proxy.chat(secret, body)).status === 401);
  });

  it('exit codes tell what is missing and what is taken', async () => {
    assert.equal((await weir(['key', 'revoke', 'no-such-key'])).code, 3);
    assert.equal((await weir(['provider', 'add', 'demo', '--kind', 'openai'])).code, 4);
    assert.equal((await weir(['key', 'create'])).code, 2);
    assert.equal((await weir(['key', 'create', 'x', '--expires', 'soon'])).code, 2);
    const refused = await json(['status'], { env: { WEIR_TOKEN: 'wr_adm_nonsense' } });
    assert.equal(refused.code, 1);
    assert.equal(refused.json.error.code, 'invalid_api_key');
  });

  it('a literal provider key is refused, one from standard input is sent', async () => {
    const literal = await weir(['provider', 'add', 'lit', '--kind', 'openai', '--api-key', 'sk-literal']);
    assert.equal(literal.code, 2);
    assert.doesNotMatch(literal.err + literal.out, /sk-literal/);
    await must(['provider', 'add', 'piped', '--kind', 'openai', '--base-url', `${provider.url}/v1`, '--api-key', '-', '--timeout', '30s'], {
      input: 'sk-piped\n',
    });
    const row = (await json(['provider', 'list'])).json.data.find((p) => p.name === 'piped');
    assert.equal(row.timeout_ms, 30000);
    assert.ok(!JSON.stringify(row).includes('sk-piped'));
  });

  it('a test runs in a data plane, which is named', async () => {
    provider.calls.length = 0;
    const good = await until('the data plane knows the provider', async () => {
      const r = await json(['provider', 'test', 'piped']);
      return r.code === 0 && r;
    });
    assert.equal(good.json.data_plane.name, proxy.planeName);
    assert.equal(provider.calls.at(-1).headers.authorization, 'Bearer sk-piped');
    assert.match(await must(['provider', 'test', 'piped']), new RegExp(`piped answered data plane ${proxy.planeName} in \\d+ ms`));
    await must(['provider', 'add', 'dead', '--kind', 'openai', '--base-url', 'http://127.0.0.1:9/v1']);
    const bad = await weir(['provider', 'test', 'dead']);
    assert.equal(bad.code, 1);
    assert.match(bad.out + bad.err, /dead/);
  });
});

describe('logs and status', () => {
  it('shows requests, newest last, filtered, and follows new ones', async () => {
    const secret = (await must(['key', 'create', 'logged'])).trim();
    const ask = async (model) => (await proxy.chat(secret, { model, messages: [{ role: 'user', content: 'x' }] })).headers.get('x-weir-request-id');
    let id = await until('the key is answered', async () => {
      const r = await proxy.chat(secret, { model: 'applied-model', messages: [{ role: 'user', content: 'x' }] });
      return r.status === 200 && r.headers.get('x-weir-request-id');
    });
    await ask('no-such-model');
    await eventsOf(database, [id]);
    const rows = await until('both events are shown', async () => {
      const r = (await json(['logs', '--key', 'logged'])).json.data;
      return r.some((e) => e.status === 200) && r.some((e) => e.status === 404) && r;
    });
    assert.ok(rows.every((e) => e.key_name === 'logged'));
    const table = await must(['logs', '--key', 'logged', '--status', '2xx', '-n', '1']);
    assert.match(table, /TIME +KEY +MODEL +PROVIDER +STATUS +IN +OUT/);
    assert.match(table, /logged +applied-model +applied +200 +9 +12 /);
    assert.equal(table.trim().split('\n').length, 2);

    const follower = spawn(join(build, 'weir'), ['logs', '--follow', '--json', '--key', 'logged', '-n', '1'], { env: environment() });
    let out = '';
    follower.stdout.on('data', (d) => (out += d));
    try {
      const lines = () => out.split('\n').filter(Boolean).map((l) => JSON.parse(l));
      await until('the last event is shown first', () => lines().length === 1);
      id = await ask('applied-model');
      await until('a new event appears', () => lines().some((e) => e.id === id.replace(/^req_/, 'evt_')));
      assert.equal(new Set(lines().map((e) => e.id)).size, lines().length, 'each event once');
    } finally {
      follower.kill('SIGTERM');
      await new Promise((r) => follower.once('close', r));
    }
  });

  it('status and data-plane list show the plane as connected', async () => {
    await until('the plane is connected', async () =>
      (await json(['status'])).json.data_planes.some((p) => p.name === proxy.planeName && p.state === 'connected'));
    const text = await must(['status']);
    assert.match(text, /^Weir +0\.\d+\.\d+ at /);
    assert.match(text, /Database +ok, PostgreSQL 15/);
    assert.match(await must(['data-plane', 'list']), new RegExp(`${proxy.planeName} +default +connected`));
    const enrolment = await json(['data-plane', 'token', '--control', control.enrolAddress]);
    assert.equal(enrolment.json.command, `weir-proxy --enrol ${enrolment.json.token} --control ${control.enrolAddress}`);
  });
});

describe('the way to the control plane', () => {
  // What stands behind an address that is not weir-control's, over TLS with a certificate of a CA that nobody knows.
  let server, url, certificate, answer;

  before(async () => {
    const key = join(home.folder, 'tls.key');
    certificate = join(home.folder, 'tls.crt');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
      '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate], { stdio: 'pipe' });
    server = https.createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (req, res) => answer(req, res));
    await new Promise((r) => server.listen(0, '127.0.0.1', r));
    url = `https://localhost:${server.address().port}`;
  });
  after(() => new Promise((r) => server.close(r)));

  it('a certificate that is not trusted, or is of another name, is refused before the token is sent', async () => {
    let seen = 0;
    answer = (req, res) => {
      seen++;
      res.end('{"data":[],"next_cursor":null}');
    };
    const unknown = await json(['key', 'list'], { env: { WEIR_URL: url } });
    assert.equal(unknown.code, 1);
    assert.equal(unknown.json.error.code, 'upstream_tls_failed');
    assert.match(unknown.err, /localhost.*not trusted/);
    const otherName = await json(['key', 'list', '--ca-file', certificate], { env: { WEIR_URL: url.replace('localhost', '127.0.0.1') } });
    assert.equal(otherName.code, 1);
    assert.equal(otherName.json.error.code, 'upstream_tls_failed');
    assert.equal(seen, 0);
    assert.equal((await json(['key', 'list', '--ca-file', certificate], { env: { WEIR_URL: url } })).code, 0);
    assert.equal(seen, 1);
  });

  it('a redirect is not followed, and a stranger is told as one', async () => {
    const env = { WEIR_URL: url, WEIR_CA_FILE: certificate };
    provider.calls.length = 0;
    answer = (req, res) => res.writeHead(302, { location: `${provider.url}/stolen` }).end();
    assert.equal((await json(['status'], { env })).code, 1);
    assert.equal(provider.calls.length, 0);
    answer = (req, res) => res.end('<html>');
    assert.match((await weir(['status'], { env })).err, /not JSON/);
    answer = (req, res) => res.writeHead(502).end('bad gateway');
    assert.match((await weir(['status'], { env })).err, /answered 502, and not as weir-control does/);
    answer = (req, res) => req.socket.destroy();
    assert.match((await weir(['status'], { env })).err, /closed the connection|TLS/);
  });

  it('what a server says cannot steer the terminal', async () => {
    answer = (req, res) => res.writeHead(400).end(JSON.stringify({ error: { code: 'x', message: 'a\u001b[2Jb' } }));
    const r = await weir(['status'], { env: { WEIR_URL: url, WEIR_CA_FILE: certificate } });
    assert.match(r.err, /a\?\[2Jb/);
    assert.ok(!r.err.includes('\u001b'));
  });
});

describe('weir login', () => {
  const signedOut = { WEIR_TOKEN: '' };

  it('keeps a token of its own, private, for this address only, until logout revokes it', async () => {
    const file = join(home.folder, 'password');
    writeFileSync(file, `${admin.password}\n`);
    chmodSync(file, 0o600);
    const wrong = await weir(['login', '--email', admin.email, '--password-file', '-'], { env: signedOut, input: 'not the password\n' });
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /wrong/);
    await must(['login', '--email', admin.email, '--password-file', file], { env: signedOut });
    const profile = join(home.folder, '.config/weir/config.yaml');
    assert.equal(statSync(profile).mode & 0o777, 0o600);
    const tokenOf = () => /token: "(wr_adm_[0-9A-Za-z]{33})"/.exec(readFileSync(profile, 'utf8'))[1];
    let token = tokenOf();
    assert.ok(!readFileSync(profile, 'utf8').includes(admin.password));
    await must(['key', 'list'], { env: { ...signedOut, WEIR_URL: '' } });
    await must(['login', '--email', admin.email, '--password-file', file], { env: signedOut });
    assert.equal((await weir(['key', 'list'], { env: { WEIR_TOKEN: token } })).code, 1, 'a second login revokes the first one\'s token');
    token = tokenOf();
    const elsewhere = await json(['key', 'list'], { env: { ...signedOut, WEIR_URL: control.url.replace('127.0.0.1', 'localhost') } });
    assert.equal(elsewhere.json.error.code, 'unauthenticated', 'the token is not shown to another address');
    await must(['logout'], { env: signedOut });
    assert.equal((await weir(['key', 'list'], { env: { WEIR_TOKEN: token } })).code, 1, 'the token is revoked');
    assert.equal((await weir(['key', 'list'], { env: signedOut })).code, 1);
  });

  it('takes a token from a file, after trying it', async () => {
    const bad = await weir(['login', '--token-file', '-'], { env: signedOut, input: 'wr_adm_nonsense\n' });
    assert.equal(bad.code, 1);
    await must(['login', '--token-file', '-'], { env: signedOut, input: `${admin.admin_token}\n` });
    await must(['status'], { env: signedOut });
    await must(['logout'], { env: signedOut });
    await must(['status']); // a token that login did not make is not revoked
  });
});
