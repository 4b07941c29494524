// A client of one dialect and a provider of another, through a whole proxy.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fakeProvider, sse } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { until } from './harness/process.mjs';

const named = (type, rest) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
const anthropicStream = [
  named('message_start', { message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-x', content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 11, output_tokens: 1, cache_read_input_tokens: 4 } } }),
  named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  named('ping', {}),
  named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hel' } }),
  named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'lo ✓' } }),
  named('content_block_stop', { index: 0 }),
  named('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 7 } }),
  named('message_stop', {}),
].join('');

const anthropicWhole = {
  id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-x', content: [{ type: 'text', text: 'Hello' }],
  stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 11, output_tokens: 7, cache_read_input_tokens: 4 },
};

describe('between dialects', () => {
  let proxy, provider;
  before(async () => {
    provider = await fakeProvider();
    proxy = await startStandalone(`
version: 1
providers:
  - {name: anthropic, kind: anthropic, base_url: "${provider.url}", api_key: "sk-ant-stored"}
  - {name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: "sk-stored"}
models:
  - {name: claude, targets: [{provider: anthropic, model: claude-x}]}
  - {name: gpt, targets: [{provider: openai, model: gpt-4o}]}
keys:
  - {name: dev, secret: "dev-secret"}
`, { workers: 1 });
  });
  after(async () => {
    await proxy?.end();
    await provider?.close();
  });

  const events = () => readFileSync(proxy.eventsFile, 'utf8').trim().split('\n').filter(Boolean).map((l) => JSON.parse(l));
  const eventOf = (answer) => until('the event is there', () => {
    const id = answer.headers.get('x-weir-request-id').replace('req_', '');
    return events().find((e) => e.id.replaceAll('-', '') === id);
  });
  const quantity = (event, unit) => event.attempts[0].quantities.find((q) => q.unit === unit)?.quantity;
  const messages = (body, headers = {}) => fetch(`${proxy.url}/v1/messages`, {
    method: 'POST', headers: { 'content-type': 'application/json', 'x-api-key': 'dev-secret', 'anthropic-version': '2023-06-01', ...headers }, body: JSON.stringify(body),
  });

  test('an OpenAI client gets a whole answer of Anthropic', async () => {
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json', 'request-id': 'req-up-1' });
      res.end(JSON.stringify(anthropicWhole));
    };
    const r = await proxy.chat('dev-secret', { model: 'claude', messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hi' }], max_tokens: 50, seed: 7 });
    const json = await r.json();
    assert.equal(r.status, 200, JSON.stringify(json));
    assert.equal(json.object, 'chat.completion');
    assert.equal(json.choices[0].message.content, 'Hello');
    assert.equal(json.choices[0].finish_reason, 'stop');
    assert.equal(json.usage.prompt_tokens, 15);
    assert.equal(json.usage.completion_tokens, 7);
    assert.equal(json.usage.prompt_tokens_details.cached_tokens, 4);
    assert.match(r.headers.get('x-weir-dropped-params'), /seed/);
    const call = provider.calls.at(-1);
    assert.equal(call.url, '/v1/messages');
    assert.equal(call.headers['x-api-key'], 'sk-ant-stored');
    assert.equal(call.headers['anthropic-version'], '2023-06-01');
    assert.equal(call.headers.authorization, undefined);
    assert.equal(call.json.model, 'claude-x');
    assert.equal(call.json.max_tokens, 50);
    const event = await eventOf(r);
    assert.equal(event.endpoint, 'chat.completions');
    assert.equal(event.outcome, 'ok');
    assert.equal(quantity(event, 'token_in'), 11);
    assert.equal(quantity(event, 'token_cached'), 4);
    assert.equal(quantity(event, 'token_out'), 7);
    assert.equal(event.attempts[0].upstream_request_id, 'req-up-1');
  });

  test('strict refuses before anything is sent', async () => {
    const before = provider.calls.length;
    const r = await proxy.chat('dev-secret', { model: 'claude', messages: [{ role: 'user', content: 'Hi' }], seed: 7 }, { 'x-weir-strict': 'true' });
    const json = await r.json();
    assert.equal(r.status, 400);
    assert.match(json.error.message, /seed/);
    assert.equal(provider.calls.length, before);
  });

  for (const size of [1, 7, 100000]) {
    test(`an OpenAI client gets a stream of Anthropic, ${size} bytes at a time`, async () => {
      provider.handler = async (call, res) => {
        assert.equal(call.json.stream, true);
        res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
        const bytes = Buffer.from(anthropicStream);
        for (let at = 0; at < bytes.length; at += size) {
          res.write(bytes.subarray(at, at + size));
          if (at % 64 === 0) await new Promise((next) => setImmediate(next));
        }
        res.end();
      };
      const r = await proxy.chat('dev-secret', { model: 'claude', stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: 'Hi' }] });
      const text = await r.text();
      assert.equal(r.status, 200, text);
      assert.match(r.headers.get('content-type'), /^text\/event-stream/);
      const data = text.split('\n\n').filter((e) => e.startsWith('data: ')).map((e) => e.replace(/^data: /, ''));
      assert.equal(data.at(-1), '[DONE]');
      const chunks = data.slice(0, -1).map((d) => JSON.parse(d));
      assert.equal(chunks.map((c) => c.choices[0]?.delta?.content ?? '').join(''), 'Hello ✓');
      assert.equal(chunks.find((c) => c.choices[0]?.finish_reason)?.choices[0].finish_reason, 'stop');
      assert.equal(chunks.at(-1).usage.completion_tokens, 7);
      const event = await eventOf(r);
      assert.equal(event.stream, true);
      assert.equal(quantity(event, 'token_in'), 11);
      assert.equal(quantity(event, 'token_out'), 7);
    });
  }

  test('a stream that is cut ends with an error and broken', async () => {
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(anthropicStream.slice(0, anthropicStream.indexOf('event: content_block_stop')), () => res.destroy());
    };
    const r = await proxy.chat('dev-secret', { model: 'claude', stream: true, messages: [{ role: 'user', content: 'Hi' }] });
    let text = '';
    await assert.rejects(async () => {
      for await (const piece of r.body) text += Buffer.from(piece).toString();
    });
    assert.match(text, /"error":\{/);
    assert.doesNotMatch(text, /\[DONE\]/);
    const event = await eventOf(r);
    assert.equal(event.outcome, 'cut');
    assert.equal(event.attempts[0].quantities.find((q) => q.unit === 'token_out').source, 'estimated');
  });

  test('an error of Anthropic has OpenAI\'s shape, and the original beside it', async () => {
    provider.handler = (call, res) => {
      res.writeHead(429, { 'content-type': 'application/json', 'retry-after': '7' });
      res.end(JSON.stringify({ type: 'error', error: { type: 'rate_limit_error', message: 'slow down' } }));
    };
    const r = await proxy.chat('dev-secret', { model: 'claude', messages: [{ role: 'user', content: 'Hi' }] });
    const json = await r.json();
    assert.equal(r.status, 429);
    assert.equal(r.headers.get('retry-after'), '7');
    assert.match(r.headers.get('content-type'), /^application\/json/);
    assert.equal(json.error.message, 'slow down');
    assert.equal(json.weir.provider_error.error.type, 'rate_limit_error');
    const event = await eventOf(r);
    assert.equal(event.outcome, 'provider_error');
  });

  test('an Anthropic client gets OpenAI, whole and streamed', async () => {
    provider.handler = () => false;
    const r = await messages({ model: 'gpt', max_tokens: 30, system: 'Be brief.', messages: [{ role: 'user', content: 'Hi' }] });
    const json = await r.json();
    assert.equal(r.status, 200, JSON.stringify(json));
    assert.equal(json.type, 'message');
    assert.equal(json.content[0].text, 'Hello from fake');
    assert.equal(json.usage.input_tokens, 9);
    const call = provider.calls.at(-1);
    assert.equal(call.url, '/v1/chat/completions');
    assert.equal(call.headers.authorization, 'Bearer sk-stored');
    assert.equal(call.headers['x-api-key'], undefined);
    assert.equal(call.headers['anthropic-version'], undefined);
    const s = await messages({ model: 'gpt', max_tokens: 30, stream: true, messages: [{ role: 'user', content: 'Hi' }] });
    const text = await s.text();
    assert.match(text, /event: message_start/);
    assert.match(text, /event: message_stop/);
    assert.match(text, /" fake"/);
    const event = await eventOf(s);
    assert.equal(event.endpoint, 'messages');
    assert.equal(event.dialect, 'anthropic');
    assert.equal(quantity(event, 'token_out'), 3);
  });

  test('an Anthropic client of Anthropic passes unchanged, and is metered', async () => {
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.end(anthropicStream);
    };
    const body = { model: 'claude', max_tokens: 30, stream: true, messages: [{ role: 'user', content: 'Hi' }], unknown: { a: 1.50 } };
    const r = await messages(body, { 'anthropic-beta': 'x-1' });
    assert.equal(await r.text(), anthropicStream);
    const call = provider.calls.at(-1);
    assert.equal(call.body, JSON.stringify({ ...body, model: 'claude-x' }));
    assert.equal(call.headers['anthropic-beta'], 'x-1');
    const event = await eventOf(r);
    assert.equal(quantity(event, 'token_in'), 11);
    assert.equal(quantity(event, 'token_cached'), 4);
    assert.equal(quantity(event, 'token_out'), 7);
    assert.equal(event.attempts[0].finish_reason, 'end_turn');
  });

  test('a stream that the provider does not make is made of its whole answer', async () => {
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify(anthropicWhole));
    };
    const r = await proxy.chat('dev-secret', { model: 'claude', stream: true, messages: [{ role: 'user', content: 'Hi' }] });
    const text = await r.text();
    assert.match(r.headers.get('content-type'), /^text\/event-stream/);
    assert.match(text, /"content":"Hello"/);
    assert.ok(text.endsWith(sse('[DONE]')));
  });

  test('a whole answer is made of a stream that nobody asked for', async () => {
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.end(anthropicStream);
    };
    const r = await proxy.chat('dev-secret', { model: 'claude', messages: [{ role: 'user', content: 'Hi' }] });
    const json = await r.json();
    assert.equal(json.choices[0].message.content, 'Hello ✓');
    assert.equal(json.usage.completion_tokens, 7);
  });

  test('an answer that is no JSON is the provider\'s fault', async () => {
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'text/html' });
      res.end('<html>hello</html>');
    };
    const r = await proxy.chat('dev-secret', { model: 'claude', messages: [{ role: 'user', content: 'Hi' }] });
    assert.equal(r.status, 502);
    assert.equal((await r.json()).error.code, 'upstream_invalid_response');
    assert.equal((await eventOf(r)).attempts.length, 1);
  });
});

describe('what is not a chat alone', () => {
  let proxy, provider, tokens;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });
  before(async () => {
    provider = await fakeProvider();
    tokens = await fakeProvider();
    const account = JSON.stringify({ client_email: 'a@b.test', private_key: privateKey, token_uri: `${tokens.url}/token` });
    proxy = await startStandalone(`
version: 1
providers:
  - {name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: "sk-stored"}
  - {name: bedrock, kind: bedrock, base_url: "${provider.url}", region: eu-west-1, aws_access_key_id: "AKIDEXAMPLE", aws_secret_access_key: "topsecret"}
  - {name: vertex, kind: vertex, base_url: "${provider.url}", project: p, location: europe-west4, service_account: ${JSON.stringify(account)}}
models:
  - {name: gpt, targets: [{provider: openai, model: gpt-4o}]}
  - {name: titan, targets: [{provider: bedrock, model: amazon.titan-embed-text-v2:0}]}
  - {name: gemini, targets: [{provider: vertex, model: gemini-2.5-flash}]}
keys:
  - {name: dev, secret: "dev-secret"}
`, { workers: 1 });
  });
  after(async () => {
    await proxy?.end();
    await provider?.close();
    await tokens?.close();
  });
  const post = (path, body, headers = {}) => fetch(`${proxy.url}${path}`, {
    method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer dev-secret', ...headers }, body: JSON.stringify(body),
  });

  test('tokens are estimated where a provider cannot count them', async () => {
    const before = provider.calls.length;
    const r = await post('/v1/messages/count_tokens', { model: 'gpt', messages: [{ role: 'user', content: 'x'.repeat(400) }] });
    const json = await r.json();
    assert.equal(r.status, 200, JSON.stringify(json));
    assert.equal(r.headers.get('x-weir-estimated'), 'true');
    assert.ok(json.input_tokens > 100 && json.input_tokens < 130);
    assert.equal(provider.calls.length, before);
  });

  test('a model that takes one input a call is called for each, signed', async () => {
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ embedding: [call.json.inputText.length, 0.5], inputTextTokenCount: 2 }));
    };
    const before = provider.calls.length;
    const r = await post('/v1/embeddings', { model: 'titan', input: ['a', 'bb', 'ccc'] });
    const json = await r.json();
    assert.equal(r.status, 200, JSON.stringify(json));
    assert.deepEqual(json.data.map((d) => d.embedding[0]), [1, 2, 3]);
    assert.deepEqual(json.data.map((d) => d.index), [0, 1, 2]);
    assert.equal(json.usage.prompt_tokens, 6);
    assert.equal(provider.calls.length, before + 3);
    const call = provider.calls.at(-1);
    assert.match(call.headers.authorization, /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/bedrock\/aws4_request/);
    assert.match(call.url, /^\/model\/amazon\.titan-embed-text-v2%3A0\/invoke$/);
    const event = await until('the event is there', () => readFileSync(proxy.eventsFile, 'utf8').trim().split('\n').map((l) => JSON.parse(l))
      .find((e) => e.id.replaceAll('-', '') === r.headers.get('x-weir-request-id').replace('req_', '')));
    assert.equal(event.endpoint, 'embeddings');
    assert.equal(event.attempts.length, 1);
    assert.equal(event.attempts[0].quantities.find((q) => q.unit === 'token_in').quantity, 6);
  });

  test('an access token is bought once, and waited for', async () => {
    tokens.handler = (call, res) => {
      assert.match(call.body, /grant_type=/);
      setTimeout(() => {
        res.writeHead(200, { 'content-type': 'application/json' });
        res.end(JSON.stringify({ access_token: 'ya29.bought', expires_in: 3600, token_type: 'Bearer' }));
      }, 50);
    };
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ candidates: [{ content: { role: 'model', parts: [{ text: 'Hello' }] }, finishReason: 'STOP', index: 0 }], usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 }, modelVersion: 'gemini-2.5-flash' }));
    };
    const ask = () => post('/v1/chat/completions', { model: 'gemini', messages: [{ role: 'user', content: 'Hi' }] });
    const both = await Promise.all([ask(), ask()]);
    for (const r of both) {
      const json = await r.json();
      assert.equal(r.status, 200, JSON.stringify(json));
      assert.equal(json.choices[0].message.content, 'Hello');
    }
    assert.equal((await ask()).status, 200);
    assert.equal(tokens.calls.length, 1);
    assert.equal(provider.calls.at(-1).headers.authorization, 'Bearer ya29.bought');
    assert.match(provider.calls.at(-1).url, /\/projects\/p\/locations\/europe-west4\/publishers\/google\/models\/gemini-2\.5-flash:generateContent$/);
  });

  test('steps are tried in order until one answers', async () => {
    provider.handler = (call, res) => {
      if (call.json.model !== 'bad') return false;
      res.writeHead(500, { 'content-type': 'application/json' });
      return res.end('{"error":{"message":"no","type":"server_error"}}');
    };
    const step = (model) => ({ provider: 'openai', endpoint: 'chat/completions', headers: { 'content-type': 'application/json' }, query: { model, messages: [{ role: 'user', content: 'Hi' }] } });
    const r = await post('/v1/acct/gw', [step('bad'), step('gpt-4o')], { 'cf-aig-authorization': 'Bearer dev-secret' });
    const json = await r.json();
    assert.equal(r.status, 200, JSON.stringify(json));
    assert.equal(r.headers.get('cf-aig-step'), '1');
    assert.equal(json.choices[0].message.content, 'Hello from fake');
    const event = await until('the event is there', () => readFileSync(proxy.eventsFile, 'utf8').trim().split('\n').map((l) => JSON.parse(l))
      .find((e) => e.id.replaceAll('-', '') === r.headers.get('x-weir-request-id').replace('req_', '')));
    assert.equal(event.endpoint, 'universal');
    assert.deepEqual(event.attempts.map((a) => a.outcome), ['provider_error', 'ok']);
  });
});
