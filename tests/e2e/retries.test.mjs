// What comes of a target that fails: retries, the next target, a second call beside a late one, a copy to another; and never anything twice once
// the client has a content byte.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { event as frame, exception, frames } from './harness/aws_event.mjs';
import { completion } from './harness/fake_provider.mjs';
import { after as later, breaks, fails, hangs, inTurn, M, startFleet, streams, T, up, well } from './harness/fleet.mjs';
import { until } from './harness/process.mjs';

let f;
const S = (mode, targets, more = {}) => ({ strategy: { mode, ...more }, targets });
const F = (...targets) => S('fallback', targets);
const tries = async (r) => (await r.event()).attempts.map((t) => [t.provider, t.status, t.kind, t.outcome]);
const json = (o, status = 200) => (call, res) => {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(typeof o === 'string' ? o : JSON.stringify(o));
};

before(async () => {
  f = await startFleet({
    a: 'openai', b: 'openai', c: 'openai', rs: 'openai', rs2: 'openai', an: 'anthropic', an2: 'anthropic', go: 'gemini', go2: 'gemini',
    br: { kind: 'bedrock', region: 'us-east-1', aws_access_key_id: 'AKIDUP', aws_secret_access_key: up('br') },
    br2: { kind: 'bedrock', region: 'us-east-1', aws_access_key_id: 'AKIDUP', aws_secret_access_key: up('br2') },
  }, { args: ['--upstream-timeout', '20s'] });
});
after(() => f?.end());
beforeEach(() => f.reset());

describe('retries', () => {
  const retried = (retry, more) => T('a', { retry: { base_ms: 1, ...retry }, circuit_breaker: false, ...more });
  test('a failure of a listed status is tried again, so often and no more', async () => {
    f.at.a.handler = inTurn(fails(500), fails(503), well);
    const r = await f.chat(retried({ attempts: 2 }));
    assert.equal(r.status, 200);
    assert.deepEqual(await tries(r), [['a', 500, '', 'provider_error'], ['a', 503, 'retry', 'provider_error'], ['a', 200, 'retry', 'ok']]);
    f.reset();
    f.at.a.handler = fails(500);
    const s = await f.chat(retried({ attempts: 2 }));
    assert.equal(s.status, 500);
    assert.deepEqual(f.calls(), { a: 3 });
    f.reset();
    f.at.a.handler = fails(500);
    assert.equal((await f.chat(retried({ attempts: 0 }))).status, 500);
    assert.equal((await f.chat(T('a', { circuit_breaker: false }))).status, 500);
    assert.deepEqual(f.calls(), { a: 2 });
  });

  test('only listed statuses are; connections that fail are as well', async () => {
    for (const [status, list, calls] of [[400, undefined, 1], [404, undefined, 1], [429, undefined, 2], [502, undefined, 2], [504, undefined, 2], [501, undefined, 1], [500, [503], 1], [418, [418], 2]]) {
      f.reset();
      f.at.a.handler = fails(status);
      const r = await f.chat(retried({ attempts: 1, use_retry_after_header: false, ...(list ? { on_status_codes: list } : {}) }));
      assert.equal(r.status, status);
      assert.equal(f.at.a.calls.length, calls, `${status} ${list}`);
    }
    f.reset();
    f.at.a.handler = inTurn(breaks(), breaks(), well); // the client repeats once by itself only on a stale connection
    const r = await f.chat(retried({ attempts: 3 }));
    assert.equal(r.status, 200, r.text);
    const kinds = await tries(r);
    assert.equal(kinds[0][1], 0);
    assert.equal(kinds.at(-1)[2], 'retry');
  });

  test("the provider's wait is kept, unless it is too long", async () => {
    const wait = (retry, headers, status = 429) => {
      f.reset();
      f.at.a.handler = inTurn(fails(status, { headers }), well);
      const began = performance.now();
      return f.chat(retried({ attempts: 1, use_retry_after_header: true, ...retry })).then((r) => ({ ...r, ms: performance.now() - began }));
    };
    const r = await wait({}, { 'retry-after-ms': '400' });
    assert.equal(r.status, 200, r.text);
    assert.ok(r.ms >= 395 && r.ms < 3000, String(r.ms));
    const s = await wait({}, { 'retry-after': '1' }, 503);
    assert.equal(s.status, 200);
    assert.ok(s.ms >= 990, String(s.ms));
    const long = await wait({ max_wait_ms: 500 }, { 'retry-after': '30' });
    assert.equal(long.status, 429);
    assert.ok(long.ms < 400, String(long.ms));
    assert.equal(long.headers.get('retry-after'), '30');
    assert.deepEqual(f.calls(), { a: 1 });
    const total = await wait({ total_ms: 300 }, { 'retry-after-ms': '350' });
    assert.equal(total.status, 429);
    assert.ok(total.ms < 300);
    const ignored = await wait({ use_retry_after_header: false }, { 'retry-after': '30' }, 500);
    assert.equal(ignored.status, 200);
    assert.ok(ignored.ms < 900, String(ignored.ms));
  });

  test('with another target free, a limited one is not waited for', async () => {
    f.at.a.handler = fails(429, { headers: { 'retry-after': '20' } });
    const began = performance.now();
    const r = await f.chat(F(retried({ attempts: 3 }), T('b')));
    assert.equal(r.by, 'b');
    assert.ok(performance.now() - began < 2000);
    assert.deepEqual(f.calls(), { a: 1, b: 1 });
  });

  test('in an outage retries stay within their budget', async () => {
    f.at.a.handler = fails(500);
    const n = 100;
    for (let i = 0; i < n; i += 10) await Promise.all(Array.from({ length: 10 }, () => f.chat(retried({ attempts: 5, budget_percent: 20, budget_min: 1 }))));
    const calls = f.at.a.calls.length;
    assert.ok(calls > n && calls <= n * 1.2 + 12, `${calls} calls for ${n} requests`);
    // quiet: in good times every failure may be tried again
    f.reset();
    let k = 0;
    f.at.a.handler = (call, res) => (k++ % 10 === 0 ? fails(500)(call, res) : false);
    for (let i = 0; i < 50; i++) assert.equal((await f.chat(retried({ attempts: 2 }))).status, 200);
  });

  test('the answer is the last failure, with the wait for the client', async () => {
    f.at.a.handler = fails(429, { headers: { 'retry-after': '17' } });
    const r = await f.chat(T('a'));
    assert.equal(r.status, 429);
    assert.equal(r.headers.get('retry-after'), '17');
  });
});

describe('time', () => {
  test('request_timeout ends the attempt as 408 timeout', async () => {
    f.at.a.handler = hangs();
    const began = performance.now();
    const r = await f.chat(T('a', { request_timeout: 150 }));
    assert.equal(r.status, 408, r.text);
    assert.equal(r.json.error.code, 'timeout', r.text);
    assert.ok(performance.now() - began < 2000);
    assert.equal((await r.event()).outcome, 'timeout');
    await until('the connection is closed', () => f.at.a.gone === 1);
    // quiet: one that answers in time, and a stream that begins in time and goes on for longer
    assert.equal((await f.chat(T('b', { request_timeout: 2000 }))).status, 200);
    f.at.b.handler = async (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let i = 0; i < 4; i++) {
        res.write(`data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"w${i}"},"finish_reason":null}]}\n\n`);
        await new Promise((x) => setTimeout(x, 100));
      }
      res.end('data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n');
    };
    const s = await f.chat(T('b', { request_timeout: 250 }), { stream: true });
    assert.ok(s.clean && s.text.includes('w3') && s.text.includes('[DONE]'), s.text);
  });

  test('a timeout goes on to the next, by any, by timeout and by 408', async () => {
    for (const [more, by] of [[{}, 'b'], [{ on: ['timeout'] }, 'b'], [{ on_status_codes: [408] }, 'b'], [{ on: ['server'] }, null], [{ on_status_codes: [500] }, null]]) {
      f.reset();
      f.at.a.handler = hangs();
      const r = await f.chat(S('fallback', [T('a', { request_timeout: 100 }), T('b')], more));
      assert.equal(r.by, by, `${JSON.stringify(more)}: ${r.status} ${r.text}`);
      if (!by) assert.equal(r.status, 408);
    }
  });

  test('a timeout can be tried again', async () => {
    f.at.a.handler = inTurn(hangs(), well);
    const r = await f.chat(T('a', { request_timeout: 150, retry: { attempts: 1, base_ms: 1 } }));
    assert.equal(r.status, 200, r.text);
    assert.deepEqual(await tries(r), [['a', 0, '', 'timeout'], ['a', 200, 'retry', 'ok']]);
  });
});

// ---- streams ----

const data = (o) => `data: ${typeof o === 'string' ? o : JSON.stringify(o)}\n\n`;
const named = (type, rest) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
const response = (id, status, text) => ({
  id, object: 'response', created_at: 1, status, model: 'm', error: null, incomplete_details: null, output: text === undefined ? [] : [{ id: 'msg_1', type: 'message', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text, annotations: [] }] }],
  usage: text === undefined ? null : { input_tokens: 5, output_tokens: 2, total_tokens: 7 },
});
const chunk = (id, delta, finish_reason = null) => data({ id, object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason }] });
// what a dialect's stream is made of; id marks whose it is
const DIALECTS = {
  chat: {
    targets: ['a', 'b'], type: 'text/event-stream', leaf: { endpoint: 'chat' },
    path: '/v1/chat/completions', body: { model: 'any', stream: true, messages: [{ role: 'user', content: 'Hi' }] }, whole: { model: 'any', messages: [{ role: 'user', content: 'Hi' }] },
    prelude: (id) => [chunk(id, { role: 'assistant', content: '' })],
    content: (id, text) => [chunk(id, { content: text })],
    close: (id) => [chunk(id, {}, 'stop'), data({ id, object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 } }), data('[DONE]')],
    error: () => [data({ error: { message: 'overloaded', type: 'server_error', code: 'overloaded', param: null } })],
    answer: (id, text) => ({ ...completion('m', text), id }),
    told: /"error":\{/,
  },
  responses: {
    targets: ['rs', 'rs2'], type: 'text/event-stream', leaf: { endpoint: 'responses' },
    path: '/v1/responses', body: { model: 'any', stream: true, input: 'Hi' }, whole: { model: 'any', input: 'Hi' },
    prelude: (id) => [named('response.created', { sequence_number: 0, response: response(id, 'in_progress') }), named('response.in_progress', { sequence_number: 1, response: response(id, 'in_progress') }),
      named('response.output_item.added', { sequence_number: 2, output_index: 0, item: { id: 'msg_1', type: 'message', status: 'in_progress', role: 'assistant', content: [] } }),
      named('response.content_part.added', { sequence_number: 3, item_id: 'msg_1', output_index: 0, content_index: 0, part: { type: 'output_text', text: '', annotations: [] } })],
    content: (id, text) => [named('response.output_text.delta', { sequence_number: 4, item_id: 'msg_1', output_index: 0, content_index: 0, delta: text, logprobs: [] })],
    close: (id) => [named('response.completed', { sequence_number: 5, response: response(id, 'completed', 'Second answer') })],
    error: () => [named('error', { sequence_number: 4, code: 'server_error', message: 'overloaded', param: null })],
    answer: (id, text) => response(id, 'completed', text),
    told: /"type":"(error|response.failed)"|"error":\{/,
  },
  messages: {
    targets: ['an', 'an2'], type: 'text/event-stream',
    path: '/v1/messages', body: { model: 'any', stream: true, max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] }, whole: { model: 'any', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] },
    prelude: (id) => [named('message_start', { message: { id, type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 5, output_tokens: 1 } } }), named('ping', {}), named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } })],
    content: (id, text) => [named('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })],
    close: () => [named('content_block_stop', { index: 0 }), named('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } }), named('message_stop', {})],
    error: () => [named('error', { error: { type: 'overloaded_error', message: 'Overloaded' } })],
    answer: (id, text) => ({ id, type: 'message', role: 'assistant', model: 'm', content: [{ type: 'text', text }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 5, output_tokens: 2 } }),
    told: /event: error/,
  },
  gemini: {
    targets: ['go', 'go2'], type: 'text/event-stream',
    path: '/v1beta/models/any:streamGenerateContent?alt=sse', wholePath: '/v1beta/models/any:generateContent', body: { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] },
    prelude: (id) => [data({ responseId: id, modelVersion: 'm', usageMetadata: { promptTokenCount: 5, totalTokenCount: 5 } })],
    content: (id, text) => [data({ responseId: id, candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0 }], modelVersion: 'm' })],
    close: (id) => [data({ responseId: id, candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP', index: 0 }], usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 }, modelVersion: 'm' })],
    error: () => [data({ error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } })],
    answer: (id, text) => ({ responseId: id, candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP', index: 0 }], usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 }, modelVersion: 'm' }),
    told: /"error":\s*\{/,
  },
  converse: {
    targets: ['br', 'br2'], type: 'application/vnd.amazon.eventstream',
    path: '/model/any/converse-stream', wholePath: '/model/any/converse', body: { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] },
    prelude: () => [frame('messageStart', { role: 'assistant' })],
    content: (id, text) => [frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text } })],
    close: () => [frame('contentBlockStop', { contentBlockIndex: 0 }), frame('messageStop', { stopReason: 'end_turn' }), frame('metadata', { usage: { inputTokens: 5, outputTokens: 2, totalTokens: 7 }, metrics: { latencyMs: 1 } })],
    error: () => [exception('throttlingException', { message: 'Too many requests' })],
    answer: (id, text) => ({ output: { message: { role: 'assistant', content: [{ text }] } }, stopReason: 'end_turn', usage: { inputTokens: 5, outputTokens: 2, totalTokens: 7 }, metrics: { latencyMs: 1 } }),
    told: /xception/,
  },
};
const NAMES = Object.keys(DIALECTS);
// the text that a client of a dialect reads out of its stream
const heard = (d, r) => {
  if (d === 'converse') return frames(r.raw).map((x) => x.payload?.delta?.text ?? JSON.parse(Buffer.from(x.payload ?? x.body ?? '{}').toString() || '{}').delta?.text ?? '').join('');
  return r.text.split('\n').filter((l) => l.startsWith('data: {')).map((l) => JSON.parse(l.slice(6))).map((o) => o.choices?.[0]?.delta?.content ?? (o.type === 'response.output_text.delta' ? o.delta : o.delta?.text) ?? o.candidates?.[0]?.content?.parts?.map((p) => p.text).join('') ?? '').join('');
};
const says = (target, id, text) => {
  const t = DIALECTS[target];
  return streams([...t.prelude(id), ...t.content(id, text), ...t.close(id)], { type: t.type });
};
const model = (d, name) => (d === 'converse' ? `anthropic.${M(name)}` : M(name));
const leaf = (d, i, more = {}) => {
  const name = DIALECTS[d].targets[i];
  return T(name, { model: model(d, name), ...DIALECTS[d].leaf, ...more });
};
const ask = async (client, config, whole = false, onPiece) => {
  const c = DIALECTS[client];
  return f.read(await f.post(whole ? c.wholePath ?? c.path : c.path, whole ? c.whole ?? c.body : c.body, { config, signal: AbortSignal.timeout(20000) }), onPiece);
};
// What a provider waits for before it goes on: that the client has seen some text.
const gate = (mark) => {
  let open;
  const opened = new Promise((x) => (open = x));
  return [() => opened, (bytes) => bytes.includes(mark) && open()];
};

describe('streams', () => {
  const failures = {
    'no byte': (t) => ({ pieces: [], end: 'cut', t }),
    'a clean end of nothing': (t) => ({ pieces: [], end: 'end', t }),
    'cut before content': (t) => ({ pieces: t.prelude('FIRST'), end: 'cut' }),
    'ended before content': (t) => ({ pieces: t.prelude('FIRST'), end: 'end' }),
    'error before content': (t) => ({ pieces: [...t.prelude('FIRST'), ...t.error()], end: 'end' }),
    'error at once': (t) => ({ pieces: t.error(), end: 'end' }),
    'half an event': (t) => ({ pieces: [t.prelude('FIRST')[0].slice(0, 20)], end: 'cut' }),
  };
  for (const client of NAMES) {
    test(`${client}: a stream that fails before its content goes to the next, whoever speaks`, async () => {
      for (const first of NAMES) {
        const second = NAMES[(NAMES.indexOf(first) + NAMES.indexOf(client)) % NAMES.length];
        for (const [what, of] of Object.entries(failures)) {
          f.reset();
          const { pieces, end } = of(DIALECTS[first]);
          f.at[DIALECTS[first].targets[0]].handler = streams(pieces, { type: DIALECTS[first].type, end });
          f.at[DIALECTS[second].targets[1]].handler = says(second, 'SECOND', 'Second answer');
          const r = await ask(client, F(leaf(first, 0), leaf(second, 1)));
          const where = `${client} from ${first}, ${what}, then ${second}: ${r.status} ${r.text}`;
          assert.equal(r.status, 200, where);
          assert.ok(r.clean, where);
          assert.equal(heard(client, r), 'Second answer', where);
          assert.ok(!r.text.includes('FIRST') && !DIALECTS[client].told.test(r.text), where);
          assert.equal(r.by, DIALECTS[second].targets[1], where);
          const e = await r.event();
          assert.deepEqual(e.attempts.map((t) => [t.provider, t.kind, t.outcome === 'ok']), [[DIALECTS[first].targets[0], '', false], [DIALECTS[second].targets[1], 'fallback', true]], where);
          assert.equal(e.outcome, 'ok', where);
        }
      }
    });

    test(`${client}: a stream that fails after content ends with an error and one attempt`, async () => {
      for (const first of NAMES) {
        const t = DIALECTS[first];
        for (const [what, rest, end] of [['cut', [], 'cut'], ['error', t.error(), 'end']]) {
          f.reset();
          const [seen, look] = gate('One ');
          f.at[t.targets[0]].handler = streams([...t.prelude('x'), ...t.content('x', 'One '), seen, ...rest], { type: t.type, end });
          const r = await ask(client, F(leaf(first, 0, { retry: { attempts: 2, base_ms: 1 } }), leaf(client, 1)), false, look);
          const where = `${client} from ${first}, ${what}: ${r.text}`;
          assert.equal(r.status, 200, where);
          assert.equal(heard(client, r), 'One ', where);
          assert.match(r.text, DIALECTS[client].told, where);
          const e = await r.event();
          assert.equal(e.attempts.length, 1, where);
          assert.notEqual(e.outcome, 'ok', where);
          assert.deepEqual(f.calls(), { [t.targets[0]]: 1 }, where);
        }
      }
    });

    test(`${client}: a good stream passes from the first, also where another might follow`, async () => {
      for (const first of NAMES) {
        f.reset();
        f.at[DIALECTS[first].targets[0]].handler = says(first, 'FIRST', 'Only answer');
        const r = await ask(client, F(leaf(first, 0), leaf(client, 1)));
        assert.ok(r.clean && r.status === 200, r.text);
        assert.equal(heard(client, r), 'Only answer', `${client} from ${first}: ${r.text}`);
        const e = await r.event();
        assert.equal(e.attempts.length, 1);
        assert.equal(e.stream, true);
      }
    });
  }

  test('the first content is not held back for what may come', async () => {
    let go;
    f.at.a.handler = async (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(chunk('x', { role: 'assistant', content: '' }) + chunk('x', { content: 'early' }));
      await new Promise((x) => (go = x));
      res.end(chunk('x', {}, 'stop') + data('[DONE]'));
    };
    const r = await f.post('/v1/chat/completions', DIALECTS.chat.body, { config: F(T('a'), T('b')) });
    const reader = r.body.getReader();
    let text = '';
    while (!text.includes('early')) text += Buffer.from((await reader.read()).value).toString();
    go();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += Buffer.from(value).toString();
    }
    assert.ok(text.includes('[DONE]'));
  });

  test('tool calls and reasoning are content', async () => {
    for (const delta of [{ tool_calls: [{ index: 0, id: 'c1', type: 'function', function: { name: 'f', arguments: '{' } }] }, { reasoning_content: 'hm' }, { reasoning: 'hm' }, { refusal: 'no' }]) {
      f.reset();
      const [seen, look] = gate('FIRST');
      f.at.a.handler = streams([chunk('FIRST', { role: 'assistant', content: null }), chunk('FIRST', delta), seen], { end: 'cut' });
      const r = await ask('chat', F(T('a'), T('b')), false, look);
      assert.ok(r.text.includes('FIRST') && /"error":\{/.test(r.text), `${JSON.stringify(delta)}: ${r.text}`);
      assert.deepEqual(f.calls(), { a: 1 });
    }
  });

  test('a stream without another target passes at once as it comes', async () => {
    f.at.a.handler = streams([chunk('FIRST', { role: 'assistant', content: '' })], { end: 'cut' });
    const r = await f.chat(T('a'), { stream: true });
    assert.equal(r.status, 200);
    assert.ok(r.text.includes('FIRST') && r.text.includes('"error"'));
    assert.equal((await r.event()).outcome, 'cut');
  });

  test('when every stream fails before content, the client learns it as an error', async () => {
    f.at.a.handler = f.at.b.handler = streams(DIALECTS.chat.prelude('X'), { end: 'cut' });
    const r = await f.chat(F(T('a'), T('b')), { stream: true });
    assert.ok(r.status >= 500 || /"error":\{/.test(r.text), `${r.status} ${r.text}`);
    const e = await r.event();
    assert.equal(e.attempts.length, 2);
    assert.notEqual(e.outcome, 'ok');
    f.reset();
    f.at.a.handler = f.at.b.handler = streams(DIALECTS.chat.error());
    const s = await f.chat(F(T('a'), T('b')), { stream: true });
    assert.match(s.text, /overloaded/);
    assert.equal((await s.event()).attempts.length, 2);
  });
});

describe('whole answers', () => {
  const text = JSON.stringify(completion('m', 'half of it'));
  const bad = {
    'cut, with a length': (body) => (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      res.write(body.slice(0, body.length / 2), () => setImmediate(() => res.destroy()));
    },
    'cut, in chunks': (body) => (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.write(body.slice(0, body.length / 2), () => setImmediate(() => res.destroy()));
    },
    'cut, until the connection ends': (body) => (call, res) => {
      res.useChunkedEncodingByDefault = res.shouldKeepAlive = false;
      res.removeHeader('transfer-encoding');
      res.writeHead(200, { 'content-type': 'application/json', connection: 'close' });
      res.end(body.slice(0, body.length / 2));
    },
    'not JSON': () => json('<html>Bad gateway</html>'),
    'an HTML page': () => (call, res) => {
      res.writeHead(200, { 'content-type': 'text/html' });
      res.end('<html>Sign in</html>');
    },
    'half, complete by its framing': (body) => json(body.slice(0, body.length / 2)),
    empty: () => json(''),
  };
  for (const client of NAMES) {
    test(`${client}: one that is cut or garbled goes to the next`, async () => {
      for (const first of NAMES) {
        const answer = JSON.stringify(DIALECTS[first].answer('FIRST', 'half of it'));
        for (const [what, of] of Object.entries(bad)) {
          f.reset();
          f.at[DIALECTS[first].targets[0]].handler = of(answer);
          f.at[DIALECTS[client].targets[1]].handler = json(DIALECTS[client].answer('SECOND', 'Second answer'));
          const r = await ask(client, F(leaf(first, 0), leaf(client, 1)), true);
          const where = `${client} from ${first}, ${what}: ${r.status} ${r.text}`;
          assert.equal(r.status, 200, where);
          assert.ok(r.clean && r.text.includes('Second answer') && !r.text.includes('half of'), where);
          const e = await r.event();
          assert.deepEqual(e.attempts.map((t) => t.outcome === 'ok'), [false, true], where);
        }
        f.reset();
        f.at[DIALECTS[first].targets[0]].handler = json(answer);
        const r = await ask(client, F(leaf(first, 0), leaf(client, 1)), true);
        assert.ok(r.status === 200 && r.text.includes('half of it'), `${client} from ${first}: ${r.text}`);
        assert.equal((await r.event()).attempts.length, 1);
      }
    });
  }
  test('the last that is cut is visibly so', async () => {
    f.at.a.handler = f.at.b.handler = bad['cut, in chunks'](text);
    const r = await f.chat(F(T('a'), T('b')));
    assert.ok(r.status === 502 || !r.clean, r.text);
    const e = await r.event();
    assert.equal(e.attempts.length, 2);
    assert.equal(e.outcome, 'cut');
  });
});

describe('kinds of failure', () => {
  const context = { error: { message: "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.", type: 'invalid_request_error', param: 'messages', code: 'context_length_exceeded' } };
  const policy = { error: { message: 'The response was filtered due to the prompt triggering content management policy.', type: null, param: 'prompt', code: 'content_filter', status: 400 } };
  const plain = { error: { message: "Unknown parameter: 'x'.", type: 'invalid_request_error', param: 'x', code: 'unknown_parameter' } };
  test('context window and content policy, each by its own name only', async () => {
    for (const [body, on, by] of [
      [context, 'context_window', 'b'], [policy, 'content_policy', 'b'], [context, 'content_policy', null], [policy, 'context_window', null], [plain, 'context_window', null], [plain, 'content_policy', null], [plain, 'any', 'b'], [plain, 'server', null],
    ]) {
      f.reset();
      f.at.a.handler = json(body, 400);
      const r = await f.chat(S('fallback', [T('a'), T('b')], { on: [on] }));
      assert.equal(r.by === 'b' && r.status === 200, by === 'b', `${on}: ${r.status} ${r.text}`);
      if (!by) assert.equal(r.status, 400);
    }
    f.reset();
    f.at.an.handler = json({ type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long: 210000 tokens > 200000 maximum' } }, 400);
    const r = await f.chat(S('fallback', [T('an'), T('b')], { on: ['context_window'] }));
    assert.equal(r.by, 'b', r.text);
  });

  test('a different kind goes to a different node: the innermost that covers it', async () => {
    const config = S('fallback', [S('fallback', [T('a'), T('b')], { on: ['rate_limit'] }), T('c')], { on: ['context_window', 'server'] });
    f.at.a.handler = fails(429);
    assert.equal((await f.chat(config)).by, 'b');
    f.at.a.handler = json(context, 400);
    // fresh models: a 429 rests a second
    const again = () => S('fallback', [S('fallback', [T('a', { model: `${M('a')}.2` }), T('b')], { on: ['rate_limit'] }), T('c')], { on: ['context_window', 'server'] });
    const r = await f.chat(again());
    assert.equal(r.by, 'c', r.text);
    f.at.a.handler = json(plain, 400);
    assert.equal((await f.chat(again())).status, 400);
  });

  test('a target that cannot be connected to is a connection failure', async () => {
    const config = (on) => S('fallback', [{ provider: '@a', model: M('x') }, T('b')], { on });
    f.at.a.handler = breaks();
    assert.equal((await f.chat(config(['connection']))).by, 'b');
    const r = await f.chat(config(['rate_limit']));
    assert.equal(r.status, 502, r.text);
    assert.notEqual((await r.event()).outcome, 'ok');
  });
});

describe('hedge', () => {
  const H = (after_ms, ...targets) => S('hedge', targets, { after_ms });
  test('a late first is overtaken: the second answers, the first is cancelled, both are recorded', async () => {
    f.at.a.handler = hangs();
    const r = await f.chat(H(80, T('a'), T('b')));
    assert.equal(r.status, 200, r.text);
    assert.equal(r.by, 'b');
    await until('the loser is let go', () => f.at.a.gone === 1);
    const e = await r.event();
    assert.deepEqual(e.attempts.map((t) => [t.provider, t.kind, t.outcome]), [['a', '', 'client_gone'], ['b', 'hedge', 'ok']]);
    assert.ok(e.attempts[0].quantities.length > 0, 'what the loser may bill is counted');
    assert.equal(e.outcome, 'ok');
  });

  test('a quick first is left alone', async () => {
    const r = await f.chat(H(3000, T('a'), T('b')));
    assert.equal(r.by, 'a');
    assert.deepEqual(f.calls(), { a: 1 });
    assert.equal((await r.event()).attempts.length, 1);
  });

  test('the first may still win', async () => {
    f.at.a.handler = later(250);
    f.at.b.handler = hangs();
    const r = await f.chat(H(80, T('a'), T('b')));
    assert.equal(r.by, 'a', r.text);
    assert.equal(r.json.choices[0].message.content, 'Hello from fake');
    await until('the loser is let go', () => f.at.b.gone === 1);
    assert.deepEqual((await r.event()).attempts.map((t) => [t.provider, t.kind, t.outcome]), [['a', '', 'ok'], ['b', 'hedge', 'client_gone']]);
  });

  test('in streams, and between dialects', async () => {
    f.at.a.handler = hangs();
    f.at.an.handler = says('messages', 'SECOND', 'Second answer');
    const r = await f.chat(H(60, T('a'), T('an')), { stream: true });
    assert.equal(heard('chat', r), 'Second answer', r.text);
    assert.equal(r.by, 'an');
    f.reset();
    f.at.an.handler = later(200, says('messages', 'FIRST', 'First answer'));
    f.at.go.handler = hangs();
    const s = await ask('messages', H(60, leaf('messages', 0), leaf('gemini', 0)));
    assert.equal(heard('messages', s), 'First answer', s.text);
    assert.deepEqual((await s.event()).attempts.map((t) => [t.provider, t.outcome]), [['an', 'ok'], ['go', 'client_gone']]);
  });

  test('one that fails leaves the other to answer; both failing is a failure', async () => {
    f.at.a.handler = later(200, fails(500));
    f.at.b.handler = later(300);
    const r = await f.chat(H(60, T('a'), T('b')));
    assert.equal(r.by, 'b', r.text);
    assert.deepEqual((await r.event()).attempts.map((t) => [t.provider, t.status, t.outcome]), [['a', 500, 'provider_error'], ['b', 200, 'ok']]);
    f.reset();
    f.at.a.handler = later(300);
    f.at.b.handler = fails(503);
    const s = await f.chat(H(60, T('a'), T('b')));
    assert.equal(s.by, 'a', s.text);
    assert.deepEqual((await s.event()).attempts.map((t) => [t.provider, t.status, t.kind]), [['a', 200, ''], ['b', 503, 'hedge']]);
    f.reset();
    f.at.a.handler = later(150, breaks());
    f.at.b.handler = later(150, breaks());
    const both = await f.chat(H(60, T('a'), T('b')));
    assert.ok(both.status >= 500, both.text);
    assert.equal((await both.event()).attempts.length, 2);
    f.reset();
    f.at.a.handler = later(200, fails(500));
    f.at.b.handler = later(250, fails(503));
    const third = await f.chat(S('fallback', [H(60, T('a'), T('b')), T('c')]));
    assert.equal(third.by, 'c', third.text);
    assert.deepEqual((await third.event()).attempts.map((t) => [t.provider, t.kind]), [['a', ''], ['b', 'hedge'], ['c', 'fallback']]);
  });

  test('a first that fails before its time goes on as a fallback does, not as a hedge', async () => {
    f.at.a.handler = fails(500);
    const r = await f.chat(H(2000, T('a'), T('b')));
    assert.equal(r.by, 'b');
    assert.deepEqual((await r.event()).attempts.map((t) => t.kind), ['', 'fallback']);
  });

  test('the body of each is its own', async () => {
    f.at.a.handler = hangs();
    const r = await f.chat(H(60, T('a', { override_params: { temperature: 0.25 } }), T('b', { override_params: { top_p: 0.5 } })), { temperature: 1 });
    assert.equal(r.by, 'b');
    assert.equal(f.at.a.calls[0].json.temperature, 0.25);
    assert.deepEqual([f.at.b.calls[0].json.temperature, f.at.b.calls[0].json.top_p, f.at.b.calls[0].json.model], [1, 0.5, M('b')]);
  });

  test('a client that goes ends both', async () => {
    f.at.a.handler = f.at.b.handler = hangs();
    const gone = new AbortController();
    const asked = f.post('/v1/chat/completions', DIALECTS.chat.whole, { config: H(50, T('a'), T('b')), signal: gone.signal }).catch(() => {});
    await until('both are called', () => f.at.a.calls.length && f.at.b.calls.length);
    gone.abort();
    await asked;
    await until('both are let go', () => f.at.a.gone === 1 && f.at.b.gone === 1);
  });

  test('without after_ms, the p95 that was learned decides', async () => {
    const config = () => S('hedge', [T('a'), T('b')]);
    f.at.a.handler = hangs();
    const none = await Promise.race([f.chat(config(), {}, { signal: AbortSignal.timeout(400) }).then(() => 'answered', () => 'nothing')]);
    assert.equal(none, 'nothing'); // nothing is known yet
    f.at.a.handler = well;
    for (let i = 0; i < 25; i++) await f.chat(config());
    f.at.a.handler = hangs();
    const r = await f.chat(config());
    assert.equal(r.by, 'b');
  });
});

describe('mirror', () => {
  const all = async () => {
    const { readFileSync } = await import('node:fs');
    return readFileSync(f.proxy.eventsFile, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
  };
  const copyOf = (r) => until('the copy is recorded', async () => (await all()).find((e) => e.mirror_of && e.mirror_of.replaceAll('-', '') === r.id.replace('req_', '')));
  test('the copy has the same body and an event of its own; its answer is seen by nobody', async () => {
    f.at.b.handler = json(completion('m', 'of the copy'));
    const r = await f.chat(S('mirror', [T('a'), T('b', { override_params: { temperature: 0.5 } })]), { metadata: { k: 'v' } }, { headers: { 'x-custom': 'c1' } });
    assert.equal(r.by, 'a');
    assert.ok(!r.text.includes('copy'));
    const e = await copyOf(r);
    assert.deepEqual([e.outcome, e.attempts.length, e.attempts[0].provider, e.attempts[0].kind, e.model], ['ok', 1, 'b', 'mirror', 'any']);
    assert.notEqual(e.id.replaceAll('-', ''), r.id.replace('req_', ''));
    assert.deepEqual((await r.event()).attempts.map((t) => t.provider), ['a']);
    const sent = f.at.b.calls[0];
    assert.deepEqual(sent.json, { ...f.at.a.calls[0].json, model: M('b'), temperature: 0.5 });
    assert.equal(sent.headers['x-custom'], 'c1');
    assert.equal(sent.headers.authorization, `Bearer ${up('b')}`);
    assert.equal(sent.headers['x-weir-config'], undefined);
  });

  test('its failure is invisible, in whatever way it fails', async () => {
    for (const bad of [fails(500), breaks(), json('garbage')]) {
      f.reset();
      f.at.b.handler = bad;
      f.at.an.handler = bad;
      const r = await f.chat(S('mirror', [T('a'), T('b'), T('an')]));
      assert.equal(r.status, 200);
      assert.equal(r.by, 'a');
      await until('both copies are recorded', async () => (await all()).filter((e) => e.mirror_of?.replaceAll('-', '') === r.id.replace('req_', '')).length === 2);
    }
  });

  test('it goes on when the client has gone, and when the first has ended', async () => {
    let release;
    const gate = new Promise((x) => (release = x));
    f.at.b.handler = async () => {
      await gate;
      return false;
    };
    const r = await f.chat(S('mirror', [T('a'), T('b')]));
    assert.equal(r.status, 200);
    f.at.a.handler = hangs();
    const gone = new AbortController();
    const asked = f.post('/v1/chat/completions', { ...DIALECTS.chat.whole, stream: true }, { config: S('mirror', [T('a'), T('b')]), signal: gone.signal }).catch(() => {});
    await until('both are called', () => f.at.b.calls.length === 2 && f.at.a.calls.length === 2);
    gone.abort();
    await asked;
    await until('the first is let go', () => f.at.a.gone === 1);
    const before = (await all()).filter((e) => e.mirror_of && e.mirror_of !== '00000000-0000-0000-0000-000000000000').length;
    release();
    await until('both copies are recorded', async () => (await all()).filter((e) => e.mirror_of && e.mirror_of !== '00000000-0000-0000-0000-000000000000').length === before + 2);
    const copies = (await all()).slice(-2);
    assert.deepEqual(copies.map((e) => e.outcome), ['ok', 'ok']);
  });

  test('streams and other dialects are copied too; sample 0 copies nothing', async () => {
    f.at.an.handler = says('messages', 'COPY', 'copied');
    const r = await f.chat(S('mirror', [T('a'), T('an')]), { stream: true });
    assert.equal(heard('chat', r), 'Hello from fake');
    const e = await copyOf(r);
    assert.equal(e.outcome, 'ok');
    assert.ok(e.attempts[0].quantities.some((q) => q.unit === 'token_out' && q.quantity === 2));
    f.reset();
    for (let i = 0; i < 10; i++) await f.chat(S('mirror', [T('a'), T('b')], { sample: 0 }));
    for (let i = 0; i < 60; i++) await f.chat(S('mirror', [T('a'), T('c')], { sample: 50 }));
    assert.equal(f.at.b.calls.length, 0);
    await until('the last copies came', async () => f.at.c.calls.length > 10);
    assert.ok(f.at.c.calls.length < 50);
  });

  test('a fallback of the first makes no second copy', async () => {
    f.at.a.handler = fails(500);
    const r = await f.chat(S('mirror', [F(T('a'), T('c')), T('b')]));
    assert.equal(r.by, 'c');
    await copyOf(r);
    assert.deepEqual(f.calls(), { a: 1, b: 1, c: 1 });
  });
});
