// What weir import writes is served by a standalone proxy as the other gateway would have served it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { build, root, temporaryFolder } from './harness/process.mjs';

let first, second, home;
const KEY = 'a-key-of-the-import';

before(async () => {
  home = temporaryFolder('import');
  first = await fakeProvider();
  second = await fakeProvider();
});

after(async () => {
  await first?.close();
  await second?.close();
  home?.remove();
});

function convert(kind, name, text, args = []) {
  const file = join(home.folder, name);
  writeFileSync(file, text);
  const r = spawnSync(join(build, 'weir'), ['import', kind, file, ...args], {
    encoding: 'utf8', cwd: root, env: { PATH: process.env.PATH, HOME: home.folder, ASAN_OPTIONS: 'detect_leaks=1:exitcode=99' },
  });
  assert.doesNotMatch(r.stderr, /Sanitizer|runtime error:/);
  return r;
}

// Serves the manifest (with further sections of YAML behind it) while `fn` runs.
async function served(manifest, more, fn) {
  const proxy = await startStandalone(`${manifest}${more}keys: [{name: k, secret: "${KEY}"}]\n`, { env: { FIRST_KEY: 'sk-first', SECOND_KEY: 'sk-second' } });
  try {
    await fn((model, headers = {}, extra = {}) =>
      fetch(`${proxy.url}/v1/chat/completions`, {
        method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'x' }], ...extra }),
      }));
  } finally {
    await proxy.end();
  }
}

test('LiteLLM: fallbacks, aliases, parameters, tags', async () => {
  const r = convert('litellm', 'config.yaml', `
model_list:
  - {model_name: main, litellm_params: {model: openai/gpt-4o, api_base: "${first.url}/v1", api_key: os.environ/FIRST_KEY, temperature: 0.5}}
  - {model_name: spare, litellm_params: {model: openai/gpt-4o-mini, api_base: "${second.url}/v1", api_key: os.environ/SECOND_KEY}}
  - {model_name: tiered, litellm_params: {model: openai/small, api_base: "${first.url}/v1", api_key: os.environ/FIRST_KEY, tags: [free, default]}}
  - {model_name: tiered, litellm_params: {model: openai/large, api_base: "${second.url}/v1", api_key: os.environ/SECOND_KEY, tags: [paid]}}
router_settings:
  enable_tag_filtering: true
  fallbacks: [{main: [spare]}, {spare: [main]}]
  model_group_alias: {other-name: main}
general_settings: {database_url: "postgres://x"}
`);
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stderr, /not mapped: general_settings\.database_url/);
  await served(r.stdout, '', async (chat) => {
    assert.equal((await chat('main')).status, 200);
    assert.equal(first.calls.at(-1).json.model, 'gpt-4o');
    assert.equal(first.calls.at(-1).json.temperature, 0.5);
    assert.equal(first.calls.at(-1).headers.authorization, 'Bearer sk-first');
    await chat('other-name', {}, { temperature: 0 });
    assert.equal(first.calls.at(-1).json.temperature, 0);
    first.handler = (call, res) => {
      res.writeHead(500, { 'content-type': 'application/json' });
      res.end('{"error":{"message":"broken"}}');
    };
    const before = second.calls.length;
    assert.equal((await chat('main')).status, 200);
    assert.equal(second.calls.length, before + 1);
    assert.equal(second.calls.at(-1).json.model, 'gpt-4o-mini');
    first.handler = () => false;
    assert.equal((await chat('tiered', { 'x-litellm-tags': 'paid' })).status, 200);
    assert.equal(second.calls.at(-1).json.model, 'large');
    assert.equal((await chat('tiered')).status, 200);
    assert.equal(first.calls.at(-1).json.model, 'small');
  });
});

test('Cloudflare: a dynamic route is called by the name that it had', async () => {
  const r = convert('cloudflare', 'route.json', JSON.stringify({
    name: 'support',
    elements: [
      { id: 's', type: 'start', outputs: { next: { elementId: 'c' } } },
      { id: 'c', type: 'conditional', properties: { conditions: { 'metadata.plan': { $eq: 'pro' } } }, outputs: { true: { elementId: 'a' }, false: { elementId: 'b' } } },
      { id: 'a', type: 'model', properties: { provider: 'lab-one', model: 'best', retries: 0 }, outputs: { fallback: { elementId: 'b' }, success: { elementId: 'e' } } },
      { id: 'b', type: 'model', properties: { provider: 'lab-two', model: 'cheap' }, outputs: { success: { elementId: 'e' } } },
      { id: 'e', type: 'end' },
    ],
  }));
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stderr, /to do: elements\[2\]: make a provider named "lab-one"/);
  const providers = `providers:
  - {name: lab-one, kind: openai, base_url: "${first.url}/v1", api_key: "env:FIRST_KEY"}
  - {name: lab-two, kind: openai, base_url: "${second.url}/v1", api_key: "env:SECOND_KEY"}
`;
  await served(r.stdout, providers, async (chat) => {
    assert.equal((await chat('dynamic/support', { 'cf-aig-metadata': '{"plan":"pro"}' })).status, 200);
    assert.equal(first.calls.at(-1).json.model, 'best');
    assert.equal((await chat('dynamic/support', { 'cf-aig-metadata': '{"plan":"free"}' })).status, 200);
    assert.equal(second.calls.at(-1).json.model, 'cheap');
  });
});

test('Portkey: a config is followed when a request names it, guardrails are told and left out', async () => {
  const r = convert('portkey', 'pk.json', JSON.stringify({
    name: 'pc-chat', config: {
      strategy: { mode: 'fallback', on_status_codes: [429] }, input_guardrails: ['g'],
      targets: [{ virtual_key: 'vk-one', override_params: { model: 'a' } }, { provider: '@vk-two', override_params: { model: 'b' } }],
    },
  }));
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stderr, /not mapped: config\.input_guardrails/);
  const providers = `providers:
  - {name: vk-one, kind: openai, base_url: "${first.url}/v1", api_key: "env:FIRST_KEY"}
  - {name: vk-two, kind: openai, base_url: "${second.url}/v1", api_key: "env:SECOND_KEY"}
`;
  await served(r.stdout, providers, async (chat) => {
    first.handler = (call, res) => {
      res.writeHead(429, { 'content-type': 'application/json' });
      res.end('{"error":{"message":"slow down"}}');
    };
    assert.equal((await chat('any', { 'x-portkey-config': 'pc-chat' })).status, 200);
    assert.equal(second.calls.at(-1).json.model, 'b');
    first.handler = () => false;
  });
});

test('the report can be a file, a file of another kind is refused with 2', () => {
  const report = join(home.folder, 'report.json'), output = join(home.folder, 'out.yaml');
  const r = convert('portkey', 'one.json', '{"cache": {"mode": "semantic"}, "retry": {"attempts": 2}}', ['--report', report, '--output', output]);
  assert.equal(r.status, 0, r.stderr);
  assert.equal(r.stdout, '');
  assert.equal(JSON.parse(readFileSync(report, 'utf8')).approximate, 1);
  assert.match(readFileSync(output, 'utf8'), /name: one/);
  assert.equal(convert('portkey', 'no.json', '{"hello": 1}').status, 2);
  assert.equal(convert('litellm', 'no.yaml', 'a: [').status, 2);
  assert.equal(convert('cloudflare', 'none.json', '[]').status, 2);
});
