// One proxy on one file, on the same code path: no control plane, no database.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { build, root, temporaryFolder, until } from './harness/process.mjs';

let proxy, provider;
const yaml = (model = 'gpt-4o') => `version: 1
providers: [{name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: "env:UPSTREAM_KEY"}]
models:    [{name: ${model}, targets: [{provider: openai, model: gpt-4o}]}]
keys:      [{name: dev, secret: "env:WEIR_KEY_FOR_TEST", models: ["*"]}]
`;

before(async () => {
  provider = await fakeProvider();
  proxy = await startStandalone(yaml(), { env: { UPSTREAM_KEY: 'sk-from-env', WEIR_KEY_FOR_TEST: 'a-key-a-user-brings' } });
});

after(async () => {
  await proxy?.end();
  await provider?.close();
});

const chat = (model = 'gpt-4o', extra = {}) => proxy.chat('a-key-a-user-brings', { model, messages: [{ role: 'user', content: 'Hi' }], ...extra });

test('the SDK gets its answers, streamed and not, and each event is a line of the file', async () => {
  const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: 'a-key-a-user-brings' });
  const plain = await client.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'x' }] });
  assert.equal(plain.choices[0].message.content, 'Hello from fake');
  assert.equal(provider.calls.at(-1).headers.authorization, 'Bearer sk-from-env');
  let text = '';
  for await (const c of await client.chat.completions.create({ model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'x' }] })) text += c.choices[0]?.delta?.content ?? '';
  assert.equal(text, 'Hello from fake');
  await until('two events', () => readFileSync(proxy.eventsFile, 'utf8').trim().split('\n').length === 2);
  for (const line of readFileSync(proxy.eventsFile, 'utf8').trim().split('\n')) {
    const e = JSON.parse(line);
    assert.equal(e.outcome, 'ok');
    assert.equal(e.attempts.length, 1);
    assert.ok(e.attempts[0].quantities.some((q) => q.unit === 'token_in' && q.quantity === 9));
    assert.ok(!line.includes('a-key-a-user-brings') && !line.includes('sk-from-env'));
  }
});

test('SIGHUP takes a new file; a broken one is refused with file, line and column, and the old one goes on', async () => {
  writeFileSync(proxy.file, yaml('renamed'));
  proxy.program.signal('SIGHUP');
  await until('the new alias is served', async () => (await chat('renamed')).status === 200);
  assert.equal((await chat('gpt-4o')).status, 404);
  writeFileSync(proxy.file, yaml('renamed').replace('targets: [{provider: openai', 'targets: [{provider: nobody'));
  proxy.program.signal('SIGHUP');
  await until('the refusal is logged', () => /"file":"[^"]*weir\.yaml","line":3,"column":\d+/.test(proxy.program.log()));
  assert.equal((await chat('renamed')).status, 200);
  writeFileSync(proxy.file, yaml());
  proxy.program.signal('SIGHUP');
  await until('the old alias is back', async () => (await chat('gpt-4o')).status === 200);
});

test('weir-proxy check tells line and column of what is wrong', () => {
  const { folder, remove } = temporaryFolder('check');
  const file = join(folder, 'w.yaml');
  const check = (text) => {
    writeFileSync(file, text);
    return spawnSync(join(build, 'weir-proxy'), ['check', '--config', file], { encoding: 'utf8', env: { ...process.env, UPSTREAM_KEY: 'k', WEIR_KEY_FOR_TEST: 'k2345678' } });
  };
  try {
    assert.equal(check(yaml()).status, 0);
    for (const [bad, where] of [
      [yaml().replace('version: 1', 'version: 2'), /w\.yaml:1:\d+/],
      [yaml().replace('base_url', 'base_ulr'), /w\.yaml:2:\d+.*base_ulr/],
      [yaml().replace('kind: openai', 'kind: nonsense'), /w\.yaml:2:\d+.*nonsense/],
      [yaml().replace('provider: openai', 'provider: nobody'), /w\.yaml:3:\d+.*nobody/],
      [yaml().replace('WEIR_KEY_FOR_TEST', 'NOT_SET_ANYWHERE'), /w\.yaml:4:\d+.*NOT_SET_ANYWHERE/],
      [yaml() + 'models: []\n', /w\.yaml:5:1/],
      ['version: [1\n', /w\.yaml:\d+:\d+/],
      [yaml().replace(/http:[^"]*/, 'ftp://x'), /w\.yaml:2:\d+/],
    ]) {
      const r = check(bad);
      assert.equal(r.status, 1, bad + r.stdout + r.stderr);
      assert.match(r.stdout + r.stderr, where);
    }
  } finally {
    remove();
  }
});

test('SIGTERM lets a stream finish, refuses new connections, and exits 0', async () => {
  let release;
  const gate = new Promise((r) => (release = r));
  provider.handler = async (call, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write('data: {"choices":[{"index":0,"delta":{"content":"begun"}}]}\n\n');
    await gate;
    res.end('data: {"choices":[{"index":0,"delta":{"content":" ended"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n');
  };
  const r = await chat('gpt-4o', { stream: true });
  const reader = r.body.getReader();
  await reader.read();
  proxy.program.signal('SIGTERM');
  await until('readyz says so', async () => (await fetch(`${proxy.opsUrl}/readyz`).catch(() => ({ status: 503 }))).status === 503);
  release();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  assert.match(text, /ended[\s\S]*\[DONE\]/);
  const { code } = await proxy.program.wait();
  assert.equal(code, 0);
  proxy.program.checkLog();
  provider.handler = () => false;
  await proxy.start();
});

test('SIGKILL in the middle leaves an event with outcome unknown', async () => {
  provider.handler = () => true; // never answers
  const hung = chat().catch(() => {});
  await until('the provider has the call', () => provider.calls.at(-1).json?.model === 'gpt-4o' && provider.answered < provider.calls.length);
  await proxy.kill();
  await hung;
  provider.handler = () => false;
  await proxy.start();
  await until('the unknown event', () => readFileSync(proxy.eventsFile, 'utf8').includes('"outcome":"unknown"'));
});

test('every example in docs/ is valid by the JSON Schema and by weir-proxy check', async () => {
  const { readdirSync } = await import('node:fs');
  const { default: Ajv } = await import('ajv/dist/2020.js');
  const { parse } = await import('yaml');
  const schema = JSON.parse(readFileSync(join(root, 'docs/weir.schema.json'), 'utf8'));
  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);
  const files = readdirSync(join(root, 'docs/examples')).filter((f) => f.endsWith('.yaml'));
  assert.ok(files.length > 0);
  for (const f of [...files.map((n) => join(root, 'docs/examples', n)), join(root, 'deploy/demo.yaml')]) {
    const document = parse(readFileSync(f, 'utf8'));
    assert.ok(validate(document), `${f}: ${JSON.stringify(validate.errors)}`);
  }
  assert.ok(!validate({ version: 1, providers: [{ name: 'x' }] }));
  assert.ok(!validate({ version: 1, provider: [] }));
  const governed = { version: 1, teams: [{ name: 't' }], budgets: [{ name: 'b', metric: 'cost', amount: '1', window: 'day' }], limits: [{ name: 'l', metric: 'concurrency', amount: 2 }], keys: [{ name: 'k', team: 't', ip_allow: ['::1'] }] };
  assert.ok(validate(governed), JSON.stringify(validate.errors));
  assert.ok(!validate({ ...governed, budgets: [{ name: 'b' }] }));
  const help = execFileSync(join(build, 'weir-proxy'), ['--help'], { encoding: 'utf8' });
  assert.match(help, /--listen/);
});
