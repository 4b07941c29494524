// Providers of every kind as the admin API and the command line make them: their own settings beside base_url, secrets that are sealed and
// shown to nobody, and two data planes that use them within a second. The providers are strict about their keys, so an answer is the proof.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import YAML from 'yaml';
import { DIALECTS, fakeDialects } from './harness/fake_dialects.mjs';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, root, temporaryFolder, until } from './harness/process.mjs';
import { checkSigV4 } from './harness/sigv4.mjs';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });
const KEY_LINE = privateKey.split('\n')[3];
const PLAIN = { text: 'Hello there!', calls: [], think: false, refuse: false };
const AWS = { accessKey: 'AKIDUP', secretKey: 'secretup', region: 'us-east-1', service: 'bedrock' };
// Everything that nobody may be shown.
const SECRETS = ['up-key', 'up-token', 'secretup', KEY_LINE, 'custom-secret-1', 'session/token+1', 'entra-secret-1', 'entra-bought', 'query/key+2'];
const HI = [{ role: 'user', content: 'Hi' }];

let admin, control, database, dialects, entra, google, home, key, plain, proxies;

// `plain` takes any path and any key, and answers in the path's dialect; what it was sent is in its calls.
function answer(call, res) {
  const path = call.url.split('?')[0];
  res.writeHead(200, { 'content-type': 'application/json' });
  if (call.method === 'GET') return res.end(JSON.stringify({ object: 'list', data: [{ id: 'm-1', object: 'model' }, { id: 'm-2', object: 'model' }] }));
  const d = /\/messages$/.test(path) ? DIALECTS.messages : /\/converse$/.test(path) ? DIALECTS.converse : DIALECTS.chat;
  return res.end(JSON.stringify(d.whole(PLAIN, call.json ?? {}, call.url)));
}
const token = (value) => (call, res) => {
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ access_token: value, expires_in: 3600, token_type: 'Bearer' }));
};

before(async () => {
  home = temporaryFolder('home');
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database, { args: ['--log-level', 'debug'] });
  control.token = admin.admin_token;
  const proxy = (name) => startProxy(control, { name, workers: 1, args: ['--log-level', 'debug'] });
  proxies = [await proxy('proxy-1'), await proxy('proxy-2')];
  dialects = await fakeDialects();
  plain = await fakeProvider(answer);
  google = await fakeProvider(token('up-token'));
  entra = await fakeProvider(token('entra-bought'));
  key = await control.must('POST', '/keys', { name: 'all' });
  for (const p of proxies) await until('the key works', async () => (await fetch(`${p.url}/v1/models`, { headers: { authorization: `Bearer ${key.secret}` } })).status === 200);
});

after(async () => {
  for (const p of proxies ?? []) await p.end();
  await control?.end();
  for (const f of [dialects, plain, google, entra]) await f?.close();
  await database?.drop();
  home?.remove();
});

// Asks both proxies until they answer so; the change was answered just now, so they have a second.
async function served(model, { text = 'Hello there!', within = 1000 } = {}) {
  const from = Date.now();
  for (const proxy of proxies) {
    const got = await until(`${model} is served`, async () => {
      const r = await proxy.chat(key.secret, { model, messages: HI });
      const body = await r.text();
      if (r.status !== 200) throw new Error(`${r.status} ${body}`);
      return JSON.parse(body);
    }, 5000);
    assert.equal(got.choices[0].message.content, text);
  }
  assert.ok(Date.now() - from < within, `took ${Date.now() - from} ms`);
}

function shut(text, where) {
  for (const s of SECRETS) assert.ok(!text.includes(s), `${where} tells ${s.slice(0, 6)}…`);
}

async function refused(method, path, body, param, words) {
  const r = await control.call(method, path, body, { 'if-match': '*' });
  assert.equal(r.status, 400, `${JSON.stringify(body)}: ${r.status} ${r.text}`);
  assert.equal(r.json.error.param, param, r.text);
  if (words) assert.match(r.json.error.message, words);
  shut(r.text, 'a refusal');
}

// Runs `weir` to its end.
function weir(args, { input = '', env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(build, 'weir'), args, {
      cwd: root,
      env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: home.folder, WEIR_URL: control.url, WEIR_TOKEN: admin.admin_token, ASAN_OPTIONS: 'detect_leaks=1:exitcode=99', ...env },
    });
    let out = '', err = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (err += d));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => {
      if (/Sanitizer|runtime error:/.test(err)) return reject(new Error(`weir ${args.join(' ')}\n${err}`));
      return resolve({ code, out, err });
    });
  });
}
async function must(args, options) {
  const r = await weir(args, options);
  assert.equal(r.code, 0, `weir ${args.join(' ')}: ${r.err}${r.out}`);
  return r.out;
}

const account = () => ({ type: 'service_account', project_id: 'p1', private_key_id: 'key-1', private_key: privateKey, client_email: 'weir@p1.test', token_uri: `${google.url}/token` });
const calls = (from, prefix) => plain.calls.slice(from).filter((c) => c.url.startsWith(prefix));

// name → body of POST /providers, the model that it is asked for, settings and names of secrets that are shown of it
const made = {};
const KINDS = {
  openai: [() => ({ kind: 'openai', base_url: `${dialects.url}/openai/v1`, api_key: 'up-key', organization: 'org-1' }), 'model-1', { organization: 'org-1' }, ['api_key']],
  anthropic: [() => ({ kind: 'anthropic', base_url: `${dialects.url}/anthropic`, api_key: 'up-key' }), 'claude-model-1', {}, ['api_key']],
  gemini: [() => ({ kind: 'gemini', base_url: `${dialects.url}/gemini`, api_key: 'up-key' }), 'gemini-model-1', {}, ['api_key']],
  'vertex-token': [() => ({ kind: 'vertex', base_url: `${dialects.url}/vertex`, project: 'p1', location: 'us-central1', access_token: 'up-token' }), 'gemini-model-1', { project: 'p1', location: 'us-central1' }, ['access_token']],
  'vertex-account': [() => ({ kind: 'vertex', base_url: `${dialects.url}/vertex`, project: 'p1', service_account: account() }), 'claude-model-1', { project: 'p1' }, ['service_account']],
  'vertex-account-text': [() => ({ kind: 'vertex', base_url: `${dialects.url}/vertex`, project: 'p1', service_account: JSON.stringify(account(), null, 2) }), 'gemini-model-1', { project: 'p1' }, ['service_account']],
  bedrock: [() => ({ kind: 'bedrock', base_url: `${dialects.url}/bedrock`, region: 'us-east-1', aws_access_key_id: 'AKIDUP', aws_secret_access_key: 'secretup' }), 'anthropic.claude-model-1-v1:0', { region: 'us-east-1', aws_access_key_id: 'AKIDUP' }, ['aws_secret_access_key']],
  'bedrock-session': [() => ({ kind: 'bedrock', base_url: `${dialects.url}/bedrock`, region: 'us-east-1', aws_access_key_id: 'AKIDUP', aws_secret_access_key: 'secretup', aws_session_token: 'session/token+1' }), 'amazon.nova-pro-v1:0', { region: 'us-east-1', aws_access_key_id: 'AKIDUP' }, ['aws_secret_access_key', 'aws_session_token']],
  azure: [() => ({ kind: 'azure-openai', base_url: `${dialects.url}/azure`, api_key: 'up-key', api_version: '2024-10-21' }), 'model-1', { api_version: '2024-10-21' }, ['api_key']],
  'azure-entra': [() => ({ kind: 'azure-openai', base_url: `${plain.url}/entra`, tenant_id: 't-1', client_id: 'app-1', client_secret: 'entra-secret-1', authority: entra.url }), 'model-1', { tenant_id: 't-1', client_id: 'app-1' }, ['client_secret']],
  cohere: [() => ({ kind: 'cohere', base_url: `${dialects.url}/cohere`, api_key: 'up-key' }), 'command-model-1', {}, ['api_key']],
  ollama: [() => ({ kind: 'ollama', base_url: `${dialects.url}/ollama` }), 'llama-model-1', {}, []],
  house: [() => ({
    kind: 'custom', base_url: `${plain.url}/house`, api_key: 'custom-secret-1', dialect: 'chat', auth: 'header:X-House-Key', headers: { 'X-Team': 'blue team' },
    rename_params: { max_tokens: 'max_new_tokens' }, drop_params: ['logit_bias'],
  }), 'model-1', { dialect: 'chat', auth: 'header:X-House-Key', headers: { 'X-Team': 'blue team' }, rename_params: { max_tokens: 'max_new_tokens' }, drop_params: ['logit_bias'] }, ['api_key']],
  'house-messages': [() => ({ kind: 'custom', base_url: `${plain.url}/house-messages`, api_key: 'query/key+2', dialect: 'messages', auth: 'query:key' }), 'model-1', { dialect: 'messages', auth: 'query:key' }, ['api_key']],
};

describe('a provider of each kind', () => {
  for (const [name, [body, model, settings, secrets]] of Object.entries(KINDS)) {
    test(`${name} is made, shown without its secrets, and served by both data planes within a second`, async () => {
      const r = await control.call('POST', '/providers', { name, ...body() });
      const answered = Date.now();
      assert.equal(r.status, 201, r.text);
      shut(r.text, 'the answer of POST');
      const p = (made[name] = r.json);
      assert.deepEqual([...p.secrets].sort(), [...secrets].sort());
      for (const [k, v] of Object.entries(settings)) assert.deepEqual(p[k], v, k);
      await served(`${name}/${model}`, { within: 1000 + Date.now() - answered });
      assert.deepEqual(dialects.faults, []);
      const got = await control.must('GET', `/providers/${p.id}`);
      assert.deepEqual(got, p);
    });
  }

  test('what a custom provider is sent is what its settings say', async () => {
    const from = plain.calls.length;
    const r = await proxies[0].chat(key.secret, { model: 'house/model-1', messages: HI, max_tokens: 7, logit_bias: { 1: 1 } });
    assert.equal(r.status, 200, await r.text());
    const [call] = calls(from, '/house/');
    assert.equal(call.headers['x-house-key'], 'custom-secret-1');
    assert.equal(call.headers.authorization, undefined);
    assert.equal(call.headers['x-team'], 'blue team');
    assert.equal(call.json.max_new_tokens, 7);
    assert.ok(!('max_tokens' in call.json) && !('logit_bias' in call.json), call.body);
    await proxies[1].chat(key.secret, { model: 'house-messages/model-1', messages: HI });
    const [second] = calls(from, '/house-messages/');
    assert.match(second.url, /\/messages\?key=query%2Fkey%2B2$/);
    assert.ok(Number.isInteger(second.json.max_tokens));
  });

  test('the official SDKs reach them', async () => {
    const [{ url }] = proxies, apiKey = key.secret;
    const openai = await new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 }).chat.completions.create({ model: 'bedrock/anthropic.claude-model-1-v1:0', messages: HI });
    assert.equal(openai.choices[0].message.content, 'Hello there!');
    const anthropic = await new Anthropic({ baseURL: url, apiKey, maxRetries: 0 }).messages.create({ model: 'vertex-account/claude-model-1', max_tokens: 100, messages: HI });
    assert.equal(anthropic.content[0].text, 'Hello there!');
    const gemini = await new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } }).models.generateContent({ model: 'cohere/command-model-1', contents: 'Hi' });
    assert.equal(gemini.text, 'Hello there!');
    const aws = new BedrockRuntimeClient({ endpoint: url, region: 'us-east-1', credentials: { accessKeyId: apiKey, secretAccessKey: 'any' }, maxAttempts: 1 });
    const converse = await aws.send(new ConverseCommand({ modelId: 'azure/model-1', messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }));
    assert.equal(converse.output.message.content[0].text, 'Hello there!');
    aws.destroy();
    assert.deepEqual(dialects.faults, []);
  });

  test('an alias of the table is taken for its row', async () => {
    const p = await control.must('POST', '/providers', { name: 'by-alias', kind: 'aws-bedrock', region: 'us-east-1', aws_access_key_id: 'AKIDUP', aws_secret_access_key: 'secretup' });
    assert.equal(p.kind, 'bedrock');
  });
});

describe('a change of one field', () => {
  const patch = (p, body) => control.must('PATCH', `/providers/${p.id}`, body, { 'if-match': '*' });

  test('keeps the other settings and the stored secrets', async () => {
    const p = await patch(made.bedrock, { timeout_ms: 4000 });
    assert.equal(p.timeout_ms, 4000);
    assert.equal(p.region, 'us-east-1');
    assert.equal(p.aws_access_key_id, 'AKIDUP');
    assert.deepEqual(p.secrets, ['aws_secret_access_key']);
    assert.equal(p.api_key_mask, made.bedrock.api_key_mask);
    await served('bedrock/anthropic.claude-model-1-v1:0');
    const headers = await patch(made.house, { headers: { 'X-Team': 'red team' } });
    assert.deepEqual(headers.rename_params, { max_tokens: 'max_new_tokens' });
    assert.deepEqual(headers.headers, { 'X-Team': 'red team' });
    const gone = await patch(made.house, { headers: null });
    assert.equal(gone.headers, undefined);
    assert.equal(gone.auth, 'header:X-House-Key');
    await served('house/model-1');
    assert.equal(plain.calls.at(-1).headers['x-house-key'], 'custom-secret-1');
  });

  test('of one secret keeps the others, and null takes one away', async () => {
    const both = await patch(made['bedrock-session'], { aws_session_token: 'session/token+1-newer' });
    assert.deepEqual([...both.secrets].sort(), ['aws_secret_access_key', 'aws_session_token']);
    await until('the newer one is sent', async () => {
      await proxies[0].chat(key.secret, { model: 'bedrock-session/amazon.nova-pro-v1:0', messages: HI });
      return dialects.calls.at(-1).headers['x-amz-security-token'] === 'session/token+1-newer';
    }, 5000);
    const one = await patch(made['bedrock-session'], { aws_session_token: null });
    assert.deepEqual(one.secrets, ['aws_secret_access_key']);
    await until('none is sent', async () => {
      await proxies[0].chat(key.secret, { model: 'bedrock-session/amazon.nova-pro-v1:0', messages: HI });
      return dialects.calls.at(-1).headers['x-amz-security-token'] === undefined;
    }, 5000);
    assert.deepEqual(dialects.faults, []);
  });

  test('to another server takes no secret along', async () => {
    const path = `/providers/${made.cohere.id}`;
    await refused('PATCH', path, { base_url: `${plain.url}/cohere` }, 'api_key', /given again/);
    assert.equal((await control.must('GET', path)).base_url, `${dialects.url}/cohere`);
    const moved = await patch(made.cohere, { base_url: `${plain.url}/cohere`, api_key: null });
    assert.deepEqual(moved.secrets, []);
    assert.equal(moved.api_key_mask, '');
    await until('it is asked without a key', async () => {
      const from = plain.calls.length;
      await (await proxies[0].chat(key.secret, { model: 'cohere/command-model-1', messages: HI })).text();
      return calls(from, '/cohere/')[0]?.headers.authorization === undefined && calls(from, '/cohere/').length === 1;
    }, 5000);
    await patch(made.cohere, { base_url: `${dialects.url}/cohere`, api_key: 'up-key' });
    await served('cohere/command-model-1');
    // an authority is where a secret goes, too; and so is what a region stands for in the kind's own base URL
    await refused('PATCH', `/providers/${made['azure-entra'].id}`, { authority: plain.url }, 'api_key', /given again/);
    const there = await control.must('POST', '/providers', { name: 'no-url', kind: 'bedrock', region: 'us-east-1', api_key: 'up-key' });
    await refused('PATCH', `/providers/${there.id}`, { region: 'eu-west-1' }, 'api_key', /given again/);
    await control.must('DELETE', `/providers/${there.id}`, undefined, { 'if-match': '*' });
  });

  test('of the kind starts from nothing but what is given', async () => {
    const path = `/providers/${made.anthropic.id}`;
    await refused('PATCH', path, { kind: 'bedrock' }, 'api_key', /given again/);
    await refused('PATCH', path, { kind: 'bedrock', base_url: '', api_key: null }, 'region', /required/);
    const p = await patch(made.anthropic, { kind: 'bedrock', base_url: `${dialects.url}/bedrock`, region: 'us-east-1', aws_access_key_id: 'AKIDUP', aws_secret_access_key: 'secretup' });
    assert.deepEqual([p.kind, p.region, p.secrets], ['bedrock', 'us-east-1', ['aws_secret_access_key']]);
    await served('anthropic/amazon.nova-pro-v1:0');
    const back = await patch(made.anthropic, { kind: 'anthropic', base_url: `${dialects.url}/anthropic`, api_key: 'up-key' });
    assert.deepEqual([back.kind, back.region, back.aws_access_key_id, back.secrets], ['anthropic', undefined, undefined, ['api_key']]);
    await served('anthropic/claude-model-1');
  });
});

describe('what is wrong is refused with its name', () => {
  const bad = [
    ['an unknown kind', { kind: 'nonsense' }, 'kind'],
    ['a setting of another kind', { kind: 'openai', region: 'us-east-1' }, 'region', /no setting of kind "openai"/],
    ['a secret of another kind', { kind: 'openai', client_secret: 'x' }, 'client_secret'],
    ['an unknown member', { kind: 'openai', apikey: 'x' }, 'apikey'],
    ['no region', { kind: 'bedrock', aws_access_key_id: 'A', aws_secret_access_key: 'secretup' }, 'region', /required/],
    ['no project', { kind: 'vertex', access_token: 'up-token' }, 'project', /required/],
    ['no base URL', { kind: 'azure-openai', api_key: 'up-key' }, 'base_url', /required/],
    ['a base URL without a host', { kind: 'openai', base_url: 'https://' }, 'base_url'],
    ['a base URL of another scheme', { kind: 'openai', base_url: 'ftp://host/x' }, 'base_url'],
    ['a base URL with a user', { kind: 'openai', base_url: 'https://user:up-key@host/' }, 'base_url'],
    ['a base URL with CR LF', { kind: 'openai', base_url: 'https://host/\r\nX: y' }, 'base_url'],
    ['a base URL that is no text', { kind: 'openai', base_url: 7 }, 'base_url'],
    ['an API key with LF', { kind: 'openai', api_key: 'up-key\nX: y' }, 'api_key'],
    ['an API key by reference', { kind: 'openai', api_key: 'env:HOME' }, 'api_key'],
    ['a region with CR LF', { kind: 'bedrock', region: 'us-east-1\r\nX: y', api_key: 'up-key' }, 'region'],
    ['a region that is no text', { kind: 'bedrock', region: ['us-east-1'], api_key: 'up-key' }, 'region'],
    ['headers that are no object', { kind: 'openai', headers: ['x'] }, 'headers'],
    ['a header with CR LF', { kind: 'openai', headers: { 'x-a': 'b\r\nx-c: d' } }, 'headers.x-a', /control/],
    ['a header with DEL', { kind: 'openai', headers: { 'x-a': 'b\u007f' } }, 'headers.x-a'],
    ['a header name with CR LF', { kind: 'openai', headers: { 'x-a: b\r\nx-c': 'd' } }, 'headers', /name/],
    ['an empty header name', { kind: 'openai', headers: { '': 'd' } }, 'headers', /name/],
    ['a header that frames the message', { kind: 'openai', headers: { 'Content-Length': '5' } }, 'headers.Content-Length', /Weir/],
    ['a header that hides the host', { kind: 'openai', headers: { host: 'elsewhere' } }, 'headers.host', /Weir/],
    ['a header by reference', { kind: 'openai', headers: { 'x-a': 'env:HOME' } }, 'headers.x-a'],
    ['a header among the settings', { kind: 'openai', settings: { headers: { 'x-a': 'b\nc' } } }, 'settings.headers.x-a', /control/],
    ['a setting of another kind among the settings', { kind: 'openai', settings: { region: 'x' } }, 'settings.region'],
    ['a header that is no text', { kind: 'openai', headers: { 'x-a': 5 } }, 'headers.x-a'],
    ['a renaming to nothing', { kind: 'openai', rename_params: { max_tokens: '' } }, 'rename_params.max_tokens'],
    ['dropped parameters that are no list', { kind: 'openai', drop_params: 'n' }, 'drop_params'],
    ['a dropped parameter that is no text', { kind: 'openai', drop_params: ['n', 5] }, 'drop_params[1]'],
    ['an unknown dialect', { kind: 'custom', base_url: 'http://h', dialect: 'klingon' }, 'dialect'],
    ['an unknown way to sign', { kind: 'custom', base_url: 'http://h', auth: 'magic' }, 'auth'],
    ['a header of no name to sign with', { kind: 'custom', base_url: 'http://h', auth: 'header:a b' }, 'auth'],
    ['a service account that is a path', { kind: 'vertex', project: 'p', service_account: '/etc/key.json' }, 'service_account'],
    ['a secret among the settings', { kind: 'bedrock', region: 'us-east-1', settings: { aws_secret_access_key: 'secretup' } }, 'settings.aws_secret_access_key', /secret/],
    ['a name that paths use', { kind: 'openai', name: 'v1' }, 'name'],
  ];
  for (const [what, body, param, words] of bad) test(what, () => refused('POST', '/providers', { name: 'wrong', ...body }, param, words));

  test('the same in a PATCH, and nothing is changed by it', async () => {
    const before = await control.must('GET', `/providers/${made.bedrock.id}`);
    await refused('PATCH', `/providers/${made.bedrock.id}`, { region: null, base_url: '', api_key: null }, 'region', /required/);
    await refused('PATCH', `/providers/${made.bedrock.id}`, { location: 'x' }, 'location');
    await refused('PATCH', `/providers/${made.bedrock.id}`, { headers: { 'x-a': 'b\nc' } }, 'headers.x-a');
    assert.deepEqual(await control.must('GET', `/providers/${made.bedrock.id}`), before);
  });
});

describe('aliases', () => {
  test('a wildcard and an endpoint by the admin API', async () => {
    const all = await control.must('POST', '/models', { name: 'house/*', targets: [{ provider: 'bedrock', model: 'anthropic.*-v1:0' }] }).catch((e) => e);
    assert.ok(!(all instanceof Error), all.message);
    const own = await control.must('POST', '/models', { name: 'fast-*', targets: [{ provider: 'openai', model: '*', endpoint: 'responses' }] });
    assert.equal(own.targets[0].endpoint, 'responses');
    await served('fast-model-1');
    assert.equal(dialects.calls.at(-1).dialect, 'responses');
    assert.equal(dialects.calls.at(-1).json.model, 'model-1');
    await refused('POST', '/models', { name: 'bad-endpoint', targets: [{ provider: 'openai', model: 'm', endpoint: 'klingon' }] }, 'targets[0].endpoint');
    await refused('POST', '/models', { name: 'a*b', targets: [{ provider: 'openai', model: 'm' }] }, 'name');
    await refused('POST', '/models', { name: 'plain', targets: [{ provider: 'openai', model: '*' }] }, 'targets[0].model');
    const patched = await control.must('PATCH', `/models/${own.id}`, { targets: [{ provider: 'openai', model: '*', endpoint: 'chat' }] }, { 'if-match': '*' });
    assert.equal(patched.targets[0].endpoint, 'chat');
    await until('the other endpoint is spoken', async () => {
      await (await proxies[0].chat(key.secret, { model: 'fast-model-1', messages: HI })).text();
      return dialects.calls.at(-1).dialect === 'chat';
    }, 5000);
  });

  test('by a file: what docs/examples/apply.yaml shows is applied, exported and applied again to nothing', async () => {
    const file = join(home.folder, 'apply.yaml');
    const text = readFileSync(join(root, 'docs/examples/apply.yaml'), 'utf8');
    const from = YAML.parse(text);
    assert.ok(from.providers.some((p) => p.kind !== 'openai'), 'the example shows another kind');
    writeFileSync(file, `version: 1
providers:
  - {name: f-aws, kind: bedrock, base_url: "${dialects.url}/bedrock", region: us-east-1, aws_access_key_id: AKIDUP, aws_secret_access_key: "env:F_SECRET"}
  - {name: f-vertex, kind: vertex, base_url: "${dialects.url}/vertex", project: p1, service_account: "file:${join(home.folder, 'account.json')}"}
  - {name: f-own, kind: custom, base_url: "${plain.url}/f-own", api_key: "env:F_KEY", auth: "header:X-Own", headers: {X-Team: green}, rename_params: {max_tokens: n_tokens}, drop_params: [seed]}
models:
  - {name: "f/*", targets: [{provider: f-aws, model: "anthropic.*"}]}
  - {name: f-chat, targets: [{provider: f-own, model: m, endpoint: chat}]}
`);
    writeFileSync(join(home.folder, 'account.json'), JSON.stringify(account()), { mode: 0o600 });
    const env = { F_SECRET: 'secretup', F_KEY: 'custom-secret-1' };
    shut(await must(['apply', '-f', file], { env }), 'weir apply');
    await served('f/claude-model-1');
    await served('f-vertex/gemini-model-1');
    await served('f-chat');
    assert.equal(plain.calls.at(-1).headers['x-own'], 'custom-secret-1');
    assert.match(await must(['apply', '-f', file, '--json'], { env }), /"unchanged":\["f-aws","f-vertex","f-own"\]/);
    const exported = await must(['export']);
    shut(exported, 'weir export');
    const doc = YAML.parse(exported);
    const row = (list, name) => list.find((x) => x.name === name);
    assert.deepEqual(row(doc.providers, 'f-aws'), { name: 'f-aws', kind: 'bedrock', base_url: `${dialects.url}/bedrock`, region: 'us-east-1', aws_access_key_id: 'AKIDUP' });
    assert.deepEqual(row(doc.providers, 'f-own'), { name: 'f-own', kind: 'custom', base_url: `${plain.url}/f-own`, auth: 'header:X-Own', headers: { 'X-Team': 'green' }, rename_params: { max_tokens: 'n_tokens' }, drop_params: ['seed'] });
    assert.deepEqual(row(doc.models, 'f-chat').targets, [{ provider: 'f-own', model: 'm', endpoint: 'chat' }]);
    assert.deepEqual(row(doc.models, 'f/*').targets, [{ provider: 'f-aws', model: 'anthropic.*' }]);
    const again = JSON.parse(await must(['apply', '-f', '-', '--json'], { input: exported }));
    for (const section of ['providers', 'models']) assert.deepEqual([again[section].created, again[section].deleted], [[], []], section);
    await served('f/claude-model-1'); // with the secrets that were not in it
    await must(['apply', '-f', 'docs/examples/apply.yaml', '--dry-run'], { env: { OPENAI_API_KEY: 'up-key' } });
  });

  test('what is wrong in a file is told with its place', async () => {
    const r = await weir(['apply', '-f', '-'], { input: 'version: 1\nproviders:\n  - name: x\n    kind: openai\n    region: y\n' });
    assert.equal(r.code, 1);
    assert.match(r.err, /:5:\d+: .*region/);
    const h = await weir(['apply', '-f', '-'], { input: 'version: 1\nproviders:\n  - name: x\n    kind: openai\n    headers: {x-a: "b\\r\\nc"}\n' });
    assert.equal(h.code, 1);
    assert.match(h.err, /:5:\d+: .*headers/);
  });
});

describe('the command line', () => {
  test('weir provider add --set gives a kind what it needs', async () => {
    const out = await must(['provider', 'add', 'cli-aws', '--kind', 'bedrock', '--base-url', `${dialects.url}/bedrock`, '--set', 'region=us-east-1,aws_access_key_id=AKIDUP,aws_secret_access_key=env:CLI_SECRET'], { env: { CLI_SECRET: 'secretup' } });
    shut(out, 'weir provider add');
    await served('cli-aws/amazon.nova-pro-v1:0');
    shut(await must(['provider', 'list']), 'weir provider list');
    shut(await must(['provider', 'list', '--json']), 'weir provider list --json');
    const clear = await weir(['provider', 'add', 'cli-2', '--kind', 'bedrock', '--set', 'region=x,aws_secret_access_key=secretup']);
    assert.equal(clear.code, 1);
    shut(clear.err, 'the refusal of a secret in clear');
    const missing = await weir(['provider', 'add', 'cli-2', '--kind', 'bedrock', '--set', 'aws_access_key_id=A']);
    assert.equal(missing.code, 1);
    assert.match(missing.err, /region/);
    assert.match((await weir(['provider', 'add', 'cli-2', '--kind', 'openai', '--set', 'nonsense=1'])).err, /nonsense/);
  });

  const proofs = {
    bearer: [{ kind: 'openai', api_key: 'up-key' }, (c) => assert.equal(c.headers.authorization, 'Bearer up-key')],
    header: [{ kind: 'custom', auth: 'header:X-Own', api_key: 'custom-secret-1' }, (c) => assert.equal(c.headers['x-own'], 'custom-secret-1')],
    query: [{ kind: 'custom', auth: 'query:apikey', api_key: 'query/key+2' }, (c) => assert.match(c.url, /\?apikey=query%2Fkey%2B2$/)],
    none: [{ kind: 'custom', auth: 'none' }, (c) => assert.equal(c.headers.authorization, undefined)],
    sigv4: [{ kind: 'bedrock', region: 'us-east-1', aws_access_key_id: 'AKIDUP', aws_secret_access_key: 'secretup' }, (c) => checkSigV4(c, AWS)],
    'google-given': [{ kind: 'vertex', project: 'p1', access_token: 'up-token' }, (c) => assert.equal(c.headers.authorization, 'Bearer up-token')],
    'azure-key': [{ kind: 'azure-openai', api_key: 'up-key' }, (c) => assert.equal(c.headers['api-key'], 'up-key')],
  };
  for (const [name, [body, proof]] of Object.entries(proofs)) {
    test(`weir provider test signs by ${name}`, async () => {
      await control.must('POST', '/providers', { name: `test-${name}`, base_url: `${plain.url}/test-${name}`, ...body });
      const from = plain.calls.length;
      const out = await until('a data plane knows it', async () => {
        const r = await weir(['provider', 'test', `test-${name}`]);
        if (r.code !== 0) throw new Error(r.err + r.out);
        return r.out;
      }, 5000);
      assert.match(out, /answered data plane proxy-\S+ in \d+ ms \(2 models\)/);
      const [call] = calls(from, `/test-${name}/`);
      assert.equal(call.method, 'GET');
      proof(call);
    });
  }
});

// docs/providers.md is the table as the control plane tells it. WEIR_WRITE_DOCS=1 writes it anew.
describe('docs/providers.md', () => {
  const file = join(root, 'docs/providers.md');
  const code = (list) => list.map((word) => `\`${word}\``).join(' ');
  const line = (k) => {
    const needs = [...(k.needs_base_url ? ['base_url'] : []), ...k.settings.filter((s) => s.required).map((s) => s.name)];
    const takes = k.settings.map((s) => s.name).filter((name) => !needs.includes(name) && !['headers', 'rename_params', 'drop_params'].includes(name));
    return `| \`${k.kind}\` | [${k.title}](${k.docs}) | ${k.base_url ? `\`${k.base_url}\`` : ''} | ${k.auth} | ${code(k.endpoints)} | ${code(needs)} | ${code(takes)} | ${k.aliases.join(' ')} |`;
  };
  test('tells of every kind what the program knows', async () => {
    const kinds = (await control.must('GET', '/provider-kinds')).data;
    assert.ok(kinds.length >= 90, `${kinds.length} kinds`);
    const text = readFileSync(file, 'utf8'), mark = '<!-- the table -->\n';
    const head = text.slice(0, text.indexOf(mark) + mark.length);
    const whole = `${head}\n| kind | title | base URL | auth | endpoints | needs | may take | also known as |\n|---|---|---|---|---|---|---|---|\n${kinds.map(line).join('\n')}\n`;
    if (process.env.WEIR_WRITE_DOCS) writeFileSync(file, whole);
    else assert.deepEqual(text.split('\n'), whole.split('\n'));
  });
  test('and docs/configuration.md names every setting', async () => {
    const text = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
    for (const k of (await control.must('GET', '/provider-kinds')).data) for (const s of k.settings) assert.ok(text.includes(`\`${s.name}\``), s.name);
  });
});

test('nothing told a secret: no GET, no export, no audit, no log', async () => {
  for (const path of ['/providers?limit=200', '/models?limit=200', '/export', '/audit?limit=200', '/status', '/data-planes', '/events?limit=100', ...Object.values(made).map((p) => `/providers/${p.id}`)]) {
    const r = await control.call('GET', path);
    assert.equal(r.status, 200, path);
    shut(r.text, `GET ${path}`);
  }
  shut(JSON.stringify(await database.query('select before, after from audit_log').catch(() => database.query('select * from audit'))), 'the audit table');
  shut(JSON.stringify(await database.query('select * from providers')), 'the table of providers');
  for (const p of [control, ...proxies]) shut(p.program.log(), `the log of ${p.program.name}`);
});
