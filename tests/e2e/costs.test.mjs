// What a request used and what it cost: the provider's own numbers to the token, the catalogue's prices to the nano-dollar, whichever way
// the answer took (passed, translated, native, a step; whole or streamed) and however it ended. The catalogue is the test's own, its
// prices such that no two mistakes could cancel out.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { event, frames } from './harness/aws_event.mjs';
import { eventOf, quantities } from './harness/events.mjs';
import { DIALECTS } from './harness/fake_dialects.mjs';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { temporaryFolder } from './harness/process.mjs';

const KEY = 'costs-key';
const PLAIN = { text: 'Hello there, this is an answer of some words!', calls: [], think: false, refuse: false };
// pico-USD per unit; [price, above 1000 tokens of prompt]
const PRICES = {
  token_in: [1000003, 2000003], token_out: [5000011, 7000013], token_cached: [100003], cache_write_5m: [1250017], cache_write_1h: [2000029], audio_in: [3000017], audio_out: [9000031],
  image_in: [1500007], image_out: [11000027], video_in: [1700021], audio_cached: [300007], search: [10000000000],
};
const REASONING = { ...PRICES, token_reasoning: [6000023] };
const BARE = { token_in: PRICES.token_in, token_out: PRICES.token_out };
const STAND_IN = { token_cached: 'token_in', cache_write_5m: 'token_in', cache_write_1h: 'token_in', audio_in: 'token_in', image_in: 'token_in', video_in: 'token_in', audio_cached: 'token_cached', audio_out: 'token_out', image_out: 'token_out' };
const INPUT = ['token_in', 'token_cached', 'cache_write_5m', 'cache_write_1h', 'audio_in', 'image_in', 'video_in', 'audio_cached'];

// By hand, that is: lines of pico-USD, summed, rounded half up to nano-USD once.
function cost(prices, units) {
  const prompt = INPUT.reduce((n, u) => n + (units[u] ?? 0), 0);
  const price = (unit) => {
    if (!unit) return 0;
    const p = prices[unit];
    return p ? (prompt > 1000 && p[1] ? p[1] : p[0]) : price(STAND_IN[unit]);
  };
  const lines = { ...units };
  if (prices.token_reasoning) lines.token_out -= lines.token_reasoning ?? 0;
  let sum = 0n;
  for (const [unit, n] of Object.entries(lines)) sum += BigInt(n) * BigInt(price(unit));
  return Number((sum + 500n) / 1000n);
}

// The events' names of the units.
const NAMES = { cache_write_5m: 'token_cache_write_5m', cache_write_1h: 'token_cache_write_1h' };

// ---- the provider: DIALECTS' answers with the usage that the test wants ----

const ANTHROPIC_STREAM = (o, u) => {
  if (o.type === 'message_start') o.message.usage = { ...u, output_tokens: 1, server_tool_use: undefined };
  if (o.type === 'message_delta') o.usage = { output_tokens: u.output_tokens, server_tool_use: u.server_tool_use };
};
const SHAPES = {
  chat: { whole: (o, u) => (o.usage = u), stream: (o, u) => o.usage && (o.usage = u) },
  responses: { whole: (o, u) => (o.usage = u), stream: (o, u) => o.response?.usage && (o.response.usage = u) },
  messages: { whole: (o, u) => (o.usage = u), stream: ANTHROPIC_STREAM },
  gemini: { whole: (o, u) => (o.usageMetadata = u), stream: (o, u) => (o.usageMetadata = o.candidates?.[0].finishReason ? u : { promptTokenCount: u.promptTokenCount, totalTokenCount: u.promptTokenCount }) },
  converse: { whole: (o, u) => (o.usage = u), stream: (o, u) => o.usage && (o.usage = u) },
  cohere: { whole: (o, u) => (o.usage = u), stream: (o, u) => o.delta?.usage && (o.delta.usage = u) },
  ollama: { whole: (o, u) => Object.assign(o, u), stream: (o, u) => o.done && Object.assign(o, u) },
};
function rewritten(name, bytes, usage) {
  const shape = SHAPES[name].stream;
  if (name === 'converse') {
    return Buffer.concat(frames(bytes).map((f) => {
      const o = JSON.parse(f.payload);
      shape(o, usage);
      return event(f.type, o);
    }));
  }
  return String(bytes).replace(/^(data: )?(\{.*\})(\r?)$/gm, (_, data = '', json, cr) => {
    const o = JSON.parse(json);
    shape(o, usage);
    return data + JSON.stringify(o) + cr;
  });
}

const dialectOf = (url) => (/\/messages$|rawPredict$/i.test(url) ? 'messages' : /generateContent$/i.test(url) ? 'gemini' : /\/converse(-stream)?$/.test(url) ? 'converse'
  : /\/v2\/chat$/.test(url) ? 'cohere' : /\/api\/chat$/.test(url) ? 'ollama' : /\/responses$/.test(url) ? 'responses' : 'chat');
let provider, proxy, folder, usage, hold; // hold: how many writes go out before the answer stops there ('open') or breaks ('cut')

function answer(call, res) {
  const name = dialectOf(call.url.split('?')[0]), d = DIALECTS[name], json = call.json;
  const streams = json.stream === true || /stream/i.test(call.url) || (name === 'ollama' && json.stream !== false);
  if (!streams) {
    const o = d.whole(PLAIN, json, call.url);
    SHAPES[name].whole(o, usage);
    res.writeHead(200, { 'content-type': 'application/json' });
    return res.end(JSON.stringify(o));
  }
  res.writeHead(200, { 'content-type': name === 'gemini' && !call.url.includes('alt=sse') ? 'application/json' : d.streamType ?? 'text/event-stream' });
  let n = 0;
  const array = name === 'gemini' && !call.url.includes('alt=sse'); // one array, if no events are asked for
  d.stream(PLAIN, json, (b) => {
    const bytes = rewritten(name, b, usage);
    if (!hold || n < hold.after) res.write(array ? (n ? ',\r\n' : '[') + bytes.slice(6).trim() : bytes);
    n++;
    return true;
  }, `${call.url}${array ? '?alt=sse' : ''}`);
  if (array) res.write(']');
  if (!hold) return res.end();
  if (hold.how === 'cut') return res.write('', () => setImmediate(() => res.destroy()));
  res.once('close', hold.closed);
  return undefined;
}

const KINDS = { openai: 'openai', anthropic: 'anthropic', gemini: 'gemini', vertex: 'vertex', bedrock: 'bedrock', cohere: 'cohere', ollama: 'ollama', azure: 'azure-openai' };
before(async () => {
  provider = await fakeProvider(answer);
  folder = temporaryFolder('catalogue');
  const listed = (prices) => Object.fromEntries(Object.entries(prices).map(([u, [p, above]]) => [u, above ? { price: p, tiers: [{ above: 1000, price: above }] } : p]));
  const models = Object.entries({ 'claude-priced': PRICES, 'm-bare': BARE, 'm-priced': PRICES, 'm-reasoning': REASONING });
  const entries = [...new Set(Object.values(KINDS))].sort().flatMap((kind) => models.map(([model, prices]) => ({ provider: kind, model, title: model, context: 100000, input: ['text'], output: ['text'], capabilities: ['stream'], price: listed(prices), source: 'test' })));
  const file = join(folder.folder, 'catalogue.json');
  writeFileSync(file, JSON.stringify({ format: 1, version: 'test 1', date: '2026-01-01', currency: 'USD', unit: 'pico-USD', sources: [], aliases: {}, models: entries }));
  const url = provider.url;
  proxy = await startStandalone(`
version: 1
providers:
  - {name: openai, kind: openai, base_url: "${url}/openai/v1", api_key: up}
  - {name: anthropic, kind: anthropic, base_url: "${url}/anthropic", api_key: up}
  - {name: gemini, kind: gemini, base_url: "${url}/gemini", api_key: up}
  - {name: vertex, kind: vertex, base_url: "${url}/vertex", project: p, location: us-central1, access_token: up}
  - {name: bedrock, kind: bedrock, base_url: "${url}/bedrock", region: us-east-1, api_key: up}
  - {name: cohere, kind: cohere, base_url: "${url}/cohere", api_key: up}
  - {name: ollama, kind: ollama, base_url: "${url}/ollama"}
  - {name: azure, kind: azure-openai, base_url: "${url}/azure", api_key: up, api_version: "2024-10-21"}
models:
  - {name: by-responses, targets: [{provider: openai, model: m-priced, endpoint: responses}]}
keys: [{name: k, secret: ${KEY}}]
`, { workers: 1, args: ['--catalogue', file] });
});

after(async () => {
  await proxy?.end();
  await provider?.close();
  folder?.remove();
});

// ---- clients ----

const send = (path, body, signal) => fetch(proxy.url + path, { method: 'POST', headers: { 'content-type': 'application/json', 'x-weir-key': KEY }, body: JSON.stringify(body), signal });
const USER = [{ role: 'user', content: 'Hi there' }];
const CONTENTS = [{ role: 'user', parts: [{ text: 'Hi there' }] }];
const FACES = {
  chat: (model, stream, signal) => send('/v1/chat/completions', { model, messages: USER, ...(stream ? { stream: true } : {}) }, signal),
  'chat with usage': (model, stream, signal) => send('/v1/chat/completions', { model, messages: USER, ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}) }, signal),
  responses: (model, stream, signal) => send('/v1/responses', { model, input: 'Hi there', ...(stream ? { stream: true } : {}) }, signal),
  messages: (model, stream, signal) => send('/v1/messages', { model, max_tokens: 999, messages: USER, ...(stream ? { stream: true } : {}) }, signal),
  gemini: (model, stream, signal) => send(`/v1beta/models/${encodeURIComponent(model)}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`, { contents: CONTENTS }, signal),
  'gemini array': (model, stream, signal) => send(`/v1beta/models/${encodeURIComponent(model)}:${stream ? 'streamGenerateContent' : 'generateContent'}`, { contents: CONTENTS }, signal),
  converse: (model, stream, signal) => send(`/model/${encodeURIComponent(model)}/converse${stream ? '-stream' : ''}`, { messages: [{ role: 'user', content: [{ text: 'Hi there' }] }] }, signal),
};
// A provider's own call, beneath its name, and as a step of Cloudflare's universal request.
const own = (name, model, stream) => ({
  openai: ['chat/completions', { model, messages: USER, ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}) }],
  anthropic: ['v1/messages', { model, max_tokens: 9, messages: USER, ...(stream ? { stream: true } : {}) }],
  gemini: [`v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`, { contents: CONTENTS }],
  vertex: [`v1/projects/p/locations/us-central1/publishers/google/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`, { contents: CONTENTS }],
  bedrock: [`model/${model}/converse${stream ? '-stream' : ''}`, { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }],
  cohere: ['v2/chat', { model, messages: USER, ...(stream ? { stream: true } : {}) }],
  ollama: ['api/chat', { model, messages: USER, stream: !!stream }],
}[name]);
FACES.native = (model, stream) => {
  const [name, m] = model.split('/'), [path, body] = own(name, m, stream);
  return send(`/${name}/${path}`, body);
};
FACES.step = (model, stream) => {
  const [name, m] = model.split('/'), [endpoint, query] = own(name, m, stream);
  return send('/v1/account/gateway', [{ provider: name, endpoint, headers: {}, query }]);
};

async function charged(face, model, stream, prices, units) {
  const r = await FACES[face](model, stream);
  const text = await r.text();
  assert.equal(r.status, 200, text);
  const e = await eventOf(proxy, r);
  const split = prices.token_reasoning ? { token_out: units.token_out - (units.token_reasoning ?? 0) } : {};
  const expected = Object.fromEntries(Object.entries({ ...units, ...split }).filter(([, n]) => n).map(([u, n]) => [NAMES[u] ?? u, n]));
  const got = Object.fromEntries(Object.entries(quantities(e)).filter(([, n]) => n));
  assert.equal(e.outcome, 'ok');
  assert.equal(e.stream, !!stream);
  assert.deepEqual(got, expected);
  assert.equal(e.cost_nanousd, cost(prices, units), 'nano-USD');
  assert.equal(e.attempts[0].cost_nanousd, e.cost_nanousd);
  assert.ok(e.attempts[0].quantities.every((q) => q.source === 'provider'));
}

const CHAT = [
  ['plain', { prompt_tokens: 500, completion_tokens: 300, total_tokens: 800 }, { token_in: 500, token_out: 300 }],
  ['cached, audio and reasoning', { prompt_tokens: 900, completion_tokens: 300, total_tokens: 1200, prompt_tokens_details: { cached_tokens: 200, audio_tokens: 50 }, completion_tokens_details: { reasoning_tokens: 100, audio_tokens: 40 } },
    { token_in: 650, token_cached: 200, audio_in: 50, token_out: 260, token_reasoning: 100, audio_out: 40 }],
  ['image tokens', { prompt_tokens: 500, completion_tokens: 300, total_tokens: 800, prompt_tokens_details: { image_tokens: 120, text_tokens: 380 }, completion_tokens_details: { image_tokens: 70 } }, { token_in: 380, image_in: 120, token_out: 230, image_out: 70 }],
  ['a written cache', { prompt_tokens: 500, completion_tokens: 300, total_tokens: 800, prompt_tokens_details: { cached_tokens: 100, cache_write_tokens: 60 } }, { token_in: 340, token_cached: 100, cache_write_5m: 60, token_out: 300 }],
  ['DeepSeek\'s cache', { prompt_tokens: 500, completion_tokens: 300, total_tokens: 800, prompt_cache_hit_tokens: 100, prompt_cache_miss_tokens: 400 }, { token_in: 400, token_cached: 100, token_out: 300 }],
  ['the last prompt below a tier', { prompt_tokens: 1000, completion_tokens: 10, total_tokens: 1010, prompt_tokens_details: { cached_tokens: 600 } }, { token_in: 400, token_cached: 600, token_out: 10 }],
  ['the first prompt above a tier', { prompt_tokens: 1001, completion_tokens: 10, total_tokens: 1011, prompt_tokens_details: { cached_tokens: 600 } }, { token_in: 401, token_cached: 600, token_out: 10 }],
  ['large numbers', { prompt_tokens: 3000000001, completion_tokens: 2147483649, total_tokens: 5147483650 }, { token_in: 3000000001, token_out: 2147483649 }],
  ['nothing made', { prompt_tokens: 3, completion_tokens: 0, total_tokens: 3 }, { token_in: 3, token_out: 0 }],
];
const MESSAGES = [
  ['plain', { input_tokens: 500, output_tokens: 300 }, { token_in: 500, token_out: 300 }],
  ['a cache written for both times', { input_tokens: 500, cache_read_input_tokens: 200, cache_creation_input_tokens: 150, cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 50 }, output_tokens: 300, server_tool_use: { web_search_requests: 2 } },
    { token_in: 500, token_cached: 200, cache_write_5m: 100, cache_write_1h: 50, token_out: 300, search: 2 }],
  ['a cache written, times not told', { input_tokens: 500, cache_read_input_tokens: 0, cache_creation_input_tokens: 150, output_tokens: 300 }, { token_in: 500, cache_write_5m: 150, token_out: 300 }],
  ['a prompt above a tier by its cache', { input_tokens: 900, cache_read_input_tokens: 101, cache_creation_input_tokens: 0, output_tokens: 300 }, { token_in: 900, token_cached: 101, token_out: 300 }],
];
const GEMINI = [
  ['plain', { promptTokenCount: 500, candidatesTokenCount: 300, totalTokenCount: 800 }, { token_in: 500, token_out: 300 }],
  ['all there is', { promptTokenCount: 900, cachedContentTokenCount: 200, candidatesTokenCount: 200, thoughtsTokenCount: 100, toolUsePromptTokenCount: 30, totalTokenCount: 1230,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: 700 }, { modality: 'AUDIO', tokenCount: 100 }, { modality: 'IMAGE', tokenCount: 60 }, { modality: 'VIDEO', tokenCount: 40 }],
    cacheTokensDetails: [{ modality: 'TEXT', tokenCount: 180 }, { modality: 'AUDIO', tokenCount: 20 }], candidatesTokensDetails: [{ modality: 'TEXT', tokenCount: 150 }, { modality: 'IMAGE', tokenCount: 50 }] },
  { token_in: 550, token_cached: 180, audio_cached: 20, audio_in: 80, image_in: 60, video_in: 40, token_out: 250, token_reasoning: 100, image_out: 50 }],
  ['a prompt above a tier', { promptTokenCount: 1001, candidatesTokenCount: 3, totalTokenCount: 1004 }, { token_in: 1001, token_out: 3 }],
];
const CASES = {
  openai: { model: 'openai', usages: CHAT, faces: ['chat', 'chat with usage', 'messages', 'gemini', 'converse', 'responses', 'native', 'step'] },
  'openai responses': { model: 'by-responses', usages: [['all', { input_tokens: 900, input_tokens_details: { cached_tokens: 200 }, output_tokens: 300, output_tokens_details: { reasoning_tokens: 100 }, total_tokens: 1200 }, { token_in: 700, token_cached: 200, token_out: 300, token_reasoning: 100 }]], faces: ['responses', 'chat', 'messages'] },
  azure: { model: 'azure', usages: CHAT.slice(0, 2), faces: ['chat', 'messages'] },
  anthropic: { model: 'anthropic', usages: MESSAGES, faces: ['messages', 'chat', 'responses', 'gemini', 'converse', 'native', 'step'] },
  gemini: { model: 'gemini', usages: GEMINI, faces: ['gemini', 'gemini array', 'chat', 'messages', 'converse', 'native', 'step'] },
  vertex: { model: 'vertex', usages: GEMINI.slice(0, 2), faces: ['gemini', 'chat', 'native', 'step'] },
  'vertex claude': { model: 'vertex/claude-priced', usages: MESSAGES.slice(0, 2), faces: ['messages', 'chat'] },
  bedrock: { model: 'bedrock', usages: [
    ['plain', { inputTokens: 500, outputTokens: 300, totalTokens: 800 }, { token_in: 500, token_out: 300 }],
    ['a cache', { inputTokens: 500, outputTokens: 300, totalTokens: 1150, cacheReadInputTokens: 200, cacheWriteInputTokens: 150 }, { token_in: 500, token_cached: 200, cache_write_5m: 150, token_out: 300 }],
    ['a cache written for both times', { inputTokens: 500, outputTokens: 300, totalTokens: 1150, cacheReadInputTokens: 200, cacheWriteInputTokens: 150, cacheDetails: [{ ttl: '1h', inputTokens: 50 }, { ttl: '5m', inputTokens: 100 }] }, { token_in: 500, token_cached: 200, cache_write_5m: 100, cache_write_1h: 50, token_out: 300 }],
  ], faces: ['converse', 'chat', 'messages', 'gemini', 'native', 'step'] },
  cohere: { model: 'cohere', usages: [['billed units', { billed_units: { input_tokens: 500, output_tokens: 300 }, tokens: { input_tokens: 520, output_tokens: 310 } }, { token_in: 500, token_out: 300 }]], faces: ['chat', 'messages', 'native', 'step'] },
  ollama: { model: 'ollama', usages: [['counts', { prompt_eval_count: 500, eval_count: 300 }, { token_in: 500, token_out: 300 }]], faces: ['chat', 'messages', 'native', 'step'] },
};

for (const [name, { model, usages, faces }] of Object.entries(CASES)) {
  describe(name, () => {
    for (const face of faces) {
      for (const stream of [false, true]) {
        for (const [what, numbers, units] of usages) {
          test(`${face}${stream ? ', streamed' : ''}: ${what}`, async () => {
            usage = numbers;
            const named = /[/-]/.test(model) ? { [model]: PRICES } : { [`${model}/m-priced`]: PRICES, [`${model}/m-reasoning`]: REASONING, [`${model}/m-bare`]: BARE };
            for (const [m, prices] of Object.entries(named)) await charged(face, m, stream, prices, units);
          });
        }
      }
    }
  });
}

test('a half nano-dollar is rounded up, once, over all lines', async () => {
  usage = { prompt_tokens: 250, completion_tokens: 250, total_tokens: 500 }; // 250,000,750 + 1,250,002,750 pico-USD: 1,500,003.5 nano-USD
  const e = await eventOf(proxy, await FACES.chat('openai/m-bare'));
  assert.equal(e.cost_nanousd, 1500004);
});

describe('what has no price', () => {
  test('costs nothing, and is counted all the same', async () => {
    usage = CHAT[1][1];
    for (const [face, model] of [['chat', 'openai/unheard-of'], ['messages', 'openai/unheard-of'], ['native', 'openai/unheard-of']]) {
      const r = await FACES[face](model);
      assert.equal(r.status, 200);
      const e = await eventOf(proxy, r);
      assert.equal(e.cost_nanousd, 0);
      assert.equal(quantities(e).token_cached, 200);
    }
  });
});

describe('answers that do not come to their end', () => {
  // [face, model, writes before it stops]: as many as hold the first half of the text
  const STREAMS = { 'passed, OpenAI': ['chat', 'openai', 2], 'translated from OpenAI': ['messages', 'openai', 2], 'passed, Anthropic': ['messages', 'anthropic', 4], 'translated from Anthropic': ['chat', 'anthropic', 4],
    'passed, Gemini': ['gemini', 'gemini', 1], 'translated from Gemini': ['chat', 'gemini', 1], 'passed, Bedrock': ['converse', 'bedrock', 2], 'translated from Bedrock': ['chat', 'bedrock', 2], 'translated from Cohere': ['chat', 'cohere', 3], 'translated from Ollama': ['chat', 'ollama', 1] };
  const USAGES = { openai: CHAT[0][1], anthropic: MESSAGES[1][1], gemini: GEMINI[0][1], bedrock: { inputTokens: 500, outputTokens: 300, totalTokens: 800 }, cohere: CASES.cohere.usages[0][1], ollama: CASES.ollama.usages[0][1] };
  const HALF = PLAIN.text.slice(0, Math.ceil(PLAIN.text.length / 2));

  function check(e, name, outcome) {
    assert.equal(e.outcome, outcome);
    const q = Object.fromEntries(e.attempts[0].quantities.map((x) => [x.unit, x]));
    assert.equal(q.token_out.source, 'estimated');
    assert.ok(q.token_out.quantity >= HALF.length / 8 && q.token_out.quantity <= HALF.length, `${q.token_out.quantity} tokens for ${HALF.length} letters`);
    const told = { anthropic: { token_in: 500, token_cached: 200, token_cache_write_5m: 100, token_cache_write_1h: 50 }, gemini: { token_in: 500 } }[name];
    if (told) {
      for (const [unit, n] of Object.entries(told)) assert.deepEqual([q[unit]?.quantity, q[unit]?.source], [n, 'provider'], `${unit}: the provider had told it`);
    } else {
      assert.equal(q.token_in.source, 'estimated');
      assert.ok(q.token_in.quantity > 0 && q.token_in.quantity < 100, `${q.token_in.quantity}`);
    }
    const units = Object.fromEntries(Object.entries(q).map(([u, x]) => [Object.keys(NAMES).find((n) => NAMES[n] === u) ?? u, x.quantity]));
    assert.equal(e.cost_nanousd, cost(PRICES, units));
    assert.ok(e.cost_nanousd > 0);
  }

  for (const [name, [face, to, after]] of Object.entries(STREAMS)) {
    test(`${name}: the client goes`, async () => {
      usage = USAGES[to];
      const gone = new Promise((closed) => (hold = { after, how: 'open', closed }));
      const stop = new AbortController();
      try {
        const r = await FACES[face](`${to}/m-priced`, true, stop.signal);
        assert.equal(r.status, 200);
        const id = r.headers.get('x-weir-request-id'), reader = r.body.getReader();
        let text = '';
        while (!text.includes(HALF.slice(0, 10))) {
          const { value, done } = await reader.read();
          assert.ok(!done, `ended: ${text}`);
          text += Buffer.from(value).toString('latin1');
        }
        stop.abort();
        await gone; // the provider's connection is closed at once
        check(await eventOf(proxy, id), to, 'client_gone');
      } finally {
        hold = undefined;
      }
    });

    test(`${name}: the provider breaks off`, async () => {
      usage = USAGES[to];
      hold = { after, how: 'cut' };
      try {
        const r = await FACES[face](`${to}/m-priced`, true);
        const id = r.headers.get('x-weir-request-id');
        await r.text().catch(() => {});
        check(await eventOf(proxy, id), to, 'cut');
      } finally {
        hold = undefined;
      }
    });
  }

  test('a provider that refuses is paid nothing', async () => {
    const handler = provider.handler;
    provider.handler = (call, res) => {
      res.writeHead(429, { 'content-type': 'application/json' });
      res.end('{"error":{"message":"slow down","type":"rate_limit_error"}}');
    };
    try {
      for (const face of ['chat', 'messages', 'native', 'step']) {
        const e = await eventOf(proxy, await FACES[face]('openai/m-priced', true));
        assert.equal(e.outcome, 'provider_error');
        assert.equal(e.cost_nanousd, 0);
      }
    } finally {
      provider.handler = handler;
    }
  });
});
