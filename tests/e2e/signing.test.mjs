// What a provider of each kind is shown as proof of who calls: the key in the place where its API looks for it, a SigV4 signature that
// the service would find right, an access token that was bought with a service account or an application's secret. And that nothing
// secret is told to anybody else: not to another provider, not to the client, not to the log.
import assert from 'node:assert/strict';
import { createVerify, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import { eventOf } from './harness/events.mjs';
import { DIALECTS } from './harness/fake_dialects.mjs';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { until } from './harness/process.mjs';
import { checkSigV4 } from './harness/sigv4.mjs';

const KEY = 'signing-virtual-key';
const PLAIN = { text: 'Hello there!', calls: [], think: false, refuse: false };
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });
const KEY_LINE = privateKey.split('\n')[3];
const STATIC = { accessKey: 'AKIDSTATIC', secretKey: 'aws/secret+static', region: 'eu-west-1', service: 'bedrock' };
const SESSION = { accessKey: 'ASIASESSION', secretKey: 'aws/secret+session', sessionToken: 'FwoGZXIvYXdzEXAMPLE//token==', region: 'us-west-2', service: 'bedrock' };

// Everything that must never be told.
const SECRETS = ['sk-openai', 'sk-anthropic', 'goog-key', 'azure-key', 'cohere-key', 'query/key+1', 'header-key', 'bedrock-api-key', 'ya29.given', 'client-secret/1',
  STATIC.secretKey, SESSION.secretKey, SESSION.sessionToken, KEY_LINE, KEY, 'own-key-of-client', 'ya29.bought', 'entra-bought'];

let provider, google, entra, proxy;

// The endpoint's dialect, answered in its own form.
function answer(call, res) {
  const path = call.url.split('?')[0];
  const d = /\/messages$|rawPredict$/i.test(path) ? DIALECTS.messages : /generateContent$/i.test(path) ? DIALECTS.gemini : /\/converse$/.test(path) ? DIALECTS.converse
    : /\/v2\/chat$/.test(path) ? DIALECTS.cohere : /\/api\/chat$/.test(path) ? DIALECTS.ollama : DIALECTS.chat;
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify(d.whole(PLAIN, call.json ?? {}, call.url)));
}

const account = (email, extra = {}) => JSON.stringify({ type: 'service_account', project_id: 'p1', private_key_id: 'key-1', private_key: privateKey, client_email: email, token_uri: `${google.url}/token`, ...extra });
const yaml = (text) => JSON.stringify(text); // a JSON string is a YAML scalar

// The tokens' endpoints: by what the request says of itself, { email or application: (body parameters, res) }
const issuers = new Map();
const issue = (res, token, expires_in = 3600) => {
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ access_token: token, expires_in, token_type: 'Bearer' }));
};

function readAssertion(call) {
  assert.equal(call.method, 'POST');
  assert.equal(call.headers['content-type'], 'application/x-www-form-urlencoded');
  const form = new URLSearchParams(call.body);
  assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
  const [head, claims, signature] = form.get('assertion').split('.');
  assert.ok(createVerify('RSA-SHA256').update(`${head}.${claims}`).verify(publicKey, Buffer.from(signature, 'base64url')), 'the assertion\'s signature');
  const header = JSON.parse(Buffer.from(head, 'base64url')), c = JSON.parse(Buffer.from(claims, 'base64url'));
  assert.deepEqual([header.alg, header.typ, header.kid], ['RS256', 'JWT', 'key-1']);
  assert.equal(c.aud, `${google.url}/token`);
  assert.equal(c.scope, 'https://www.googleapis.com/auth/cloud-platform');
  assert.ok(Math.abs(c.iat - Date.now() / 1000) < 60 && c.exp > c.iat && c.exp - c.iat <= 3600, 'iat and exp');
  return c.iss;
}

before(async () => {
  provider = await fakeProvider(answer);
  google = await fakeProvider((call, res) => {
    let who;
    try {
      who = readAssertion(call);
    } catch (e) {
      google.fault = e;
      res.writeHead(400).end('{}');
      return;
    }
    issuers.get(who)(call, res);
  });
  entra = await fakeProvider((call, res) => issuers.get(new URLSearchParams(call.body).get('client_id'))(call, res));
  const url = provider.url;
  const vertex = (name) => `  - {name: ${name}, kind: vertex, base_url: "${url}/${name}", project: p1, location: europe-west4, service_account: ${yaml(account(`${name}@p1.test`))}}`;
  proxy = await startStandalone(`
version: 1
providers:
  - {name: bearer, kind: openai, base_url: "${url}/bearer/v1", api_key: sk-openai, organization: org-1}
  - {name: anthropic, kind: anthropic, base_url: "${url}/anthropic", api_key: sk-anthropic}
  - {name: gemini, kind: gemini, base_url: "${url}/gemini", api_key: goog-key}
  - {name: cohere, kind: cohere, base_url: "${url}/cohere", api_key: cohere-key}
  - {name: ollama, kind: ollama, base_url: "${url}/ollama"}
  - {name: azure-v1, kind: azure-openai, base_url: "${url}/azure-v1", api_key: azure-key}
  - {name: azure-latest, kind: azure-openai, base_url: "${url}/azure-latest", api_key: azure-key, api_version: latest}
  - {name: azure-dated, kind: azure-openai, base_url: "${url}/azure-dated", api_key: azure-key, api_version: "2024-10-21"}
  - {name: azure-preview, kind: azure-openai, base_url: "${url}/azure-preview", api_key: azure-key, api_version: "2025-04-01-preview"}
  - {name: azure-entra, kind: azure-openai, base_url: "${url}/azure-entra", tenant_id: tenant-1, client_id: app-1, client_secret: "client-secret/1", authority: "${entra.url}/"}
  - {name: entra-failing, kind: azure-openai, base_url: "${url}/entra-failing", tenant_id: tenant-1, client_id: app-2, client_secret: "client-secret/1", authority: "${entra.url}"}
  - {name: by-query, kind: custom, base_url: "${url}/by-query", api_key: "query/key+1", auth: "query:apikey"}
  - {name: by-header, kind: custom, base_url: "${url}/by-header", api_key: header-key, auth: "header:X-Own-Key", headers: {X-Team: "blue team", User-Agent: weir-test, "x-trace": "settings"}}
  - {name: keyless, kind: custom, base_url: "${url}/keyless", auth: none}
  - {name: unstored, kind: openai, base_url: "${url}/unstored"}
  - {name: unstored-anthropic, kind: anthropic, base_url: "${url}/unstored-anthropic"}
  - {name: segmind, kind: segmind, base_url: "${url}/segmind", api_key: header-key}
  - {name: bedrock, kind: bedrock, base_url: "${url}/aws", region: ${STATIC.region}, aws_access_key_id: ${STATIC.accessKey}, aws_secret_access_key: "${STATIC.secretKey}"}
  - {name: bedrock-session, kind: bedrock, base_url: "${url}", region: ${SESSION.region}, aws_access_key_id: ${SESSION.accessKey}, aws_secret_access_key: "${SESSION.secretKey}", aws_session_token: "${SESSION.sessionToken}"}
  - {name: bedrock-bearer, kind: bedrock, base_url: "${url}/bedrock-bearer", region: us-east-1, api_key: bedrock-api-key}
  - {name: sagemaker, kind: sagemaker, base_url: "${url}", region: ${STATIC.region}, aws_access_key_id: ${STATIC.accessKey}, aws_secret_access_key: "${STATIC.secretKey}"}
  - {name: vertex-given, kind: vertex, base_url: "${url}/vertex-given", project: p1, location: europe-west4, access_token: ya29.given}
${['vertex-many', 'vertex-short', 'vertex-failing', 'vertex-mute', 'vertex-odd'].map(vertex).join('\n')}
keys: [{name: k, secret: ${KEY}}]
`, { workers: 1, args: ['--log-level', 'debug'] });
});

after(async () => {
  await proxy?.end();
  await provider?.close();
  await google?.close();
  await entra?.close();
});

const ask = (model, headers) => proxy.chat(KEY, { model, messages: [{ role: 'user', content: 'Hi' }] }, headers);
async function answered(model, headers) {
  const from = provider.calls.length;
  const r = await ask(model, headers);
  const text = await r.text();
  assert.equal(r.status, 200, text);
  assert.equal(JSON.parse(text).choices[0].message.content, 'Hello there!');
  assert.equal(provider.calls.length, from + 1);
  return provider.calls.at(-1);
}
// No place but the named one holds a secret, and our own key is nowhere.
function onlyThere(call, ...places) {
  const shown = { ...call.headers };
  for (const p of places) delete shown[p];
  const rest = JSON.stringify(shown) + call.body + (places.includes('url') ? '' : call.url);
  for (const s of SECRETS) assert.ok(!rest.includes(s), `${s} stands in ${rest}`);
  assert.ok(!JSON.stringify(call.headers).includes(KEY) && !call.url.includes(KEY), 'the virtual key went to the provider');
}

describe('keys in their places', () => {
  const CASES = {
    'bearer, and the organization of the settings': ['bearer/m', (c) => [c.headers.authorization, c.headers['openai-organization']], ['Bearer sk-openai', 'org-1'], 'authorization'],
    'Anthropic\'s header, and its version': ['anthropic/m', (c) => [c.url, c.headers['x-api-key'], c.headers['anthropic-version']], ['/anthropic/v1/messages', 'sk-anthropic', '2023-06-01'], 'x-api-key'],
    'Google\'s header': ['gemini/m', (c) => [c.url, c.headers['x-goog-api-key']], ['/gemini/v1beta/models/m:generateContent', 'goog-key'], 'x-goog-api-key'],
    'Cohere\'s bearer': ['cohere/m', (c) => [c.url, c.headers.authorization], ['/cohere/v2/chat', 'Bearer cohere-key'], 'authorization'],
    'none where none is stored': ['ollama/m', (c) => [c.url, c.headers.authorization], ['/ollama/api/chat', undefined]],
    'none where the provider asks for none': ['keyless/m', (c) => [c.url, c.headers.authorization], ['/keyless/chat/completions', undefined]],
    'a parameter of a custom provider, encoded': ['by-query/m', (c) => [c.url, c.headers.authorization], ['/by-query/chat/completions?apikey=query%2Fkey%2B1', undefined], 'url'],
    'a header of a custom provider': ['by-header/m', (c) => [c.url, c.headers['x-own-key'], c.headers.authorization], ['/by-header/chat/completions', 'header-key', undefined], 'x-own-key'],
    'Azure\'s header, without a version': ['azure-v1/dep', (c) => [c.url, c.headers['api-key'], c.headers.authorization], ['/azure-v1/openai/v1/chat/completions', 'azure-key', undefined], 'api-key'],
    'Azure\'s header, version latest': ['azure-latest/dep', (c) => [c.url, c.headers['api-key']], ['/azure-latest/openai/v1/chat/completions', 'azure-key'], 'api-key'],
    'Azure\'s header, a dated version': ['azure-dated/dep.1', (c) => [c.url, c.headers['api-key']], ['/azure-dated/openai/deployments/dep.1/chat/completions?api-version=2024-10-21', 'azure-key'], 'api-key'],
    'Azure\'s header, a dated preview': ['azure-preview/dep', (c) => [c.url, c.headers['api-key']], ['/azure-preview/openai/deployments/dep/chat/completions?api-version=2025-04-01-preview', 'azure-key'], 'api-key'],
    'Bedrock\'s API key as bearer': ['bedrock-bearer/amazon.nova-lite-v1:0', (c) => [c.url, c.headers.authorization, c.headers['x-amz-date']], ['/bedrock-bearer/model/amazon.nova-lite-v1%3A0/converse', 'Bearer bedrock-api-key', undefined], 'authorization'],
    'Vertex with a token that is given': ['vertex-given/gemini-x', (c) => [c.url, c.headers.authorization, c.headers['x-goog-api-key']], ['/vertex-given/v1/projects/p1/locations/europe-west4/publishers/google/models/gemini-x:generateContent', 'Bearer ya29.given', undefined], 'authorization'],
  };
  for (const [name, [model, seen, expected, place]] of Object.entries(CASES)) {
    test(name, async () => {
      const call = await answered(model);
      assert.deepEqual(seen(call), expected);
      onlyThere(call, place);
    });
  }

  test('headers of the settings go before the client\'s', async () => {
    const call = await answered('by-header/m', { 'x-trace': 'client', 'x-other': 'client', 'x-own-key': 'client', 'x-team': 'client' });
    const of = (name) => call.rawHeaders.filter((_, i, all) => i % 2 && all[i - 1].toLowerCase() === name);
    assert.deepEqual(of('x-team'), ['blue team']);
    assert.deepEqual(of('user-agent'), ['weir-test']);
    assert.deepEqual(of('x-trace'), ['settings']);
    assert.deepEqual(of('x-other'), ['client']);
    assert.equal(of('x-own-key')[0], 'header-key');
    assert.deepEqual(of('x-own-key'), ['header-key'], 'a client\'s value beside the stored credential');
  });

  test('a native call has the row\'s own header', async () => {
    const r = await fetch(`${proxy.url}/segmind/sd1.5-txt2img`, { method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: '{"prompt":"x"}' });
    assert.equal(r.status, 200);
    const call = provider.calls.at(-1);
    assert.deepEqual([call.url, call.headers['x-api-key'], call.headers.authorization], ['/segmind/sd1.5-txt2img', 'header-key', undefined]);
    onlyThere(call, 'x-api-key');
  });
});

describe('a client\'s own credential', () => {
  const own = (model, headers) => fetch(`${proxy.url}/v1/chat/completions`, {
    method: 'POST', headers: { 'content-type': 'application/json', 'x-weir-key': KEY, ...headers }, body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }] }),
  });
  test('is used where none is stored, in the provider\'s place', async () => {
    assert.equal((await own('unstored/m', { authorization: 'Bearer own-key-of-client' })).status, 200);
    assert.equal(provider.calls.at(-1).headers.authorization, 'Bearer own-key-of-client');
    assert.equal((await own('unstored-anthropic/m', { authorization: 'Bearer own-key-of-client' })).status, 200);
    assert.equal(provider.calls.at(-1).headers['x-api-key'], 'own-key-of-client');
    assert.equal(provider.calls.at(-1).headers.authorization, undefined);
  });
  test('never stands in for one that is stored', async () => {
    for (const model of ['bearer/m', 'anthropic/m', 'by-query/m', 'bedrock/amazon.nova', 'vertex-given/gemini-x', 'azure-v1/m']) {
      assert.equal((await own(model, { authorization: 'Bearer own-key-of-client', 'x-api-key': 'own-key-of-client', 'api-key': 'own-key-of-client', 'x-goog-api-key': 'own-key-of-client' })).status, 200, model);
      const call = provider.calls.at(-1);
      assert.ok(!JSON.stringify(call.headers).includes('own-key-of-client') && !call.url.includes('own-key-of-client'), model);
    }
  });
  test('our own key is none, wherever it stands', async () => {
    assert.equal((await own('unstored/m', { authorization: `Bearer ${KEY}` })).status, 200);
    assert.equal(provider.calls.at(-1).headers.authorization, undefined);
    assert.equal((await ask('unstored/m')).status, 200);
    assert.equal(provider.calls.at(-1).headers.authorization, undefined);
    onlyThere(provider.calls.at(-1));
  });
});

describe('SigV4', () => {
  test('the check here finds AWS\'s own SDK right, and sees what is wrong', async () => {
    const client = new BedrockRuntimeClient({ endpoint: provider.url, region: SESSION.region, maxAttempts: 1,
      requestHandler: new (await import('@smithy/node-http-handler')).NodeHttpHandler(),
      credentials: { accessKeyId: SESSION.accessKey, secretAccessKey: SESSION.secretKey, sessionToken: SESSION.sessionToken } });
    await client.send(new ConverseCommand({ modelId: 'arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.x-v1:0', messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }));
    client.destroy();
    const call = provider.calls.at(-1);
    checkSigV4(call, SESSION);
    assert.throws(() => checkSigV4({ ...call, raw: Buffer.from('{}') }, SESSION));
    assert.throws(() => checkSigV4({ ...call, url: `${call.url}x` }, SESSION));
    assert.throws(() => checkSigV4(call, { ...SESSION, secretKey: 'other' }));
  });

  const ARN = 'arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3';
  for (const [model, path] of Object.entries({
    'amazon.nova-lite': '/model/amazon.nova-lite/converse',
    'eu.anthropic.claude-sonnet-4-5-20250929-v1:0': '/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse',
    [ARN]: `/model/${encodeURIComponent(ARN)}/converse`,
    'übung ~*(1)\'!': null,
  })) {
    for (const [name, key, prefix] of [['bedrock', STATIC, '/aws'], ['bedrock-session', SESSION, '']]) {
      test(`${name}: ${model}`, async () => {
        const call = await answered(`${name}/${model}`);
        if (path) assert.equal(call.url, prefix + path);
        checkSigV4(call, key);
        onlyThere(call, 'authorization', 'x-amz-security-token');
      });
    }
  }
  test('a stream', async () => {
    const r = await proxy.chat(KEY, { model: 'bedrock/amazon.nova', stream: true, messages: [{ role: 'user', content: 'Hé "你好"' }] });
    await r.text();
    const call = provider.calls.at(-1);
    assert.equal(call.url, '/aws/model/amazon.nova/converse-stream');
    checkSigV4(call, STATIC);
  });
  test('native calls, with another service\'s name, a query and no body', async () => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    assert.equal((await fetch(`${proxy.url}/sagemaker/endpoints/my-endpoint/invocations?b=2&a=x%20y&a=%2Fz&c`, { method: 'POST', headers, body: '{"x":1}' })).status, 200);
    checkSigV4(provider.calls.at(-1), { ...STATIC, service: 'sagemaker' });
    assert.equal(provider.calls.at(-1).body, '{"x":1}');
    assert.equal((await fetch(`${proxy.url}/sagemaker/endpoints`, { headers: { authorization: `Bearer ${KEY}` } })).status, 200);
    checkSigV4(provider.calls.at(-1), { ...STATIC, service: 'sagemaker' });
    assert.equal((await fetch(`${proxy.url}/bedrock/model/${encodeURIComponent(ARN)}/converse`, { method: 'POST', headers, body: '{"messages":[]}' })).status, 200);
    assert.equal(provider.calls.at(-1).url, `/aws/model/${encodeURIComponent(ARN)}/converse`);
    checkSigV4(provider.calls.at(-1), STATIC);
  });
  test('a client\'s own signature is replaced', async () => {
    const client = new BedrockRuntimeClient({ endpoint: proxy.url, region: 'ap-south-1', credentials: { accessKeyId: KEY, secretAccessKey: 'anything', sessionToken: 'client-session' }, maxAttempts: 1 });
    const r = await client.send(new ConverseCommand({ modelId: 'bedrock-session/x.y-v1:0', messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }));
    client.destroy();
    assert.equal(r.output.message.content[0].text, 'Hello there!');
    const call = provider.calls.at(-1);
    assert.equal(call.url, '/model/x.y-v1%3A0/converse');
    const of = (name) => call.rawHeaders.filter((_, i, all) => i % 2 && all[i - 1].toLowerCase() === name);
    for (const name of ['authorization', 'x-amz-date', 'x-amz-security-token']) assert.equal(of(name).length, 1, `${name}: ${of(name)}`);
    assert.ok(of('x-amz-content-sha256').length <= 1);
    checkSigV4(call, SESSION);
  });
});

describe('Google service accounts', () => {
  const fetched = (email) => google.calls.filter((c) => JSON.parse(Buffer.from(new URLSearchParams(c.body).get('assertion').split('.')[1], 'base64url')).iss === email).length;

  test('a hundred requests at once buy one token', async () => {
    issuers.set('vertex-many@p1.test', (call, res) => until('all are there', () => waiting === 100 || null).then(() => issue(res, 'ya29.bought-many')));
    let waiting = 0;
    const all = Array.from({ length: 100 }, async () => {
      waiting++;
      const r = await ask('vertex-many/gemini-x');
      return [r.status, (await r.json()).choices?.[0].message.content];
    });
    for (const r of await Promise.all(all)) assert.deepEqual(r, [200, 'Hello there!']);
    if (google.fault) throw google.fault;
    assert.equal(fetched('vertex-many@p1.test'), 1);
    const calls = provider.calls.filter((c) => c.url.startsWith('/vertex-many/'));
    assert.equal(calls.length, 100);
    for (const c of calls) assert.equal(c.headers.authorization, 'Bearer ya29.bought-many');
    assert.equal((await ask('vertex-many/claude-x')).status, 200);
    assert.match(provider.calls.at(-1).url, /publishers\/anthropic\/models\/claude-x:rawPredict$/);
    assert.equal(fetched('vertex-many@p1.test'), 1, 'the token serves both publishers');
  });

  test('the next token is bought before the old one ends, and nobody waits for it', async () => {
    let n = 0, release;
    issuers.set('vertex-short@p1.test', (call, res) => {
      n++;
      if (n === 1) issue(res, 'ya29.bought-1', 5);
      else release = () => issue(res, 'ya29.bought-2', 3600);
    });
    const bought = Date.now();
    assert.equal((await answered('vertex-short/gemini-x')).headers.authorization, 'Bearer ya29.bought-1');
    await until('the second token is asked for', async () => {
      assert.equal((await answered('vertex-short/gemini-x')).headers.authorization, 'Bearer ya29.bought-1');
      return release;
    });
    assert.ok(Date.now() - bought < 5000, 'asked for after the first one\'s end');
    assert.equal((await answered('vertex-short/gemini-x')).headers.authorization, 'Bearer ya29.bought-1', 'while the second one is on its way');
    release();
    await until('the second token is used', async () => (await answered('vertex-short/gemini-x')).headers.authorization === 'Bearer ya29.bought-2');
    assert.equal(n, 2);
  });

  test('an endpoint that refuses is named, without secrets, and forgiven later', async () => {
    let well = false;
    issuers.set('vertex-failing@p1.test', (call, res) => {
      if (well) return issue(res, 'ya29.bought-later');
      res.writeHead(401, { 'content-type': 'application/json' });
      return res.end(JSON.stringify({ error: 'invalid_grant', error_description: 'Invalid JWT Signature.' }));
    });
    const before = provider.calls.length;
    const r = await ask('vertex-failing/gemini-x');
    const text = await r.text();
    assert.ok([502, 503].includes(r.status), `${r.status} ${text}`);
    assert.match(JSON.parse(text).error.message, /vertex-failing.*token endpoint answered 401: Invalid JWT Signature/);
    for (const s of SECRETS) assert.ok(!text.includes(s), s);
    assert.equal(provider.calls.length, before, 'nothing is sent without a token');
    const event = await eventOf(proxy, r);
    assert.equal(event.cost_nanousd, 0);
    assert.notEqual(event.outcome, 'ok');
    const again = await ask('vertex-failing/gemini-x');
    assert.ok([502, 503].includes(again.status));
    assert.equal(fetched('vertex-failing@p1.test'), 1, 'a failing endpoint is not asked for every request');
    well = true;
    const good = await until('it works again', async () => {
      const x = await ask('vertex-failing/gemini-x');
      return x.status === 200 && x;
    });
    assert.equal((await good.json()).choices[0].message.content, 'Hello there!');
    assert.equal(provider.calls.at(-1).headers.authorization, 'Bearer ya29.bought-later');
  });

  test('an endpoint that breaks off, and one that talks nonsense', async () => {
    issuers.set('vertex-mute@p1.test', (call, res) => res.destroy());
    issuers.set('vertex-odd@p1.test', (call, res) => {
      res.writeHead(200, { 'content-type': 'text/html' });
      res.end('<html>sign in</html>');
    });
    for (const model of ['vertex-mute/gemini-x', 'vertex-odd/gemini-x']) {
      const r = await ask(model);
      const json = await r.json();
      assert.ok([502, 503].includes(r.status), `${model} ${r.status}`);
      assert.match(json.error.message, /no access token for provider/);
      assert.ok(!JSON.stringify(json).includes(new URL(google.url).port), 'the endpoint\'s address is the operator\'s business');
    }
  });
});

describe('Entra client credentials', () => {
  test('are turned into one token', async () => {
    issuers.set('app-1', (call, res) => issue(res, 'entra-bought-1', '3599'));
    for (const r of await Promise.all(Array.from({ length: 20 }, () => ask('azure-entra/dep')))) assert.equal(r.status, 200);
    assert.equal(entra.calls.length, 1);
    const call = entra.calls[0], form = Object.fromEntries(new URLSearchParams(call.body));
    assert.equal(call.url, '/tenant-1/oauth2/v2.0/token');
    assert.deepEqual(form, { grant_type: 'client_credentials', client_id: 'app-1', client_secret: 'client-secret/1', scope: 'https://cognitiveservices.azure.com/.default' });
    const sent = provider.calls.at(-1);
    assert.deepEqual([sent.url, sent.headers.authorization, sent.headers['api-key']], ['/azure-entra/openai/v1/chat/completions', 'Bearer entra-bought-1', undefined]);
  });
  test('an authority that refuses is named, without secrets', async () => {
    issuers.set('app-2', (call, res) => {
      res.writeHead(401, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: 'invalid_client', error_description: 'AADSTS7000215: Invalid client secret provided.' }));
    });
    const r = await ask('entra-failing/dep');
    const text = await r.text();
    assert.ok([502, 503].includes(r.status), text);
    assert.match(text, /AADSTS7000215/);
    for (const s of SECRETS) assert.ok(!text.includes(s), s);
  });
});

test('the log and the events hold nothing secret', () => {
  const log = proxy.program.log() + readFileSync(proxy.eventsFile, 'utf8');
  assert.ok(log.length > 1000);
  for (const s of SECRETS) assert.ok(!log.includes(s), `${s} is in the log`);
  assert.ok(!/AWS4-HMAC|Bearer /.test(log));
});
