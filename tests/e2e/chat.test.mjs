// The main job: an application's own SDK, a key made in the control plane, an answer streamed and not, and its usage in PostgreSQL.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { chunks, completion, fakeProvider, sse } from './harness/fake_provider.mjs';
import { bootstrap, configure, eventsOf, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { until } from './harness/process.mjs';

let database, control, proxy, provider, admin, key, client;

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  proxy = await startProxy(control);
  provider = await fakeProvider();
  ({ key } = await configure(control, provider.url, [proxy]));
  client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: key.secret, maxRetries: 0 });
});

after(async () => {
  await provider?.close();
  await proxy?.end();
  await control?.end();
  await database?.drop();
});

test('an unstreamed completion comes back as the provider sent it, and its event has the provider’s own token counts', async () => {
  provider.handler = () => false;
  const { data, response } = await client.chat.completions
    .create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], temperature: 0.1 }).withResponse();
  assert.equal(data.choices[0].message.content, 'Hello from fake');
  const call = provider.calls.at(-1);
  assert.equal(call.headers.authorization, 'Bearer sk-upstream');
  assert.equal(call.url, '/v1/chat/completions');
  assert.ok(!JSON.stringify(call.rawHeaders).includes(key.secret), 'the virtual key stays here');
  const id = response.headers.get('x-weir-request-id');
  const [event] = await eventsOf(database, [id]);
  assert.equal(event.outcome, 'ok');
  assert.equal(event.status, 200);
  assert.equal(event.model, 'gpt-4o');
  assert.equal(event.stream, false);
  const attempts = await database.query('select * from usage_attempts where event_id = $1', [event.id]);
  assert.equal(attempts.length, 1);
  assert.equal(attempts[0].provider, 'openai');
  assert.equal(attempts[0].upstream_request_id, 'up-1');
  assert.equal(attempts[0].finish_reason, 'stop');
  const lines = await database.query('select unit, quantity::int, source from usage_quantities where event_id = $1 order by unit', [event.id]);
  assert.deepEqual(lines.filter((l) => l.quantity > 0), [
    { unit: 'token_in', quantity: 9, source: 'provider' },
    { unit: 'token_out', quantity: 12, source: 'provider' },
  ]);
});

test('the body reaches the provider byte for byte but for the model name', async () => {
  provider.handler = () => false;
  await control.must('POST', '/models', { name: 'house-model', targets: [{ provider: 'openai', model: 'gpt-4o-2024-11-20' }] });
  const odd = '{ "messages":[{"role":"user","content":"\\u00e9\\ud83d\\ude00 \\/ é"}] ,\n\t"model" : "house-model", "unknown":{"a":[1.50e1,null]}, "seed":9007199254740993 }';
  const r = await until('the alias', async () => {
    const answer = await proxy.chat(key.secret, odd);
    const text = await answer.text();
    return answer.status === 200 && text;
  });
  assert.ok(r);
  assert.equal(provider.calls.at(-1).body, odd.replace('"house-model"', '"gpt-4o-2024-11-20"'));
});

test('a stream arrives event by event, its usage is asked for and hidden from a client that did not ask', async () => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  provider.handler = async (call, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    const all = chunks('gpt-4o', ['One', ' two', ' three'], { usage: call.json.stream_options?.include_usage ? { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 } : undefined });
    res.write(sse(all[0]) + sse(all[1]));
    await gate;
    for (const c of all.slice(2)) res.write(sse(c));
    res.end(sse('[DONE]'));
  };
  const { data: stream, response } = await client.chat.completions
    .create({ model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'count' }] }).withResponse();
  const seen = [];
  for await (const c of stream) {
    seen.push(c);
    if (c.choices[0]?.delta?.content === 'One') release(); // the first word is here although the provider has not ended
  }
  assert.equal(provider.calls.at(-1).json.stream_options.include_usage, true);
  assert.equal(seen.map((c) => c.choices[0]?.delta?.content ?? '').join(''), 'One two three');
  assert.ok(seen.every((c) => c.choices.length === 1), 'the usage chunk is hidden');
  const [event] = await eventsOf(database, [response.headers.get('x-weir-request-id')]);
  assert.equal(event.stream, true);
  assert.equal(event.outcome, 'ok');
  const lines = await database.query("select quantity::int from usage_quantities where event_id = $1 and unit = 'token_out'", [event.id]);
  assert.equal(lines[0].quantity, 3);
});

test('a client that asks for usage gets the usage chunk', async () => {
  provider.handler = () => false;
  const stream = await client.chat.completions.create({ model: 'gpt-4o', stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: 'x' }] });
  const seen = [];
  for await (const c of stream) seen.push(c);
  assert.equal(seen.at(-1).usage.total_tokens, 12);
});

test('a client that leaves ends the provider’s call at once, and the event says so', async () => {
  let closed;
  const gone = new Promise((resolve) => (closed = resolve));
  provider.handler = async (call, res) => {
    res.once('close', closed);
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const c of chunks('gpt-4o', ['a', 'b', 'c'])) res.write(sse(c));
    await gone;
  };
  const { data: stream, response } = await client.chat.completions
    .create({ model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'x' }] }).withResponse();
  for await (const c of stream) if (c.choices[0].delta.content === 'b') break;
  await gone;
  const [event] = await eventsOf(database, [response.headers.get('x-weir-request-id')]);
  assert.equal(event.outcome, 'client_gone');
});

test('a stream that the provider cuts never ends cleanly', async () => {
  provider.handler = (call, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const c of chunks('gpt-4o', ['a', 'b']).slice(0, 2)) res.write(sse(c));
    setTimeout(() => res.destroy(), 50);
  };
  const r = await proxy.chat(key.secret, { model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'x' }] });
  let text = '';
  await assert.rejects(async () => {
    for await (const piece of r.body) text += Buffer.from(piece).toString();
  });
  assert.ok(!text.includes('[DONE]'));
  const error = text.split('\n\n').filter(Boolean).map((e) => e.replace(/^data: /, '')).map((e) => JSON.parse(e)).find((e) => e.error);
  assert.equal(error.error.code, 'upstream_closed');
  const [event] = await eventsOf(database, [r.headers.get('x-weir-request-id')]);
  assert.equal(event.outcome, 'cut');
});

test('the provider’s own errors reach the SDK as they are', async () => {
  provider.handler = (call, res) => {
    res.writeHead(429, { 'content-type': 'application/json', 'retry-after': '7', 'x-ratelimit-remaining-requests': '0' });
    res.end(JSON.stringify({ error: { message: 'slow down', type: 'requests', param: null, code: 'rate_limit_exceeded' } }));
  };
  const error = await client.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'x' }] }).then(() => assert.fail(), (e) => e);
  assert.ok(error instanceof OpenAI.RateLimitError);
  assert.equal(error.code, 'rate_limit_exceeded');
  assert.equal(error.headers.get('retry-after'), '7');
  const [event] = await eventsOf(database, [error.headers.get('x-weir-request-id')]);
  assert.equal(event.outcome, 'provider_error');
  assert.equal(event.status, 429);
});

test('models are listed as OpenAI lists them', async () => {
  const page = await client.models.list();
  assert.ok(page.data.some((m) => m.id === 'gpt-4o' && m.object === 'model'));
});

test('native pass-through keeps path, query and body', async () => {
  provider.handler = (call, res) => {
    if (!call.url.startsWith('/v1/anything')) return false;
    res.writeHead(201, { 'content-type': 'text/plain', 'x-own': 'kept' });
    res.end(`${call.method} ${call.url} ${call.body}`);
  };
  const r = await fetch(`${proxy.url}/openai/anything/at/all?x=1&y=%2F`, { method: 'PUT', body: 'raw \u0000 bytes', headers: { authorization: `Bearer ${key.secret}` } });
  assert.equal(r.status, 201);
  assert.equal(r.headers.get('x-own'), 'kept');
  assert.equal(await r.text(), 'PUT /v1/anything/at/all?x=1&y=%2F raw \u0000 bytes');
});

test('a thousand requests over kept connections leave a thousand events', async () => {
  provider.handler = () => false;
  const before = provider.calls.length;
  const ids = [];
  await Promise.all(Array.from({ length: 20 }, async () => {
    for (let i = 0; i < 50; i++) {
      const r = await proxy.chat(key.secret, { model: 'gpt-4o', stream: i % 2 === 0, messages: [{ role: 'user', content: `n${i}` }] });
      assert.equal(r.status, 200);
      await r.text();
      ids.push(r.headers.get('x-weir-request-id'));
    }
  }));
  assert.equal(provider.calls.length - before, 1000);
  const events = await eventsOf(database, ids, 30000);
  assert.ok(events.every((e) => e.outcome === 'ok'));
  assert.equal((await database.query('select count(*)::int n from usage_quarantine'))[0].n, 0);
});
