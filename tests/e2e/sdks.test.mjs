// The providers' own SDKs as clients: every client dialect on every provider dialect, through one proxy. What each SDK must see:
// the text, the calls with their arguments, the usage (20 in, 9 out), why it stopped, and its own exception for a provider's refusal.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand, InvokeModelWithResponseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { createOpenAI } from '@ai-sdk/openai';
import { GoogleGenAI } from '@google/genai';
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import OpenAI4 from 'openai4';
import { Portkey } from 'portkey-ai';
import { fakeDialects, providerYaml, TARGETS } from './harness/fake_dialects.mjs';
import { startStandalone } from './harness/planes.mjs';

const KEY = 'sdk-client-key';
const SCHEMA = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false, $schema: 'http://json-schema.org/draft-07/schema#' };
const DESCRIPTION = 'The weather of a city';
let fake, proxy;

before(async () => {
  fake = await fakeDialects();
  proxy = await startStandalone(`
version: 1
providers:${providerYaml(fake.url)}
models:
${Object.entries(TARGETS).map(([name, target]) => `  - {name: ${name}, targets: [${target}]}`).join('\n')}
keys: [{name: sdk, secret: ${KEY}}]
`, { workers: 2 });
});

after(async () => {
  await proxy?.end();
  await fake?.close();
});

// ---- a client each: ask(model, turns, { stream, tools }) → { text, calls: [{ id, name, args }], usage: { input, output }, finish } ----
// turns: [{ user }] and, after a call, [{ user }, { calls }, { results: [{ id, name, text }] }]

const merged = (list) => {
  const calls = [];
  for (const d of list) {
    const c = (calls[d.index] ??= { id: '', name: '', text: '' });
    c.id ||= d.id ?? '';
    c.name ||= d.function?.name ?? '';
    c.text += d.function?.arguments ?? '';
  }
  return calls.map((c) => ({ id: c.id, name: c.name, args: JSON.parse(c.text) }));
};
const openaiTurns = (turns) => turns.flatMap((t) => (t.user ? [{ role: 'user', content: t.user }]
  : t.calls ? [{ role: 'assistant', content: null, tool_calls: t.calls.map((c) => ({ id: c.id, type: 'function', function: { name: c.name, arguments: JSON.stringify(c.args) } })) }]
    : t.results.map((r) => ({ role: 'tool', tool_call_id: r.id, content: r.text }))));
const openaiTools = [{ type: 'function', function: { name: 'get_weather', description: DESCRIPTION, parameters: SCHEMA } }];

async function askChat(client, model, turns, { stream, tools }) {
  const request = { model, messages: [{ role: 'system', content: 'Be brief.' }, ...openaiTurns(turns)], max_tokens: 4000, ...(tools ? { tools: openaiTools } : {}) };
  if (!stream) {
    const r = await client.chat.completions.create(request);
    const c = r.choices[0];
    return { text: c.message.content ?? '', finish: c.finish_reason, usage: { input: r.usage.prompt_tokens, output: r.usage.completion_tokens, cached: r.usage.prompt_tokens_details?.cached_tokens },
      calls: (c.message.tool_calls ?? []).map((x) => ({ id: x.id, name: x.function.name, args: JSON.parse(x.function.arguments) })) };
  }
  const out = { text: '', usage: undefined };
  const deltas = [];
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
    const c = chunk.choices[0];
    out.text += c?.delta.content ?? '';
    deltas.push(...(c?.delta.tool_calls ?? []));
    out.finish = c?.finish_reason ?? out.finish;
    if (chunk.usage) out.usage = { input: chunk.usage.prompt_tokens, output: chunk.usage.completion_tokens, cached: chunk.usage.prompt_tokens_details?.cached_tokens };
  }
  return { ...out, calls: merged(deltas) };
}

const openai = (Client, extra = {}) => ({
  client: () => new Client({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0, ...extra }),
  ask: askChat,
  finish: { plain: 'stop', tools: 'tool_calls', refuse: 'content_filter' },
  error: { 400: 'BadRequestError', 401: 'AuthenticationError', 404: 'NotFoundError', 429: 'RateLimitError', 500: 'InternalServerError' },
});

const CLIENTS = {
  openai: openai(OpenAI),
  'openai 4': openai(OpenAI4),
  'openai responses': {
    client: () => new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0 }),
    async ask(client, model, turns, { stream, tools }) {
      const input = turns.flatMap((t) => (t.user ? [{ role: 'user', content: t.user }]
        : t.calls ? t.calls.map((c) => ({ type: 'function_call', call_id: c.id, name: c.name, arguments: JSON.stringify(c.args) }))
          : t.results.map((r) => ({ type: 'function_call_output', call_id: r.id, output: r.text }))));
      const request = { model, input, instructions: 'Be brief.', max_output_tokens: 4000, ...(tools ? { tools: [{ type: 'function', name: 'get_weather', description: DESCRIPTION, parameters: SCHEMA, strict: false }] } : {}) };
      let r, deltas = '';
      if (stream) {
        const s = client.responses.stream(request);
        s.on('response.output_text.delta', (e) => (deltas += e.delta));
        r = await s.finalResponse();
        assert.equal(deltas, r.output_text, 'deltas and final text');
      } else r = await client.responses.create(request);
      return { text: r.output_text, finish: r.status === 'incomplete' ? r.incomplete_details.reason : r.output.some((o) => o.type === 'function_call') ? 'tool_calls' : r.status,
        usage: { input: r.usage.input_tokens, output: r.usage.output_tokens, cached: r.usage.input_tokens_details?.cached_tokens },
        calls: r.output.filter((o) => o.type === 'function_call').map((o) => ({ id: o.call_id, name: o.name, args: JSON.parse(o.arguments) })) };
    },
    finish: { plain: 'completed', tools: 'tool_calls', refuse: 'content_filter' },
    error: { 400: 'BadRequestError', 401: 'AuthenticationError', 404: 'NotFoundError', 429: 'RateLimitError', 500: 'InternalServerError' },
  },
  '@anthropic-ai/sdk': {
    client: () => new Anthropic({ baseURL: proxy.url, apiKey: KEY, maxRetries: 0 }),
    async ask(client, model, turns, { stream, tools }) {
      const messages = turns.map((t) => (t.user ? { role: 'user', content: t.user }
        : t.calls ? { role: 'assistant', content: t.calls.map((c) => ({ type: 'tool_use', id: c.id, name: c.name, input: c.args })) }
          : { role: 'user', content: t.results.map((r) => ({ type: 'tool_result', tool_use_id: r.id, content: r.text })) }));
      const request = { model, messages, system: 'Be brief.', max_tokens: 4000, ...(tools ? { tools: [{ name: 'get_weather', description: DESCRIPTION, input_schema: SCHEMA }] } : {}) };
      const r = stream ? await client.messages.stream(request).finalMessage() : await client.messages.create(request);
      const u = r.usage;
      return { text: r.content.filter((b) => b.type === 'text').map((b) => b.text).join(''), finish: r.stop_reason,
        usage: { input: u.input_tokens + (u.cache_read_input_tokens ?? 0) + (u.cache_creation_input_tokens ?? 0), output: u.output_tokens, cached: u.cache_read_input_tokens },
        calls: r.content.filter((b) => b.type === 'tool_use').map((b) => ({ id: b.id, name: b.name, args: b.input })) };
    },
    finish: { plain: 'end_turn', tools: 'tool_use', refuse: 'refusal' },
    error: { 400: 'BadRequestError', 401: 'AuthenticationError', 404: 'NotFoundError', 429: 'RateLimitError', 500: 'InternalServerError' },
  },
  '@google/genai': {
    client: () => new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: proxy.url, retryOptions: { attempts: 1 } } }),
    async ask(client, model, turns, { stream, tools }) {
      const contents = turns.map((t) => (t.user ? { role: 'user', parts: [{ text: t.user }] }
        : t.calls ? { role: 'model', parts: t.calls.map((c) => ({ functionCall: { id: c.id, name: c.name, args: c.args } })) }
          : { role: 'user', parts: t.results.map((r) => ({ functionResponse: { id: r.id, name: r.name, response: { result: r.text } } })) }));
      const request = { model, contents, config: { systemInstruction: 'Be brief.', maxOutputTokens: 4000, ...(tools ? { tools: [{ functionDeclarations: [{ name: 'get_weather', description: DESCRIPTION, parametersJsonSchema: SCHEMA }] }] } : {}) } };
      const parts = [];
      let usage, finish;
      const take = (r) => {
        parts.push(...(r.candidates?.[0]?.content?.parts ?? []));
        finish = r.candidates?.[0]?.finishReason ?? (r.promptFeedback?.blockReason ? 'SAFETY' : finish);
        if (r.usageMetadata) usage = { input: r.usageMetadata.promptTokenCount, output: (r.usageMetadata.candidatesTokenCount ?? 0) + (r.usageMetadata.thoughtsTokenCount ?? 0), cached: r.usageMetadata.cachedContentTokenCount };
      };
      if (stream) for await (const r of await client.models.generateContentStream(request)) take(r);
      else take(await client.models.generateContent(request));
      return { text: parts.filter((p) => p.text && !p.thought).map((p) => p.text).join(''), finish, usage,
        calls: parts.filter((p) => p.functionCall).map((p) => ({ id: p.functionCall.id, name: p.functionCall.name, args: p.functionCall.args })) };
    },
    finish: { plain: 'STOP', tools: 'STOP', refuse: 'SAFETY' },
    error: { 400: 'ApiError', 401: 'ApiError', 404: 'ApiError', 429: 'ApiError', 500: 'ApiError' },
  },
  '@aws-sdk/client-bedrock-runtime': {
    client: () => new BedrockRuntimeClient({ endpoint: proxy.url, region: 'us-east-1', credentials: { accessKeyId: KEY, secretAccessKey: 'anything' }, maxAttempts: 1 }),
    close: (client) => client.destroy(),
    async ask(client, model, turns, { stream, tools }) {
      const messages = turns.map((t) => (t.user ? { role: 'user', content: [{ text: t.user }] }
        : t.calls ? { role: 'assistant', content: t.calls.map((c) => ({ toolUse: { toolUseId: c.id, name: c.name, input: c.args } })) }
          : { role: 'user', content: t.results.map((r) => ({ toolResult: { toolUseId: r.id, content: [{ text: r.text }] } })) }));
      const request = { modelId: model, messages, system: [{ text: 'Be brief.' }], inferenceConfig: { maxTokens: 4000 }, ...(tools ? { toolConfig: { tools: [{ toolSpec: { name: 'get_weather', description: DESCRIPTION, inputSchema: { json: SCHEMA } } }] } } : {}) };
      const usageOf = (u) => ({ input: u.inputTokens + (u.cacheReadInputTokens ?? 0) + (u.cacheWriteInputTokens ?? 0), output: u.outputTokens, cached: u.cacheReadInputTokens });
      if (!stream) {
        const r = await client.send(new ConverseCommand(request));
        const c = r.output.message.content;
        return { text: c.filter((b) => b.text).map((b) => b.text).join(''), finish: r.stopReason, usage: usageOf(r.usage), calls: c.filter((b) => b.toolUse).map((b) => ({ id: b.toolUse.toolUseId, name: b.toolUse.name, args: b.toolUse.input })) };
      }
      const out = { text: '', calls: [] };
      const open = new Map();
      for await (const e of (await client.send(new ConverseStreamCommand(request))).stream) {
        const at = Object.values(e)[0];
        if (e.contentBlockStart?.start?.toolUse) open.set(at.contentBlockIndex, { ...e.contentBlockStart.start.toolUse, text: '' });
        if (e.contentBlockDelta?.delta.text) out.text += at.delta.text;
        if (e.contentBlockDelta?.delta.toolUse) open.get(at.contentBlockIndex).text += at.delta.toolUse.input;
        if (e.messageStop) out.finish = e.messageStop.stopReason;
        if (e.metadata) out.usage = usageOf(e.metadata.usage);
      }
      out.calls = [...open.values()].map((c) => ({ id: c.toolUseId, name: c.name, args: JSON.parse(c.text) }));
      return out;
    },
    finish: { plain: 'end_turn', tools: 'tool_use', refuse: 'content_filtered' },
    error: { 400: 'ValidationException', 401: ['AccessDeniedException', 'UnrecognizedClientException'], 404: 'ResourceNotFoundException', 429: 'ThrottlingException', 500: 'InternalServerException' },
  },
  'portkey-ai': {
    ...openai(Portkey),
    client: () => new Portkey({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0 }),
  },
  '@langchain/openai': {
    client: () => null,
    async ask(_, model, turns, { stream, tools }) {
      const llm = new ChatOpenAI({ model, apiKey: KEY, maxRetries: 0, maxTokens: 4000, streamUsage: true, configuration: { baseURL: `${proxy.url}/v1` } });
      const bound = tools ? llm.bindTools(openaiTools) : llm;
      const messages = turns.flatMap((t) => (t.user ? [new HumanMessage(t.user)]
        : t.calls ? [new AIMessage({ content: '', tool_calls: t.calls.map((c) => ({ id: c.id, name: c.name, args: c.args })) })]
          : t.results.map((r) => new ToolMessage({ tool_call_id: r.id, content: r.text }))));
      let r;
      if (stream) for await (const chunk of await bound.stream(messages)) r = r ? r.concat(chunk) : chunk;
      else r = await bound.invoke(messages);
      return { text: r.content, finish: r.response_metadata.finish_reason, usage: { input: r.usage_metadata.input_tokens, output: r.usage_metadata.output_tokens, cached: r.usage_metadata.input_token_details?.cache_read },
        calls: (r.tool_calls ?? []).map((c) => ({ id: c.id, name: c.name, args: c.args })) };
    },
    finish: { plain: 'stop', tools: 'tool_calls', refuse: 'content_filter' },
    error: { 429: 'RateLimitError', 400: 'BadRequestError', 401: 'AuthenticationError', 404: 'NotFoundError', 500: 'InternalServerError' },
  },
  ai: {
    client: () => createOpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY }),
    async ask(client, model, turns, { stream, tools }) {
      const messages = turns.map((t) => (t.user ? { role: 'user', content: t.user }
        : t.calls ? { role: 'assistant', content: t.calls.map((c) => ({ type: 'tool-call', toolCallId: c.id, toolName: c.name, input: c.args })) }
          : { role: 'tool', content: t.results.map((r) => ({ type: 'tool-result', toolCallId: r.id, toolName: r.name, output: { type: 'text', value: r.text } })) }));
      const request = { model: client.chat(model), messages, system: 'Be brief.', maxRetries: 0, maxOutputTokens: 4000, stopWhen: stepCountIs(1), ...(tools ? { tools: { get_weather: tool({ description: DESCRIPTION, inputSchema: jsonSchema(SCHEMA) }) } } : {}) };
      let failed;
      const r = stream ? streamText({ ...request, onError: ({ error }) => (failed = error) }) : await generateText(request);
      const of = async (name) => {
        try {
          return await r[name];
        } catch (e) {
          throw failed ?? e;
        }
      };
      const usage = await of('usage');
      const text = await of('text');
      if (failed) throw failed; // a stream that failed half-way still gives its text
      return { text, finish: await of('finishReason'), usage: { input: usage.inputTokens, output: usage.outputTokens, cached: usage.cachedInputTokens },
        calls: (await of('toolCalls')).map((c) => ({ id: c.toolCallId, name: c.toolName, args: c.input })) };
    },
    finish: { plain: 'stop', tools: 'tool-calls', refuse: 'content-filter' },
    error: { 400: 'AI_APICallError', 401: 'AI_APICallError', 404: 'AI_APICallError', 429: 'AI_APICallError', 500: 'AI_APICallError' },
  },
};

const CACHED = (target) => (target === 'to-ollama' ? undefined : 4);

for (const [name, c] of Object.entries(CLIENTS)) {
  describe(name, () => {
    let client;
    before(() => (client = c.client()));
    after(() => c.close?.(client));
    for (const target of Object.keys(TARGETS)) {
      for (const stream of [false, true]) {
        const how = `${target}${stream ? ', streamed' : ''}`;
        test(`${how}: text, a call, two calls and their results`, async () => {
          const from = fake.faults.length;
          const ask = (turns, tools) => c.ask(client, target, turns, { stream, tools }).catch((e) => {
            throw new Error(`${e.name}: ${e.message} ${fake.faults.slice(from).join('\n')}`, { cause: e });
          });
          const plain = await ask([{ user: 'Hi' }]);
          assert.equal(plain.text, 'Hello there!');
          assert.equal(plain.finish, c.finish.plain);
          assert.equal(plain.usage.input, 20);
          assert.equal(plain.usage.output, 9);
          if (CACHED(target) !== undefined) assert.equal(plain.usage.cached, CACHED(target), 'cached tokens');

          const one = await ask([{ user: 'weather in Paris?' }], true);
          assert.equal(one.finish, c.finish.tools);
          assert.deepEqual(one.calls.map((x) => [x.name, x.args]), [['get_weather', { city: 'Paris' }]]);

          const two = await ask([{ user: 'weather in both?' }], true);
          assert.deepEqual(two.calls.map((x) => [x.name, x.args]), [['get_weather', { city: 'Paris' }], ['get_weather', { city: 'Rome' }]]);
          assert.equal(new Set(two.calls.map((x) => x.id)).size, two.calls.every((x) => x.id) ? 2 : 1, 'ids are distinct');

          const answer = await ask([{ user: 'weather in both?' }, { calls: two.calls }, { results: two.calls.map((x) => ({ id: x.id, name: x.name, text: '21 degrees' })) }], true);
          assert.equal(answer.text, 'It is 21 degrees.');
          assert.deepEqual(fake.faults.slice(from), []);
        });

        test(`${how}: a provider's refusals raise the SDK's own exceptions`, async () => {
          for (const status of [400, 401, 404, 429, 500]) {
            const e = await c.ask(client, target, [{ user: `please fail ${status}` }], { stream }).then(() => null, (x) => x);
            assert.ok(e, `${status}: nothing was raised`);
            const names = [c.error[status]].flat();
            assert.ok(names.includes(e.name) || names.includes(e.constructor.name), `${status}: ${e.name} / ${e.constructor.name}: ${e.message}`);
            assert.match(e.message, new RegExp(`no luck \\(${status}\\)`), `${status}: ${e.message}`);
          }
        });

        test(`${how}: a safety block`, async () => {
          if (target === 'to-ollama' || target === 'to-cohere') return; // they have none
          const r = await c.ask(client, target, [{ user: 'refuse this' }], { stream });
          assert.equal(r.text, '');
          assert.ok([c.finish.refuse, 'refusal', 'content_filter', 'content-filter', 'content_filtered', 'SAFETY', 'guardrail_intervened', 'stop', 'completed'].includes(r.finish), r.finish);
          assert.notEqual(r.finish, c.finish.plain, 'it looks like a normal end');
        });
      }

      test(`${target}: a stream that breaks off, or reports an error, raises`, async () => {
        for (const text of ['cut', 'broken']) {
          await assert.rejects(c.ask(client, target, [{ user: text }], { stream: true }).then((r) => r, (e) => {
            throw e instanceof Error ? e : new Error(JSON.stringify(e)); // some SDKs throw what the stream said
          }), `${text}: ended well`);
        }
      });
    }
  });
}

test('the AWS SDK with a bearer key in place of a signature', async () => {
  const client = new BedrockRuntimeClient({ endpoint: proxy.url, region: 'us-east-1', token: { token: KEY }, authSchemePreference: ['httpBearerAuth'], maxAttempts: 1 });
  const r = await client.send(new ConverseCommand({ modelId: 'to-messages', messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }));
  assert.equal(r.output.message.content[0].text, 'Hello there!');
  client.destroy();
});

describe('Bedrock InvokeModel', () => {
  let client;
  before(() => (client = new BedrockRuntimeClient({ endpoint: proxy.url, region: 'us-east-1', credentials: { accessKeyId: KEY, secretAccessKey: 'anything' }, maxAttempts: 1 })));
  after(() => client.destroy());
  const body = (text) => JSON.stringify({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 4000, messages: [{ role: 'user', content: text }] });
  for (const target of Object.keys(TARGETS)) {
    test(`${target}: whole and streamed`, async () => {
      const r = await client.send(new InvokeModelCommand({ modelId: target, contentType: 'application/json', body: body('Hi') }));
      const json = JSON.parse(Buffer.from(r.body));
      assert.equal(json.content[0].text, 'Hello there!');
      assert.equal(json.usage.output_tokens, 9);
      let text = '', types = [];
      for await (const e of (await client.send(new InvokeModelWithResponseStreamCommand({ modelId: target, contentType: 'application/json', body: body('Hi') }))).body) {
        const inner = JSON.parse(Buffer.from(e.chunk.bytes));
        types.push(inner.type);
        text += inner.delta?.text ?? '';
      }
      assert.equal(text, 'Hello there!');
      assert.equal(types[0], 'message_start');
      assert.equal(types.at(-1), 'message_stop');
    });
  }
});

test('every completed call has its event with the provider\'s own numbers', () => {
  const events = readFileSync(proxy.eventsFile, 'utf8').trim().split('\n').map((l) => JSON.parse(l));
  const ok = events.filter((e) => e.outcome === 'ok' && e.endpoint !== 'models');
  assert.ok(ok.length > 300, `${ok.length} events`);
  for (const e of ok) {
    const q = Object.fromEntries(e.attempts[0].quantities.map((x) => [x.unit, x]));
    const total = ['token_in', 'token_cached', 'token_cache_write_5m'].reduce((n, u) => n + (q[u]?.quantity ?? 0), 0);
    assert.ok(Object.values(q).every((x) => x.source === 'provider'), JSON.stringify(e));
    assert.equal(total, 20, JSON.stringify(e));
    assert.ok([9, undefined, 0].includes(q.token_out?.quantity), JSON.stringify(e));
  }
});
