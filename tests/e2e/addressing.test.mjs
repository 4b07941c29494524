// How a model, a provider and a key may be named: each of the ways that the clients of OpenAI, Azure, Anthropic, Gemini, Vertex AI,
// Bedrock, Portkey, LiteLLM and Cloudflare have, and that a key bound to models gets no further by any of them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import { GoogleGenAI } from '@google/genai';
import OpenAI, { AzureOpenAI } from 'openai';
import { Portkey } from 'portkey-ai';
import { eventOf } from './harness/events.mjs';
import { DIALECTS } from './harness/fake_dialects.mjs';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { atLatestAtExit, freePorts } from './harness/process.mjs';

const ALL = 'addressing-all', BOUND = 'addressing-bound', PROVIDERS = 'addressing-providers', NONE = 'addressing-none';
const ARN = 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-x-v1:0';
const PLAIN = { text: 'Hello there!', calls: [], think: false, refuse: false };
const MESSAGES = [{ role: 'user', content: 'Hi' }];
let provider, proxy;

// Answers in the path's dialect; a model named fail-NNN fails with that status.
function answer(call, res) {
  const path = call.url.split('?')[0];
  const d = /\/messages$|rawPredict$|\/invoke$/i.test(path) ? DIALECTS.messages : /generateContent$/i.test(path) ? DIALECTS.gemini : /\/converse$/.test(path) ? DIALECTS.converse : DIALECTS.chat;
  if (call.url.includes('alt=sse')) {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    d.stream(PLAIN, call.json, (b) => res.write(b), call.url);
    res.end();
    return;
  }
  const fail = /fail-(\d+)/.exec(call.url + (call.json?.model ?? ''));
  res.writeHead(fail ? Number(fail[1]) : 200, { 'content-type': 'application/json' });
  res.end(JSON.stringify(fail ? d.error(Number(fail[1])) : d.whole(PLAIN, call.json ?? {}, call.url)));
}

before(async () => {
  provider = await fakeProvider(answer);
  const url = provider.url;
  proxy = await startStandalone(`
version: 1
providers:
  - {name: openai, kind: openai, base_url: "${url}/openai/v1", api_key: up}
  - {name: second, kind: openai, base_url: "${url}/second/v1", api_key: up}
  - {name: claude-eu, kind: anthropic, base_url: "${url}/anthropic", api_key: up}
  - {name: studio, kind: gemini, base_url: "${url}/gemini", api_key: up}
  - {name: vx, kind: vertex, base_url: "${url}/vertex", project: p1, location: us-central1, access_token: up}
  - {name: aws, kind: bedrock, base_url: "${url}/bedrock", region: us-east-1, api_key: up}
  - {name: az, kind: azure-openai, base_url: "${url}/azure", api_key: up, api_version: "2024-10-21"}
  - {name: my_own.2, kind: custom, base_url: "${url}/own", api_key: up}
models:
  - {name: fast, targets: [{provider: openai, model: gpt-fast}]}
  - {name: smart, targets: [{provider: claude-eu, model: claude-smart}]}
  - {name: openai/shadowed, targets: [{provider: second, model: shadow}]}
  - {name: "any/*", targets: [{provider: second, model: "*"}]}
  - {name: "team-*", targets: [{provider: second, model: "t/*-x"}]}
  - {name: "team-special", targets: [{provider: openai, model: special}]}
  - {name: "gpt-*", targets: [{provider: openai, model: "gpt-*"}]}
  - {name: "*", targets: [{provider: studio, model: "*"}]}
keys:
  - {name: all, secret: ${ALL}}
  - {name: bound, secret: ${BOUND}, models: [fast, "openai/gpt-ok", "aws/ok.model-v1:0", "claude-eu/claude-ok", "studio/gemini-ok", "az/dep-ok", "any/ok"]}
  - {name: providers, secret: ${PROVIDERS}, providers: [openai]}
  - {name: none, secret: ${NONE}, models: []}
`);
});

after(async () => {
  await proxy?.end();
  await provider?.close();
});

const post = (path, body, headers = {}) => fetch(`${proxy.url}${path}`, {
  method: 'POST', headers: Object.fromEntries(Object.entries({ 'content-type': 'application/json', authorization: `Bearer ${ALL}`, ...headers }).filter(([, v]) => v !== undefined)), body: typeof body === 'string' ? body : JSON.stringify(body),
});
// Where one request came to: [path at the provider, model in its body]
async function reached(send) {
  const from = provider.calls.length;
  const r = await send();
  if (r instanceof Response) assert.equal(r.status, 200, await r.clone().text());
  assert.equal(provider.calls.length, from + 1, 'one call');
  const call = provider.calls.at(-1);
  for (const key of [ALL, BOUND, PROVIDERS]) assert.ok(!JSON.stringify(call.rawHeaders).includes(key) && !call.url.includes(key) && !call.body.includes(key), 'the virtual key went on');
  return [call.url, call.json?.model];
}
const chat = (model, headers) => post('/v1/chat/completions', { model, messages: MESSAGES }, headers);

describe('a model\'s name', () => {
  const CASES = {
    'fast': ['/openai/v1/chat/completions', 'gpt-fast'],
    'openai/gpt-x': ['/openai/v1/chat/completions', 'gpt-x'],
    '@openai/gpt-x': ['/openai/v1/chat/completions', 'gpt-x'],
    'second/org/model:free': ['/second/v1/chat/completions', 'org/model:free'],
    'openai/shadowed': ['/second/v1/chat/completions', 'shadow'],
    '@openai/shadowed': ['/openai/v1/chat/completions', 'shadowed'],
    'any/a/b': ['/second/v1/chat/completions', 'a/b'],
    'team-blue': ['/second/v1/chat/completions', 't/blue-x'],
    'team-special': ['/openai/v1/chat/completions', 'special'],
    'gpt-9': ['/openai/v1/chat/completions', 'gpt-9'],
    'whatever': ['/gemini/v1beta/models/whatever:generateContent', undefined],
    'anthropic/claude-x': ['/anthropic/v1/messages', 'claude-x'],
    'claude/claude-x': ['/anthropic/v1/messages', 'claude-x'],
    'google-ai-studio/gemini-x': ['/gemini/v1beta/models/gemini-x:generateContent', undefined],
    'gemini/gemini-x': ['/gemini/v1beta/models/gemini-x:generateContent', undefined],
    'google/gemini-x': ['/gemini/v1beta/models/gemini-x:generateContent', undefined],
    'vertex_ai/gemini-x': ['/vertex/v1/projects/p1/locations/us-central1/publishers/google/models/gemini-x:generateContent', undefined],
    'google-vertex-ai/claude-x': ['/vertex/v1/projects/p1/locations/us-central1/publishers/anthropic/models/claude-x:rawPredict', undefined],
    'aws-bedrock/m.x-v1:0': ['/bedrock/model/m.x-v1%3A0/converse', undefined],
    'bedrock/m.x-v1:0': ['/bedrock/model/m.x-v1%3A0/converse', undefined],
    'azure/dep': ['/azure/openai/deployments/dep/chat/completions?api-version=2024-10-21', 'dep'],
    'azure-openai/dep': ['/azure/openai/deployments/dep/chat/completions?api-version=2024-10-21', 'dep'],
    'my_own.2/m': ['/own/chat/completions', 'm'],
  };
  for (const [name, expected] of Object.entries(CASES)) {
    test(name, async () => assert.deepEqual(await reached(() => chat(name)), expected));
  }
  test('an alias of another name\'s letters, and an unknown provider', async () => {
    for (const name of ['@nobody/x', '@fast']) {
      const r = await chat(name);
      assert.equal(r.status, 404, name);
      assert.equal((await r.json()).error.param, 'model');
    }
  });
});

describe('a provider in a header', () => {
  for (const [header, value] of [['x-weir-provider', 'second'], ['x-weir-provider', '@second'], ['x-portkey-provider', 'second'], ['x-portkey-provider', '@second'], ['x-portkey-virtual-key', 'second']]) {
    test(`${header}: ${value}`, async () => {
      assert.deepEqual(await reached(() => chat('m', { [header]: value })), ['/second/v1/chat/completions', 'm']);
      assert.deepEqual(await reached(() => chat('second/m', { [header]: value })), ['/second/v1/chat/completions', 'm']);
      assert.deepEqual(await reached(() => chat('org/m', { [header]: value })), ['/second/v1/chat/completions', 'org/m']);
    });
  }
  test('a kind, and nobody', async () => {
    assert.deepEqual(await reached(() => chat('claude-x', { 'x-portkey-provider': 'anthropic' })), ['/anthropic/v1/messages', 'claude-x']);
    assert.equal((await chat('m', { 'x-weir-provider': 'nobody' })).status, 404);
  });
  test('Portkey\'s SDK', async () => {
    const client = (extra) => new Portkey({ baseURL: `${proxy.url}/v1`, apiKey: ALL, maxRetries: 0, ...extra });
    assert.deepEqual(await reached(() => client({ provider: '@second' }).chat.completions.create({ model: 'm', messages: MESSAGES })), ['/second/v1/chat/completions', 'm']);
    assert.deepEqual(await reached(() => client({ provider: 'openai' }).chat.completions.create({ model: 'm', messages: MESSAGES })), ['/openai/v1/chat/completions', 'm']);
    assert.deepEqual(await reached(() => client({ virtualKey: 'second' }).chat.completions.create({ model: 'm', messages: MESSAGES })), ['/second/v1/chat/completions', 'm']);
    assert.deepEqual(await reached(() => client({}).chat.completions.create({ model: '@second/m', messages: MESSAGES })), ['/second/v1/chat/completions', 'm']);
  });
});

describe('Azure\'s SDK', () => {
  const client = (extra) => new AzureOpenAI({ endpoint: proxy.url, apiKey: ALL, apiVersion: '2024-10-21', maxRetries: 0, ...extra });
  test('a deployment is an alias', async () => {
    assert.deepEqual(await reached(() => client({ deployment: 'fast' }).chat.completions.create({ model: 'fast', messages: MESSAGES })), ['/openai/v1/chat/completions', 'gpt-fast']);
    assert.deepEqual(await reached(() => client({ deployment: 'smart' }).chat.completions.create({ model: '', messages: MESSAGES })), ['/anthropic/v1/messages', 'claude-smart']);
  });
  test('the model of each call is the deployment, where none is given', async () => {
    assert.deepEqual(await reached(() => client().chat.completions.create({ model: 'fast', messages: MESSAGES })), ['/openai/v1/chat/completions', 'gpt-fast']);
    assert.deepEqual(await reached(() => client({ deployment: 'az%2Fdep-7' }).chat.completions.create({ model: 'x', messages: MESSAGES })), ['/azure/openai/deployments/dep-7/chat/completions?api-version=2024-10-21', 'dep-7']);
  });
  test('the newer paths', async () => {
    const v1 = new OpenAI({ baseURL: `${proxy.url}/openai/v1`, apiKey: 'placeholder', defaultHeaders: { 'api-key': ALL, authorization: null }, maxRetries: 0 });
    assert.deepEqual(await reached(() => v1.chat.completions.create({ model: 'fast', messages: MESSAGES })), ['/openai/v1/chat/completions', 'gpt-fast']);
  });
  test('a wrong key is its own exception', async () => {
    await assert.rejects(new AzureOpenAI({ endpoint: proxy.url, apiKey: 'wrong', apiVersion: '2024-10-21', deployment: 'fast', maxRetries: 0 }).chat.completions.create({ model: 'fast', messages: MESSAGES }), { name: /Error/, status: 401 });
  });
});

describe('Cloudflare\'s gateway', () => {
  const step = (name, endpoint, query, extra = {}) => ({ provider: name, endpoint, headers: { 'content-type': 'application/json' }, query, ...extra });
  const universal = (steps, headers) => post('/v1/acct/gw', steps, { authorization: undefined, 'cf-aig-authorization': `Bearer ${ALL}`, ...headers });
  const openai = (model) => step('openai', 'chat/completions', { model, messages: MESSAGES });
  const claude = (model) => step('anthropic', 'v1/messages', { model, max_tokens: 9, messages: MESSAGES });

  test('a provider\'s own path', async () => {
    assert.deepEqual(await reached(() => post('/v1/acct/gw/openai/chat/completions', { model: 'm', messages: MESSAGES })), ['/openai/v1/chat/completions', 'm']);
    assert.deepEqual(await reached(() => post('/v1/acct/gw/anthropic/v1/messages', { model: 'm', max_tokens: 5, messages: MESSAGES })), ['/anthropic/v1/messages', 'm']);
    assert.deepEqual(await reached(() => post('/v1/acct/gw/google-ai-studio/v1/models/gemini-x:generateContent', { contents: [] })), ['/gemini/v1/models/gemini-x:generateContent', undefined]);
    assert.deepEqual(await reached(() => post('/v1/acct/gw/azure-openai/resource/dep/chat/completions?api-version=2024-10-21', { messages: MESSAGES })), ['/azure/openai/deployments/dep/chat/completions?api-version=2024-10-21', undefined]);
    assert.deepEqual(await reached(() => post('/v1/acct/gw/aws-bedrock/bedrock-runtime/us-east-1/model/m.x/invoke', { messages: [] })), ['/bedrock/model/m.x/invoke', undefined]);
    assert.deepEqual(await reached(() => post('/v1/acct/gw/custom-second/chat/completions', { model: 'm', messages: MESSAGES })), ['/second/v1/chat/completions', 'm']);
  });
  test('SDKs with its base URLs', async () => {
    const base = `${proxy.url}/v1/acct/gw`, headers = { 'cf-aig-authorization': `Bearer ${ALL}` };
    assert.deepEqual(await reached(() => new Anthropic({ baseURL: `${base}/anthropic`, apiKey: 'placeholder', defaultHeaders: headers, maxRetries: 0 }).messages.create({ model: 'c', max_tokens: 9, messages: MESSAGES })), ['/anthropic/v1/messages', 'c']);
    assert.equal(provider.calls.at(-1).headers['x-api-key'], 'up', 'the stored key, not the placeholder');
    assert.deepEqual(await reached(() => new OpenAI({ baseURL: `${base}/compat`, apiKey: 'placeholder', defaultHeaders: headers, maxRetries: 0 }).chat.completions.create({ model: 'anthropic/c', messages: MESSAGES })), ['/anthropic/v1/messages', 'c']);
    assert.deepEqual(await reached(() => new OpenAI({ baseURL: `${base}/compat`, apiKey: ALL, maxRetries: 0 }).chat.completions.create({ model: 'dynamic/fast', messages: MESSAGES })), ['/openai/v1/chat/completions', 'gpt-fast']);
    assert.deepEqual(await reached(() => post('/compat/chat/completions', { model: 'google-ai-studio/g', messages: MESSAGES })), ['/gemini/v1beta/models/g:generateContent', undefined]);
  });
  test('steps: the first that works answers, each with its own body', async () => {
    const from = provider.calls.length;
    const r = await universal([openai('fail-500'), claude('claude-ok'), openai('never')]);
    const json = await r.json();
    assert.equal(r.status, 200, JSON.stringify(json));
    assert.equal(r.headers.get('cf-aig-step'), '1');
    assert.equal(json.content[0].text, 'Hello there!', 'in the shape of the step\'s provider');
    assert.deepEqual(provider.calls.slice(from).map((c) => [c.url, c.json.model, c.json.max_tokens]), [['/openai/v1/chat/completions', 'fail-500', undefined], ['/anthropic/v1/messages', 'claude-ok', 9]]);
    assert.equal(provider.calls.at(-1).headers['anthropic-version'], '2023-06-01');
    const event = await eventOf(proxy, r);
    assert.deepEqual(event.attempts.map((a) => [a.provider, a.outcome]), [['openai', 'provider_error'], ['claude-eu', 'ok']]);
    const first = await universal([openai('m'), claude('c')]);
    assert.equal(first.headers.get('cf-aig-step'), '0');
  });
  test('steps that all fail: the last one\'s error', async () => {
    const r = await universal([openai('fail-500'), claude('fail-429')]);
    const json = await r.json();
    assert.equal(r.status, 429);
    assert.equal(json.error.type, 'rate_limit_error');
    assert.equal((await eventOf(proxy, r)).attempts.length, 2);
  });
  test('an unknown provider\'s step is passed over', async () => {
    const r = await universal([step('nobody', 'x', {}), openai('m')]);
    assert.equal(r.status, 200);
  });
  test('what is malformed is named', async () => {
    for (const [steps, param] of [
      ['[{"provider":"openai","endpoint":"chat/completions","query":{}},', null],
      [{ provider: 'openai' }, null], [[], null],
      [[openai('m'), { endpoint: 'x', query: {} }], /^\[1\]\.provider/], [[{ provider: 'openai', endpoint: 'x' }], /^\[0\]\.query/],
      [[{ provider: 'openai', endpoint: 7, query: {} }], /^\[0\]\.endpoint/], [[step('openai', '../../x', {})], /^\[0\]\.endpoint/],
      [[step('openai', 'x', {}, { headers: 'no' })], /^\[0\]\.headers/], [[7], /^\[0\]/],
    ]) {
      const from = provider.calls.length;
      const r = await universal(steps);
      const json = await r.json();
      assert.equal(r.status, 400, JSON.stringify(steps));
      if (param) assert.match(json.error.param, param, JSON.stringify(json));
      else if (typeof steps === 'string') assert.match(JSON.stringify(json), /offset|position|byte/i, 'where it is malformed');
      assert.equal(provider.calls.length, from);
    }
  });
});

describe('lists of models, as each SDK asks', () => {
  test('OpenAI', async () => {
    const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: ALL });
    const ids = (await client.models.list()).data.map((m) => m.id);
    assert.deepEqual([...ids].sort(), ['fast', 'openai/shadowed', 'smart', 'team-special'], 'no stars');
    assert.equal((await client.models.retrieve('fast')).object, 'model');
    await assert.rejects(client.models.retrieve('@nobody/x'), { name: /Error/, status: 404 });
    const bound = (await new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: BOUND }).models.list()).data.map((m) => m.id);
    assert.deepEqual(bound, ['fast']);
    assert.deepEqual((await new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: NONE }).models.list()).data, []);
  });
  test('Anthropic', async () => {
    const client = new Anthropic({ baseURL: proxy.url, apiKey: ALL });
    const ids = [];
    for await (const m of client.models.list()) {
      assert.equal(m.type, 'model');
      assert.ok(!Number.isNaN(Date.parse(m.created_at)));
      ids.push(m.id);
    }
    assert.deepEqual(ids.sort(), ['fast', 'openai/shadowed', 'smart', 'team-special']);
    assert.equal((await client.models.retrieve('smart')).id, 'smart');
    await assert.rejects(client.models.retrieve('@nobody/x'), (e) => e instanceof Anthropic.NotFoundError);
  });
  test('Gemini', async () => {
    const client = new GoogleGenAI({ apiKey: ALL, httpOptions: { baseUrl: proxy.url } });
    const names = [];
    for await (const m of await client.models.list()) names.push(m.name);
    assert.deepEqual(names.sort(), ['models/fast', 'models/openai/shadowed', 'models/smart', 'models/team-special']);
    assert.equal((await client.models.get({ model: 'fast' })).name, 'models/fast');
    await assert.rejects(client.models.get({ model: '@nobody/x' }), (e) => e.status === 404);
  });
});

describe('Gemini\'s and Vertex\'s paths', () => {
  const TEXT = { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] };
  const gemini = (options) => new GoogleGenAI({ apiKey: ALL, httpOptions: { baseUrl: proxy.url, retryOptions: { attempts: 1 } }, ...options });
  test('aliases, provider/model, encoded or not', async () => {
    for (const model of ['smart', 'models/smart', 'claude-eu%2Fclaude-smart', 'claude-eu/claude-smart', '@claude-eu/claude-smart']) {
      assert.deepEqual(await reached(() => post(`/v1beta/models/${model.replace(/^models\//, '')}:generateContent`, TEXT, { authorization: undefined, 'x-goog-api-key': ALL })), ['/anthropic/v1/messages', 'claude-smart'], model);
    }
    assert.deepEqual(await reached(() => gemini().models.generateContent({ model: 'fast', contents: 'Hi' })), ['/openai/v1/chat/completions', 'gpt-fast']);
    assert.deepEqual(await reached(() => post('/v1/models/fast:generateContent', TEXT)), ['/openai/v1/chat/completions', 'gpt-fast']);
  });
  test('the SDK in Vertex\'s mode', async () => {
    const vertex = new GoogleGenAI({ vertexai: true, apiKey: ALL, httpOptions: { baseUrl: proxy.url, retryOptions: { attempts: 1 } } });
    assert.deepEqual(await reached(() => vertex.models.generateContent({ model: 'fast', contents: 'Hi' })), ['/openai/v1/chat/completions', 'gpt-fast']);
    let text = '';
    for await (const c of await vertex.models.generateContentStream({ model: 'studio/x', contents: 'Hi' })) text += c.text ?? '';
    assert.equal(text, 'Hello there!');
  });
  test('project and location in the path', async () => {
    const r = await post('/v1/projects/mine/locations/here/publishers/google/models/vx%2Fgemini-x:generateContent', TEXT);
    assert.equal(r.status, 200);
    assert.equal(provider.calls.at(-1).url, '/vertex/v1/projects/p1/locations/us-central1/publishers/google/models/gemini-x:generateContent', 'the provider\'s own project');
    const claude = await post('/v1/projects/mine/locations/here/publishers/anthropic/models/smart:rawPredict', { anthropic_version: 'vertex-2023-10-16', max_tokens: 9, messages: MESSAGES });
    assert.equal(claude.status, 200);
    assert.deepEqual([provider.calls.at(-1).url, provider.calls.at(-1).json.model], ['/anthropic/v1/messages', 'claude-smart']);
  });
});

describe('Bedrock\'s paths', () => {
  const client = () => new BedrockRuntimeClient({ endpoint: proxy.url, region: 'us-east-1', token: { token: ALL }, authSchemePreference: ['httpBearerAuth'], maxAttempts: 1 });
  const converse = async (modelId) => {
    const c = client();
    try {
      return await c.send(new ConverseCommand({ modelId, messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }));
    } finally {
      c.destroy();
    }
  };
  test('an alias, provider/model, an ARN of a provider', async () => {
    assert.deepEqual(await reached(() => converse('fast')), ['/openai/v1/chat/completions', 'gpt-fast']);
    assert.deepEqual(await reached(() => converse('claude-eu/claude-x')), ['/anthropic/v1/messages', 'claude-x']);
    assert.deepEqual(await reached(() => converse('aws/m.x-v1:0')), ['/bedrock/model/m.x-v1%3A0/converse', undefined]);
    assert.deepEqual(await reached(() => converse(`aws/${ARN}`)), [`/bedrock/model/${encodeURIComponent(ARN)}/converse`, undefined]);
    const r = await post(`/model/${ARN.replaceAll(':', '%3A')}/converse`, { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }, { 'x-weir-provider': 'aws' });
    assert.equal(r.status, 200);
    assert.equal(provider.calls.at(-1).url, `/bedrock/model/${encodeURIComponent(ARN)}/converse`);
  });
});

describe('where a key may stand', () => {
  const BODY = { model: 'fast', messages: MESSAGES };
  const CONTENTS = { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] };
  const CONVERSE = { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] };
  const sigv4 = (key) => `AWS4-HMAC-SHA256 Credential=${key}/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`;
  const PATHS = {
    '/v1/chat/completions': [BODY, { authorization: `Bearer KEY` }, { authorization: `bearer KEY` }, { 'api-key': 'KEY' }],
    '/v1/responses': [{ model: 'fast', input: 'Hi' }, { authorization: `Bearer KEY` }],
    '/v1/messages': [{ ...BODY, max_tokens: 9 }, { 'x-api-key': 'KEY' }, { authorization: 'Bearer KEY' }],
    '/v1beta/models/fast:generateContent': [CONTENTS, { 'x-goog-api-key': 'KEY' }, { authorization: 'Bearer KEY' }, '?key=KEY', '?alt=json&key=KEY'],
    '/model/fast/converse': [CONVERSE, { authorization: 'Bearer KEY' }, { authorization: 'SIGV4' }],
    '/openai/deployments/fast/chat/completions?api-version=2024-10-21': [BODY, { 'api-key': 'KEY' }, { authorization: 'Bearer KEY' }],
    '/openai/chat/completions': [{ model: 'gpt-fast', messages: MESSAGES }, { authorization: 'Bearer KEY' }, { 'x-api-key': 'KEY' }, { 'x-goog-api-key': 'KEY' }, { 'api-key': 'KEY' }, '?key=KEY'],
  };
  const ANYWHERE = [{ 'x-weir-key': 'KEY' }, { 'x-portkey-api-key': 'KEY' }, { 'cf-aig-authorization': 'Bearer KEY' }];
  for (const [path, [body, ...places]] of Object.entries(PATHS)) {
    test(path, async () => {
      for (const place of [...places, ...ANYWHERE]) {
        for (const [key, status] of [[ALL, 200], ['no-such-key', 401]]) {
          const text = (s) => s.replace('SIGV4', sigv4(key)).replace('KEY', key);
          const headers = typeof place === 'string' ? {} : Object.fromEntries(Object.entries(place).map(([n, v]) => [n, text(v)]));
          const from = provider.calls.length;
          const r = await fetch(proxy.url + path + (typeof place === 'string' ? text(place) : ''), { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
          assert.ok(r.status === status || (status === 401 && path.startsWith('/model/') && r.status === 403), `${JSON.stringify(place)} ${key}: ${r.status} ${await r.text()}`);
          assert.equal(provider.calls.length - from, status === 200 ? 1 : 0);
          const call = provider.calls.at(-1);
          assert.ok(!JSON.stringify(call.rawHeaders).includes(ALL) && !call.url.includes(ALL), 'the key went on');
        }
      }
      const r = await fetch(proxy.url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
      assert.ok([401, 403].includes(r.status), `none: ${r.status}`);
    });
  }
  test('Weir\'s own header goes before the dialect\'s place', async () => {
    assert.equal((await chat('fast', { 'x-weir-key': ALL, authorization: 'Bearer placeholder' })).status, 200);
    assert.equal((await chat('fast', { 'x-weir-key': 'wrong', authorization: `Bearer ${ALL}` })).status, 401);
  });
});

describe('a key bound to models', () => {
  const CONTENTS = { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] };
  const CONVERSE = { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] };
  const step = (name, endpoint, query) => ({ provider: name, endpoint, headers: {}, query });
  const OK = {
    'an alias': ['/v1/chat/completions', { model: 'fast', messages: MESSAGES }],
    'provider/model': ['/v1/chat/completions', { model: 'openai/gpt-ok', messages: MESSAGES }],
    '@provider/model': ['/v1/chat/completions', { model: '@openai/gpt-ok', messages: MESSAGES }],
    'a star\'s': ['/v1/chat/completions', { model: 'any/ok', messages: MESSAGES }],
    'a header': ['/v1/chat/completions', { model: 'gpt-ok', messages: MESSAGES }, { 'x-weir-provider': 'openai' }],
    'Gemini\'s path': ['/v1beta/models/studio%2Fgemini-ok:generateContent', CONTENTS],
    'Bedrock\'s path': ['/model/aws%2Fok.model-v1%3A0/converse', CONVERSE],
    'a deployment': ['/openai/deployments/az%2Fdep-ok/chat/completions?api-version=2024-10-21', { messages: MESSAGES }],
    'native, body': ['/openai/chat/completions', { model: 'gpt-ok', messages: MESSAGES }],
    'native, path': ['/studio/v1beta/models/gemini-ok:generateContent', CONTENTS],
    'native, Bedrock': ['/aws/model/ok.model-v1%3A0/converse', CONVERSE],
    'native, deployment': ['/az/openai/deployments/dep-ok/chat/completions?api-version=2024-10-21', { messages: MESSAGES }],
    'steps': ['/v1/acct/gw', [step('claude-eu', 'v1/messages', { model: 'claude-ok', max_tokens: 9, messages: MESSAGES }), step('openai', 'chat/completions', { model: 'gpt-ok', messages: MESSAGES })]],
    'account and gateway': ['/v1/acct/gw/openai/chat/completions', { model: 'gpt-ok', messages: MESSAGES }],
  };
  for (const [name, [path, body, headers]] of Object.entries(OK)) {
    test(`gets its own: ${name}`, async () => {
      const r = await post(path, body, { 'x-weir-key': BOUND, authorization: undefined, ...headers });
      assert.equal(r.status, 200, await r.text());
    });
  }
  const FORBIDDEN = {
    'an alias': ['/v1/chat/completions', { model: 'smart', messages: MESSAGES }],
    'provider/model': ['/v1/chat/completions', { model: 'openai/gpt-no', messages: MESSAGES }],
    'by kind': ['/v1/chat/completions', { model: 'anthropic/claude-no', messages: MESSAGES }],
    '@provider/model': ['/v1/chat/completions', { model: '@openai/gpt-no', messages: MESSAGES }],
    'a star\'s': ['/v1/chat/completions', { model: 'any/no', messages: MESSAGES }],
    'the star of all': ['/v1/chat/completions', { model: 'whatever', messages: MESSAGES }],
    'a header': ['/v1/chat/completions', { model: 'gpt-no', messages: MESSAGES }, { 'x-weir-provider': 'openai' }],
    'an allowed name asked of another provider': ['/v1/chat/completions', { model: 'openai/gpt-ok', messages: MESSAGES }, { 'x-weir-provider': 'second' }],
    'Portkey\'s header': ['/v1/chat/completions', { model: 'gpt-no', messages: MESSAGES }, { 'x-portkey-provider': '@openai' }],
    'a model twice in the body': ['/v1/chat/completions', '{"model":"fast","messages":[{"role":"user","content":"x"}],"model":"smart"}'],
    'a dynamic route': ['/compat/chat/completions', { model: 'dynamic/smart', messages: MESSAGES }],
    'messages': ['/v1/messages', { model: 'claude-eu/claude-no', max_tokens: 9, messages: MESSAGES }],
    'Gemini\'s path, with an allowed model in the body': ['/v1beta/models/smart:generateContent', { ...CONTENTS, model: 'fast' }],
    'Gemini\'s path, encoded': ['/v1beta/models/studio%2Fgemini-no:generateContent', CONTENTS],
    'Vertex\'s path': ['/v1/projects/p/locations/l/publishers/google/models/vx%2Fgemini-no:generateContent', CONTENTS],
    'Bedrock\'s path, with an allowed model in the body': ['/model/smart/converse', { ...CONVERSE, model: 'fast', modelId: 'fast' }],
    'an ARN': [`/model/${encodeURIComponent(`aws/${ARN}`)}/converse`, CONVERSE],
    'an ARN that ends as an allowed one': [`/model/${encodeURIComponent('aws/arn:aws:bedrock:us-east-1:1:inference-profile/ok.model-v1:0')}/converse`, CONVERSE],
    'invoke': ['/model/aws%2Fno.model/invoke', { anthropic_version: 'bedrock-2023-05-31', max_tokens: 9, messages: MESSAGES }],
    'a deployment, with an allowed model in the body': ['/openai/deployments/smart/chat/completions?api-version=2024-10-21', { model: 'fast', messages: MESSAGES }],
    'a deployment of a provider': ['/openai/deployments/az%2Fdep-no/chat/completions?api-version=2024-10-21', { model: 'fast', messages: MESSAGES }],
    'native, body': ['/openai/chat/completions', { model: 'gpt-no', messages: MESSAGES }],
    'native, body without a model': ['/openai/chat/completions', { messages: MESSAGES }],
    'native, escaped letters': ['/openai/chat/completions', '{"model":"gpt-\\u006eo","messages":[]}'],
    'native, a model twice': ['/openai/chat/completions', '{"model":"gpt-ok","messages":[],"model":"gpt-no"}'],
    'native, Gemini\'s path': ['/studio/v1beta/models/gemini-no:generateContent', { ...CONTENTS, model: 'gemini-ok' }],
    'native, Bedrock\'s path': ['/aws/model/no.model/converse', { ...CONVERSE, model: 'ok.model-v1:0' }],
    'native, Bedrock by ARN': [`/aws/model/${encodeURIComponent(ARN)}/converse`, CONVERSE],
    'native, deployment': ['/az/openai/deployments/dep-no/chat/completions?api-version=2024-10-21', { model: 'dep-ok', messages: MESSAGES }],
    'native, a parameter': ['/openai/chat/completions?model=gpt-no', { model: 'gpt-ok', messages: MESSAGES }],
    'native, what has no model': ['/openai/files', { purpose: 'x' }],
    'account and gateway, Azure': ['/v1/acct/gw/azure-openai/resource/dep-no/chat/completions?api-version=2024-10-21', { messages: MESSAGES }],
    'account and gateway, Bedrock': ['/v1/acct/gw/aws-bedrock/bedrock-runtime/us-east-1/model/no.model/converse', CONVERSE],
    'steps, all': ['/v1/acct/gw', [step('openai', 'chat/completions', { model: 'gpt-no', messages: MESSAGES })]],
    'steps, by path': ['/v1/acct/gw', [step('studio', 'v1beta/models/gemini-no:generateContent', { ...CONTENTS, model: 'gemini-ok' })]],
  };
  for (const [name, [path, body, headers]] of Object.entries(FORBIDDEN)) {
    test(`gets nothing else: ${name}`, async () => {
      const from = provider.calls.length;
      const r = await post(path, body, { 'x-weir-key': BOUND, authorization: undefined, ...headers });
      const text = await r.text();
      assert.ok([400, 403, 404].includes(r.status), `${r.status} ${text}`);
      assert.equal(provider.calls.length, from, `reached ${provider.calls.at(-1)?.url} ${provider.calls.at(-1)?.body}`);
    });
  }
  test('of several steps only its own are tried', async () => {
    const from = provider.calls.length;
    const r = await post('/v1/acct/gw', [step('openai', 'chat/completions', { model: 'gpt-no', messages: MESSAGES }), step('openai', 'chat/completions', { model: 'gpt-ok', messages: MESSAGES })], { 'x-weir-key': BOUND, authorization: undefined });
    assert.ok([200, 403].includes(r.status));
    assert.ok(provider.calls.slice(from).every((c) => c.json.model === 'gpt-ok'));
  });
  test('a key bound to a provider', async () => {
    const as = (model, headers) => chat(model, { authorization: `Bearer ${PROVIDERS}`, ...headers });
    assert.equal((await as('openai/x')).status, 200);
    assert.equal((await as('smart')).status, 200, 'an alias leads where its owner put it');
    for (const r of [await as('@second/x'), await as('x', { 'x-weir-provider': 'second' }), await post('/second/chat/completions', { model: 'x', messages: MESSAGES }, { authorization: `Bearer ${PROVIDERS}` }),
      await post('/v1/acct/gw', [step('second', 'chat/completions', { model: 'x', messages: MESSAGES })], { authorization: `Bearer ${PROVIDERS}` })]) assert.ok([403, 404].includes(r.status), `${r.status}`);
    const from = provider.calls.length;
    await as('second/x'); // may be what the star of all stands for, never that provider
    assert.ok(provider.calls.slice(from).every((c) => c.url.startsWith('/gemini/')));
  });
});

describe('a key in a SigV4 signature', () => {
  // An address of this machine that is not loopback; where it has none, one is made.
  function address() {
    const found = Object.values(networkInterfaces()).flat().find((a) => a.family === 'IPv4' && !a.internal);
    if (found) return found.address;
    execFileSync('ip', ['link', 'add', 'weir-test0', 'type', 'dummy']);
    atLatestAtExit(() => execFileSync('ip', ['link', 'delete', 'weir-test0']));
    execFileSync('ip', ['addr', 'add', '198.18.77.1/32', 'dev', 'weir-test0']);
    execFileSync('ip', ['link', 'set', 'weir-test0', 'up']);
    return '198.18.77.1';
  }
  test('is taken from this machine, refused from elsewhere', async () => {
    const port = await freePorts();
    const open = await startStandalone(`
version: 1
providers: [{name: openai, kind: openai, base_url: "${provider.url}/openai/v1", api_key: up}]
models: [{name: fast, targets: [{provider: openai, model: gpt-fast}]}]
keys: [{name: all, secret: ${ALL}}]
`, { name: 'outside', workers: 1, args: ['--listen', `0.0.0.0:${port}`] });
    const client = (host, extra) => new BedrockRuntimeClient({ endpoint: `http://${host}:${port}`, region: 'us-east-1', credentials: { accessKeyId: ALL, secretAccessKey: 'anything' }, maxAttempts: 1, ...extra });
    const send = async (c) => {
      try {
        return await c.send(new ConverseCommand({ modelId: 'fast', messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }));
      } finally {
        c.destroy();
      }
    };
    try {
      const host = address(), from = provider.calls.length;
      assert.equal((await send(client('127.0.0.1'))).output.message.content[0].text, 'Hello there!');
      await assert.rejects(send(client(host)), (e) => {
        assert.ok(['UnrecognizedClientException', 'AccessDeniedException'].includes(e.name), e.name);
        assert.match(e.message, /TLS|loopback/);
        return true;
      });
      assert.equal((await send(client(host, { token: { token: ALL }, authSchemePreference: ['httpBearerAuth'] }))).output.message.content[0].text, 'Hello there!');
      assert.equal(provider.calls.length, from + 2);
    } finally {
      await open.end();
    }
  });
});
