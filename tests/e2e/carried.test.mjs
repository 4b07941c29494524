// What is carried between dialects and what is not: losses are named or refused, errors keep their meaning and their original, proofs of
// thought find their way back, tokens are counted where the provider can and estimated where it cannot.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { BedrockRuntimeClient, ConverseCommand, CountTokensCommand } from '@aws-sdk/client-bedrock-runtime';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { frames } from './harness/aws_event.mjs';
import { eventOf } from './harness/events.mjs';
import { DIALECTS, fakeDialects, providerYaml, TARGETS } from './harness/fake_dialects.mjs';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';

const KEY = 'carried-key';
let fake, odd, proxy;

before(async () => {
  fake = await fakeDialects();
  odd = await fakeProvider();
  proxy = await startStandalone(`
version: 1
providers:${providerYaml(fake.url)}
  - {name: odd, kind: openai, base_url: "${odd.url}/v1", api_key: sk-odd-stored-credential}
  - {name: odd-anthropic, kind: anthropic, base_url: "${odd.url}", api_key: sk-odd-stored-credential}
  - {name: odd-gemini, kind: gemini, base_url: "${odd.url}", api_key: sk-odd-stored-credential}
  - {name: odd-bedrock, kind: bedrock, base_url: "${odd.url}", region: us-east-1, api_key: sk-odd-stored-credential}
  - {name: dropping, kind: custom, base_url: "${odd.url}/v1", drop_params: [logit_bias, user], rename_params: {max_completion_tokens: max_tokens}}
models:
${Object.entries(TARGETS).map(([name, target]) => `  - {name: ${name}, targets: [${target}]}`).join('\n')}
  - {name: to-claude, targets: [{provider: anthropic, model: claude-sonnet-4-5-20250929}]}
  - {name: to-claude-vertex, targets: [{provider: vertex, model: claude-sonnet-4-5@20250929}]}
  - {name: to-claude-bedrock, targets: [{provider: bedrock, model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0"}]}
  - {name: to-gemini-pro, targets: [{provider: gemini, model: gemini-2.5-pro}]}
keys: [{name: k, secret: ${KEY}}]
`, { workers: 1 });
});

after(async () => {
  await proxy?.end();
  await fake?.close();
  await odd?.close();
});

const post = (path, body, headers = {}) => fetch(proxy.url + path, { method: 'POST', headers: { 'content-type': 'application/json', 'x-weir-key': KEY, ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) });
// A client's request in each dialect: [path, body]
const REQUESTS = {
  chat: (model, text, extra, stream) => ['/v1/chat/completions', { model, messages: [{ role: 'user', content: text }], ...(stream ? { stream } : {}), ...extra }],
  responses: (model, text, extra, stream) => ['/v1/responses', { model, input: text, ...(stream ? { stream } : {}), ...extra }],
  messages: (model, text, extra, stream) => ['/v1/messages', { model, max_tokens: 2000, messages: [{ role: 'user', content: text }], ...(stream ? { stream } : {}), ...extra }],
  gemini: (model, text, extra, stream) => [`/v1beta/models/${encodeURIComponent(model)}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`, { contents: [{ role: 'user', parts: [{ text }] }], ...extra }],
  converse: (model, text, extra, stream) => [`/model/${encodeURIComponent(model)}/converse${stream ? '-stream' : ''}`, { messages: [{ role: 'user', content: [{ text }] }], ...extra }],
};
const ask = (face, model, text, { extra = {}, stream, headers } = {}) => post(...REQUESTS[face](model, text, extra, stream), headers);
const named = (r) => (r.headers.get('x-weir-dropped-params') ?? '').split(', ').filter(Boolean).sort();

describe('what cannot be carried', () => {
  // client, target, what the client asks for besides, what of it is named
  const LOSSES = [
    ['chat', 'to-messages', { seed: 7, logit_bias: { 1: 2 }, frequency_penalty: 0.5, presence_penalty: 0.5 }, ['frequency_penalty', 'logit_bias', 'presence_penalty', 'seed']],
    ['chat', 'to-messages', { made_up: 1 }, ['made_up']],
    ['chat', 'to-vertex-claude', { seed: 7 }, ['seed']],
    ['chat', 'to-gemini', { logit_bias: { 1: 2 }, store: true }, ['logit_bias', 'store']],
    ['chat', 'to-vertex', { prediction: { type: 'content', content: 'x' } }, ['prediction']],
    ['chat', 'to-bedrock', { seed: 7, logit_bias: { 1: 2 } }, ['logit_bias', 'seed']],
    ['chat', 'to-cohere', { logit_bias: { 1: 2 } }, ['logit_bias']],
    ['chat', 'to-ollama', { logit_bias: { 1: 2 } }, ['logit_bias']],
    ['chat', 'to-responses', { seed: 7, stop: ['x'] }, ['seed', 'stop']],
    ['messages', 'to-chat', { top_k: 5 }, ['top_k']],
    ['messages', 'to-bedrock', { container: 'c1' }, ['container']],
    ['messages', 'to-gemini', { mcp_servers: [{ type: 'url', url: 'https://x.test', name: 'x' }] }, ['mcp_servers']],
    ['gemini', 'to-chat', { safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }], generationConfig: { topK: 5 } }, ['generationConfig.topK', 'safetySettings']],
    ['gemini', 'to-messages', { cachedContent: 'cachedContents/x' }, ['cachedContent']],
    ['converse', 'to-chat', { guardrailConfig: { guardrailIdentifier: 'g', guardrailVersion: '1' } }, ['guardrailConfig']],
    ['converse', 'to-gemini', { performanceConfig: { latency: 'optimized' } }, ['performanceConfig']],
    ['responses', 'to-messages', { truncation: 'auto' }, ['truncation']],
    ['responses', 'to-gemini', { text: { verbosity: 'low' } }, ['text.verbosity']],
  ];
  for (const [face, target, extra, expected] of LOSSES) {
    const what = `${face} ${target}: ${Object.keys(extra)}`;
    for (const stream of [false, true]) {
      test(`${what}${stream ? ', streamed' : ''}: is named`, async () => {
        const r = await ask(face, target, 'Hi', { extra, stream });
        const text = await r.text();
        assert.equal(r.status, 200, text);
        assert.deepEqual(named(r), expected);
      });
      test(`${what}${stream ? ', streamed' : ''}: is refused under strict, before anything is sent`, async () => {
        const from = fake.calls.length;
        const r = await ask(face, target, 'Hi', { extra, stream, headers: { 'x-weir-strict': 'true' } });
        const json = await r.json();
        assert.equal(r.status, 400);
        for (const name of expected) assert.ok(JSON.stringify(json).includes(name), `${name} in ${JSON.stringify(json)}`);
        assert.equal(fake.calls.length, from);
        if (face === 'messages') assert.deepEqual([json.type, json.error.type], ['error', 'invalid_request_error']);
        if (face === 'chat' || face === 'responses') assert.deepEqual([json.error.type, typeof json.error.param], ['invalid_request_error', 'string']);
        if (face === 'gemini') assert.equal(json.error.status, 'INVALID_ARGUMENT');
        if (face === 'converse') assert.equal(r.headers.get('x-amzn-errortype').split(':')[0], 'ValidationException');
      });
    }
  }

  const CARRIED = {
    chat: { temperature: 0.5, top_p: 0.9, stop: ['END'], max_tokens: 2000 },
    messages: { temperature: 0.5, top_p: 0.9, stop_sequences: ['END'], system: 'Be brief.' },
    gemini: { generationConfig: { temperature: 0.5, topP: 0.9, stopSequences: ['END'], maxOutputTokens: 2000 }, systemInstruction: { parts: [{ text: 'Be brief.' }] } },
    converse: { inferenceConfig: { temperature: 0.5, topP: 0.9, stopSequences: ['END'], maxTokens: 2000 }, system: [{ text: 'Be brief.' }] },
    responses: { temperature: 0.5, top_p: 0.9, max_output_tokens: 2000, instructions: 'Be brief.' },
  };
  for (const [face, extra] of Object.entries(CARRIED)) {
    for (const target of Object.keys(TARGETS)) {
      test(`${face} ${target}: nothing is named where nothing is lost, and strict is content`, async () => {
        for (const stream of [false, true]) {
          const plain = target === 'to-responses' && face !== 'responses' ? JSON.parse(JSON.stringify(extra, (k, v) => (['stop', 'stop_sequences', 'stopSequences'].includes(k) ? undefined : v))) : extra;
          const r = await ask(face, target, 'Hi', { extra: plain, stream, headers: { 'x-weir-strict': 'true' } });
          const text = await r.text();
          assert.equal(r.status, 200, text);
          assert.deepEqual(named(r), []);
          const sent = fake.calls.at(-1).body;
          for (const value of ['0.5', '0.9', ...(target === 'to-responses' || face === 'responses' ? [] : ['END'])]) assert.ok(sent.includes(value), `${value} in ${sent}`);
        }
      });
    }
  }

  test('what a provider\'s settings leave out is named too, what they rename is carried', async () => {
    const r = await post('/v1/chat/completions', { model: 'dropping/m', messages: [{ role: 'user', content: 'Hi' }], user: 'u', logit_bias: { 1: 2 }, max_completion_tokens: 9 });
    assert.equal(r.status, 200);
    assert.deepEqual(named(r), ['logit_bias', 'user']);
    const sent = odd.calls.at(-1).json;
    assert.deepEqual([sent.user, sent.logit_bias, sent.max_tokens, sent.max_completion_tokens], [undefined, undefined, 9, undefined]);
    const from = odd.calls.length;
    assert.equal((await post('/v1/chat/completions', { model: 'dropping/m', messages: [{ role: 'user', content: 'Hi' }], user: 'u' }, { 'x-weir-strict': 'true' })).status, 400);
    assert.equal(odd.calls.length, from);
  });

  test('strict is each SDK\'s own exception', async () => {
    const headers = { 'x-weir-strict': 'true' };
    await assert.rejects(new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0, defaultHeaders: headers }).chat.completions.create({ model: 'to-messages', messages: [{ role: 'user', content: 'Hi' }], seed: 7 }), (e) => e instanceof OpenAI.BadRequestError && e.param === 'seed');
    await assert.rejects(new Anthropic({ baseURL: proxy.url, apiKey: KEY, maxRetries: 0, defaultHeaders: headers }).messages.create({ model: 'to-chat', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }], top_k: 5 }), (e) => e instanceof Anthropic.BadRequestError && /top_k/.test(e.message));
    await assert.rejects(new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: proxy.url, headers, retryOptions: { attempts: 1 } } }).models.generateContent({ model: 'to-chat', contents: 'Hi', config: { topK: 5 } }), (e) => e.name === 'ApiError' && e.status === 400 && /topK/.test(e.message));
    const aws = new BedrockRuntimeClient({ endpoint: proxy.url, region: 'us-east-1', credentials: { accessKeyId: KEY, secretAccessKey: 'x' }, maxAttempts: 1 });
    aws.middlewareStack.add((next) => (args) => {
      args.request.headers['x-weir-strict'] = 'true';
      return next(args);
    }, { step: 'build' });
    await assert.rejects(aws.send(new ConverseCommand({ modelId: 'to-chat', messages: [{ role: 'user', content: [{ text: 'Hi' }] }], guardrailConfig: { guardrailIdentifier: 'g', guardrailVersion: '1' } })), (e) => e.name === 'ValidationException' && /guardrailConfig/.test(e.message));
    aws.destroy();
  });
});

describe('a provider\'s errors', () => {
  const OWN = { chat: ['to-chat', 'to-azure'], responses: ['to-responses'], messages: ['to-messages'], gemini: ['to-gemini', 'to-vertex'], converse: ['to-bedrock'] };
  const original = (target, status) => DIALECTS[{ 'to-azure': 'chat', 'to-vertex': 'gemini', 'to-vertex-claude': 'messages', 'to-bedrock': 'converse' }[target] ?? target.slice(3)].error(status);
  for (const face of Object.keys(REQUESTS)) {
    for (const target of Object.keys(TARGETS)) {
      test(`${face} ${target}: the original beside the client's own shape, retry-after kept`, async () => {
        for (const status of [400, 401, 429, 503]) {
          for (const stream of [false, true]) {
            const r = await ask(face, target, `please fail ${status}`, { stream });
            const text = await r.text(), json = JSON.parse(text);
            assert.equal(r.headers.get('retry-after'), '7');
            assert.match(r.headers.get('x-weir-request-id'), /^req_[0-9a-f]{32}$/);
            assert.match(r.headers.get('content-type'), /^application\/json/);
            const e = await eventOf(proxy, r);
            assert.deepEqual([e.outcome, e.attempts[0].status, e.cost_nanousd], ['provider_error', status, 0]);
            if (OWN[face].includes(target)) {
              assert.equal(text, JSON.stringify(original(target, status)), 'byte for byte');
              assert.equal(r.status, status);
              continue;
            }
            assert.deepEqual(json.weir.provider_error, original(target, status));
            assert.equal(json.weir.status, status);
            assert.equal(json.weir.provider, { 'to-chat': 'openai', 'to-responses': 'openai', 'to-messages': 'anthropic', 'to-vertex-claude': 'vertex' }[target] ?? target.slice(3));
            assert.ok(!/"(code|reason)":"ok"/.test(text), text);
            assert.match(json.error?.message ?? json.message, new RegExp(`no luck \\(${status}\\)`));
            if (face === 'messages') assert.deepEqual([json.type, json.error.type], ['error', { 400: 'invalid_request_error', 401: 'authentication_error', 429: 'rate_limit_error' }[status] ?? json.error.type]);
            if (face === 'gemini') assert.deepEqual([json.error.code, json.error.status], [r.status, { 400: 'INVALID_ARGUMENT', 401: 'UNAUTHENTICATED', 429: 'RESOURCE_EXHAUSTED', 503: 'UNAVAILABLE' }[status]]);
            if (face === 'converse') assert.match(r.headers.get('x-amzn-errortype'), { 400: /^ValidationException/, 429: /^ThrottlingException/, 503: /^ServiceUnavailableException/ }[status] ?? /Exception/);
            if (status === 429) assert.equal(r.status, 429);
          }
        }
      });

      test(`${face} ${target}: an error after 200 is an error event`, async () => {
        const r = await ask(face, target, 'broken', { stream: true });
        assert.equal(r.status, 200);
        const bytes = Buffer.from(await r.arrayBuffer().catch((e) => e) ?? '');
        if (face === 'converse') {
          const last = frames(bytes).at(-1);
          assert.ok(last.exception, last.type);
          assert.match(last.payload, /the engine broke/);
        } else {
          assert.match(bytes.toString(), /the engine broke/);
          if (face === 'chat') assert.doesNotMatch(bytes.toString(), /\[DONE\]/);
          if (face === 'messages') assert.match(bytes.toString(), /event: error\r?\n/);
        }
        assert.equal((await eventOf(proxy, r)).outcome, 'provider_error');
      });
    }
  }

  const ODD = { 'odd/m': 'chat', 'odd-anthropic/m': 'messages', 'odd-gemini/m': 'gemini', 'odd-bedrock/m': 'converse' };
  for (const face of ['chat', 'messages', 'gemini', 'converse']) {
    for (const model of Object.keys(ODD)) {
      test(`${face} ${model}: a page of HTML`, async () => {
        const page = '<html>\n<head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n';
        odd.handler = (_, res) => {
          res.writeHead(502, { 'content-type': 'text/html', 'retry-after': '3' });
          res.end(page);
        };
        const r = await ask(face, model, 'Hi');
        const json = JSON.parse(await r.text());
        assert.ok(r.status >= 500, `${r.status}`);
        assert.equal(r.headers.get('retry-after'), '3');
        assert.match(r.headers.get('content-type'), /^application\/json/);
        assert.match(json.error?.message ?? json.message, /502 Bad Gateway/);
        assert.equal(json.weir.provider_error, page);
      });
    }
    test(`${face}: the stored key is refused`, async () => {
      for (const model of Object.keys(ODD)) {
        odd.handler = (_, res) => {
          res.writeHead(401, { 'content-type': 'application/json' });
          res.end(JSON.stringify({ error: { message: 'Incorrect API key provided: sk-odd-stored-credential.', type: 'invalid_request_error', code: 'invalid_api_key' } }));
        };
        const r = await ask(face, model, 'Hi');
        const text = await r.text();
        assert.ok([401, 403].includes(r.status), `${model}: ${r.status}`);
        assert.ok(!text.includes('sk-odd-stored-credential'), `${model}: the stored credential went to the client: ${text}`);
        assert.ok(!proxy.program.log().includes('sk-odd-stored-credential'), 'the stored credential is in the log');
      }
    });
    test(`${face}: nothing, and half a text`, async () => {
      for (const model of Object.keys(ODD)) {
        for (const body of ['', '{"error":{"mess', 'upstream connect error']) {
          odd.handler = (_, res) => {
            res.writeHead(503, { 'content-type': 'application/json' });
            res.end(body);
          };
          const r = await ask(face, model, 'Hi');
          const json = JSON.parse(await r.text());
          assert.ok(r.status >= 500);
          assert.ok((json.error?.message ?? json.message).length > 0);
        }
      }
    });
  }
});

test('every answer has a request id', async () => {
  odd.handler = () => false;
  const all = {
    'a chat': ask('chat', 'to-chat', 'Hi'), 'a stream': ask('chat', 'to-chat', 'Hi', { stream: true }), 'translated': ask('chat', 'to-messages', 'Hi'), 'translated, streamed': ask('messages', 'to-chat', 'Hi', { stream: true }),
    'Bedrock': ask('converse', 'to-chat', 'Hi'), 'Gemini': ask('gemini', 'to-chat', 'Hi'), 'models': fetch(`${proxy.url}/v1/models`, { headers: { 'x-weir-key': KEY } }), 'a model': fetch(`${proxy.url}/v1/models/to-chat`, { headers: { 'x-weir-key': KEY } }),
    'no key': fetch(`${proxy.url}/v1/chat/completions`, { method: 'POST', body: '{}' }), 'no path': fetch(`${proxy.url}/v1/nothing/here`), 'no method': fetch(`${proxy.url}/v1/chat/completions`, { headers: { 'x-weir-key': KEY } }),
    'no JSON': post('/v1/chat/completions', '{'), 'no model': ask('chat', '@nobody/x', 'Hi'), 'options': fetch(`${proxy.url}/v1/chat/completions`, { method: 'OPTIONS' }), 'counting': post('/v1/messages/count_tokens', { model: 'to-chat', messages: [{ role: 'user', content: 'Hi' }] }),
    'native': post('/odd/chat/completions', { model: 'x', messages: [] }), 'steps': post('/v1/a/g', [{ provider: 'odd', endpoint: 'chat/completions', query: { model: 'x', messages: [] } }]), 'steps, malformed': post('/v1/a/g', '['), 'an error': ask('chat', 'to-chat', 'fail 500'), 'cut': ask('chat', 'to-chat', 'cut', { stream: true }),
  };
  const seen = new Set();
  for (const [what, answer] of Object.entries(all)) {
    const r = await answer;
    assert.match(r.headers.get('x-weir-request-id') ?? '', /^req_[0-9a-f]{32}$/, what);
    assert.ok(!seen.has(r.headers.get('x-weir-request-id')), what);
    seen.add(r.headers.get('x-weir-request-id'));
    await r.arrayBuffer().catch(() => {});
  }
});

describe('proofs of thought', () => {
  const TOOL = { type: 'function', function: { name: 'get_weather', description: 'w', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };
  const lastBlocks = () => fake.calls.at(-1).json.messages.find((m) => m.role === 'assistant').content;
  const proven = { type: 'thinking', thinking: 'Let me see.', signature: 'c2ln' };

  for (const stream of [false, true]) {
    for (const target of ['to-claude', 'to-claude-vertex', 'to-claude-bedrock', 'to-gemini-pro']) {
      test(`an OpenAI client of ${target}${stream ? ', streamed' : ''}: what it heard goes back as it was`, async () => {
        const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0 });
        const request = { model: target, messages: [{ role: 'user', content: 'think about it' }], max_tokens: 8000, reasoning_effort: 'low' };
        let message;
        if (stream) {
          message = { role: 'assistant', content: '', reasoning_content: '' };
          for await (const c of await client.chat.completions.create({ ...request, stream: true })) {
            const d = c.choices[0]?.delta ?? {};
            message.content += d.content ?? '';
            message.reasoning_content += d.reasoning_content ?? '';
            if (d.thinking_blocks) (message.thinking_blocks ??= []).push(...d.thinking_blocks);
            if (d.extra_content) message.extra_content = d.extra_content;
          }
          // LiteLLM's form: a block with the signature closes what was thought
          if (message.thinking_blocks) message.thinking_blocks = [{ type: 'thinking', thinking: message.thinking_blocks.map((b) => b.thinking ?? '').join('') || message.reasoning_content, signature: message.thinking_blocks.map((b) => b.signature ?? '').join('') }];
        } else {
          const r = await client.chat.completions.create(request);
          message = r.choices[0].message;
        }
        assert.equal(message.content, 'Hello there!');
        assert.equal(message.reasoning_content, 'Let me see.');
        if (target !== 'to-gemini-pro') assert.deepEqual(message.thinking_blocks, [proven]);
        const r = await client.chat.completions.create({ ...request, messages: [...request.messages, message, { role: 'user', content: 'and now?' }] }).withResponse();
        assert.equal(r.response.headers.get('x-weir-dropped-params'), null);
        const sent = fake.calls.at(-1);
        if (target === 'to-gemini-pro') assert.ok(sent.body.includes('"thoughtSignature":"c2ln"'), sent.body);
        else if (target === 'to-claude-bedrock') assert.deepEqual(lastBlocks()[0].reasoningContent.reasoningText, { text: 'Let me see.', signature: 'c2ln' });
        else assert.deepEqual(lastBlocks()[0], proven);
      });
    }
  }

  test('an OpenAI client with a call between', async () => {
    const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0 });
    const request = { model: 'to-claude', messages: [{ role: 'user', content: 'think of the weather' }], max_tokens: 8000, reasoning_effort: 'low', tools: [TOOL] };
    const m = (await client.chat.completions.create(request)).choices[0].message;
    assert.equal(m.tool_calls.length, 1);
    const r = await client.chat.completions.create({ ...request, messages: [...request.messages, m, { role: 'tool', tool_call_id: m.tool_calls[0].id, content: '21' }] });
    assert.equal(r.choices[0].message.content, 'It is 21 degrees.');
    assert.deepEqual(lastBlocks().map((b) => b.type), ['thinking', 'tool_use']);
    assert.deepEqual(lastBlocks()[0], proven);
  });

  for (const stream of [false, true]) {
    const at = (body) => assert.match(body, /"functionCall":\{[^}]*\{"city":"Paris"\}[^}]*\},"thoughtSignature":"Y2FsbA=="|"thoughtSignature":"Y2FsbA==","functionCall"/, body);
    const text = 'think of the weather', how = stream ? ', streamed' : '';
    test(`Gemini's proof of a call${how}: an OpenAI client`, async () => {
      const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0 });
      const request = { model: 'to-gemini-pro', messages: [{ role: 'user', content: text }], tools: [TOOL] };
      const r = stream ? await client.chat.completions.stream({ ...request, stream: true }).finalChatCompletion() : await client.chat.completions.create(request);
      const m = r.choices[0].message;
      await client.chat.completions.create({ ...request, messages: [...request.messages, m, { role: 'tool', tool_call_id: m.tool_calls[0].id, content: '21' }] });
      at(fake.calls.at(-1).body);
    });
    test(`Gemini's proof of a call${how}: a Responses client`, async () => {
      const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0 });
      const request = { model: 'to-gemini-pro', input: [{ role: 'user', content: text }], tools: [{ type: 'function', name: 'get_weather', parameters: TOOL.function.parameters, strict: false }], include: ['reasoning.encrypted_content'], store: false };
      const r = stream ? await client.responses.stream(request).finalResponse() : await client.responses.create(request);
      const call = r.output.find((o) => o.type === 'function_call');
      await client.responses.create({ ...request, input: [...request.input, ...r.output, { type: 'function_call_output', call_id: call.call_id, output: '21' }] });
      at(fake.calls.at(-1).body);
    });
    test(`Gemini's proof of a call${how}: an Anthropic client`, async () => {
      const client = new Anthropic({ baseURL: proxy.url, apiKey: KEY, maxRetries: 0 });
      const request = { model: 'to-gemini-pro', max_tokens: 8000, messages: [{ role: 'user', content: text }], tools: [{ name: 'get_weather', input_schema: TOOL.function.parameters }] };
      const r = stream ? await client.messages.stream(request).finalMessage() : await client.messages.create(request);
      await client.messages.create({ ...request, messages: [...request.messages, { role: 'assistant', content: r.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: r.content.find((x) => x.type === 'tool_use').id, content: '21' }] }] });
      at(fake.calls.at(-1).body);
    });
    test(`a Responses client${stream ? ', streamed' : ''}: encrypted_content`, async () => {
      const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0 });
      for (const target of ['to-claude', 'to-claude-bedrock', 'to-gemini-pro']) {
        const request = { model: target, input: [{ role: 'user', content: 'think about it' }], max_output_tokens: 8000, reasoning: { effort: 'low', summary: 'auto' }, include: ['reasoning.encrypted_content'], store: false };
        const r = stream ? await client.responses.stream(request).finalResponse() : await client.responses.create(request);
        assert.equal(r.output_text, 'Hello there!', target);
        const thought = r.output.find((o) => o.type === 'reasoning');
        assert.equal(thought.summary.map((s) => s.text).join(''), 'Let me see.');
        if (target !== 'to-gemini-pro') assert.ok(thought.encrypted_content, target);
        await client.responses.create({ ...request, input: [...request.input, ...r.output, { role: 'user', content: 'and now?' }] });
        const sent = fake.calls.at(-1);
        if (target === 'to-claude') assert.deepEqual(lastBlocks()[0], proven);
        if (target === 'to-claude-bedrock') assert.deepEqual(lastBlocks()[0].reasoningContent.reasoningText, { text: 'Let me see.', signature: 'c2ln' });
        assert.ok(sent.body.includes('"c2ln"'), `${target}: ${sent.body}`);
      }
    });
  }

  test('Anthropic\'s and Gemini\'s clients', async () => {
    const anthropic = new Anthropic({ baseURL: proxy.url, apiKey: KEY, maxRetries: 0 });
    for (const target of ['to-gemini-pro', 'to-claude-bedrock']) {
      const request = { model: target, max_tokens: 8000, thinking: { type: 'enabled', budget_tokens: 2000 }, messages: [{ role: 'user', content: 'think about it' }] };
      const r = await anthropic.messages.create(request);
      await anthropic.messages.create({ ...request, messages: [...request.messages, { role: 'assistant', content: r.content }, { role: 'user', content: 'and now?' }] });
      assert.ok(fake.calls.at(-1).body.includes('"c2ln"'), `${target}: ${fake.calls.at(-1).body}`);
    }
    const gemini = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: proxy.url, retryOptions: { attempts: 1 } } });
    const first = await gemini.models.generateContent({ model: 'to-claude', contents: 'think about it', config: { thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 }, maxOutputTokens: 8000 } });
    await gemini.models.generateContent({ model: 'to-claude', contents: [{ role: 'user', parts: [{ text: 'think about it' }] }, first.candidates[0].content, { role: 'user', parts: [{ text: 'and now?' }] }], config: { maxOutputTokens: 8000 } });
    assert.deepEqual(lastBlocks()[0], proven);
  });

  test('go to nobody else', async () => {
    for (const target of ['to-gemini', 'to-chat', 'to-responses', 'to-cohere', 'to-ollama']) {
      const r = await ask('messages', target, 'x', { extra: { messages: [{ role: 'user', content: 'a' }, { role: 'assistant', content: [{ ...proven, signature: 'c2lnbmVkIGJ5IEFudGhyb3BpYw==' }, { type: 'text', text: 'b' }] }, { role: 'user', content: 'c' }] } });
      assert.equal(r.status, 200, await r.text());
      assert.ok(!fake.calls.at(-1).body.includes('c2lnbmVkIGJ5IEFudGhyb3BpYw'), `${target}: ${fake.calls.at(-1).body}`);
    }
  });
});

describe('counting tokens', () => {
  before(() => {
    odd.handler = (call, res) => {
      const answer = /\/v1\/messages\/count_tokens$/.test(call.url) ? { input_tokens: 17 } : /:countTokens$/.test(call.url) ? { totalTokens: 18, promptTokensDetails: [] } : /\/count-tokens$/.test(call.url) ? { inputTokens: 19 } : undefined;
      if (!answer) return false;
      res.writeHead(200, { 'content-type': 'application/json' });
      return res.end(JSON.stringify(answer));
    };
  });
  const EXPECTED = { 'odd-anthropic/m': 17, 'odd-gemini/m': 18, 'odd-bedrock/m': 19 };
  const estimated = (n, headers) => {
    assert.equal(headers.get('x-weir-estimated'), 'true');
    assert.ok(n > 50 && n < 200, `${n}`);
  };
  const TEXT = 'word '.repeat(60);

  test('Anthropic\'s SDK', async () => {
    const client = new Anthropic({ baseURL: proxy.url, apiKey: KEY, maxRetries: 0 });
    const count = (model) => client.messages.countTokens({ model, system: 'Be brief.', messages: [{ role: 'user', content: TEXT }], tools: [{ name: 't', input_schema: { type: 'object' } }] }).withResponse();
    for (const [model, n] of Object.entries(EXPECTED)) {
      const { data, response } = await count(model);
      assert.equal(data.input_tokens, n, model);
      assert.equal(response.headers.get('x-weir-estimated'), null);
      assert.equal(odd.calls.at(-1).json.max_tokens, undefined);
      assert.equal((await eventOf(proxy, response)).cost_nanousd, 0);
    }
    const from = odd.calls.length, { data, response } = await count('odd/m');
    estimated(data.input_tokens, response.headers);
    assert.equal(odd.calls.length, from);
  });
  test('Gemini\'s SDK', async () => {
    const client = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: proxy.url, retryOptions: { attempts: 1 } } });
    for (const [model, n] of Object.entries(EXPECTED)) assert.equal((await client.models.countTokens({ model, contents: TEXT })).totalTokens, n, model);
    const r = await post('/v1beta/models/odd%2Fm:countTokens', { contents: [{ role: 'user', parts: [{ text: TEXT }] }] });
    estimated((await r.json()).totalTokens, r.headers);
  });
  test('AWS\'s SDK', async () => {
    const client = new BedrockRuntimeClient({ endpoint: proxy.url, region: 'us-east-1', credentials: { accessKeyId: KEY, secretAccessKey: 'x' }, maxAttempts: 1 });
    for (const [model, n] of Object.entries(EXPECTED)) {
      const r = await client.send(new CountTokensCommand({ modelId: model, input: { converse: { messages: [{ role: 'user', content: [{ text: TEXT }] }] } } }));
      assert.equal(r.inputTokens, n, model);
    }
    client.destroy();
  });
});
