// What may go wrong between a hostile client and a hostile provider: each request ends once, visibly, with one event that tells the truth,
// and nothing of one side leaks to the other.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { startStandalone } from './harness/planes.mjs';
import { until } from './harness/process.mjs';

const KEY = 'the-virtual-key';
const SECRET = 'sk-of-the-provider';
let provider, proxy;

// A provider on bare sockets: `script(socket, request, number)` writes what it likes. A request is {head, body, connection}.
async function rawProvider() {
  const p = { requests: [], sockets: new Set(), script: answerJson, connections: 0 };
  p.server = net.createServer((socket) => {
    const connection = ++p.connections;
    let bytes = Buffer.alloc(0);
    p.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => p.sockets.delete(socket));
    socket.on('data', (d) => {
      bytes = Buffer.concat([bytes, d]);
      for (;;) {
        const end = bytes.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = bytes.subarray(0, end).toString('latin1');
        const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
        if (bytes.length < end + 4 + length && !p.impatient) return;
        const request = { head, body: bytes.subarray(end + 4, end + 4 + length).toString('utf8'), connection };
        bytes = bytes.subarray(end + 4 + length);
        p.requests.push(request);
        p.script(socket, request, p.requests.length);
      }
    });
  });
  await new Promise((r) => p.server.listen(0, '127.0.0.1', r));
  p.url = `http://127.0.0.1:${p.server.address().port}`;
  p.close = () => {
    for (const s of p.sockets) s.destroy();
    return new Promise((r) => p.server.close(r));
  };
  return p;
}

const json = (o) => {
  const text = typeof o === 'string' ? o : JSON.stringify(o);
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};
const ANSWER = { id: 'c', model: 'm', choices: [{ index: 0, message: { content: 'hi' }, finish_reason: 'stop' }], usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } };
function answerJson(socket) {
  socket.write(json(ANSWER));
}
const STREAM = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
const chunk = (s) => `${Buffer.byteLength(s).toString(16)}\r\n${s}\r\n`;
const data = (o) => `data: ${typeof o === 'string' ? o : JSON.stringify(o)}\n\n`;
const delta = (content, finish_reason = null) => data({ id: 'c', model: 'm', choices: [{ index: 0, delta: { content }, finish_reason }] });
const USAGE = data({ id: 'c', model: 'm', choices: [], usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } });
const DONE = data('[DONE]');

// A client on a bare socket; everything that came is in `text`.
function rawClient(bytes, url = proxy.url) {
  const c = { text: '', closed: false };
  c.socket = net.connect(Number(new URL(url).port), '127.0.0.1');
  c.socket.on('error', () => {});
  c.socket.on('data', (d) => (c.text += d.toString('latin1')));
  c.ended = new Promise((r) => c.socket.on('close', () => r((c.closed = true))));
  if (bytes) c.socket.write(bytes);
  return c;
}
const post = (body, { path = '/v1/chat/completions', headers = '', key = KEY } = {}) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};
const CHAT = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };

const events = () => {
  try {
    return readFileSync(proxy.eventsFile, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
  } catch {
    return [];
  }
};
// All events of what has ended stand in the file: the worker writes them in order, and this one is the last.
let sentinels = 0;
async function settled() {
  const model = `sentinel-${++sentinels}`;
  const r = await proxy.chat(KEY, { model });
  assert.equal(r.status, 404);
  await r.text();
  return until('the sentinel', () => {
    const all = events();
    return all.some((e) => e.model === model) && all.filter((e) => !e.model.startsWith('sentinel-'));
  });
}
// What `act` does ends in exactly these events, in any order: each expectation is a part of one.
async function expectEvents(expected, act) {
  const before = (await settled()).length;
  const result = await act();
  const got = (await settled()).slice(before);
  assert.equal(got.length, expected.length, JSON.stringify(got));
  for (const want of expected) {
    const i = got.findIndex((e) => Object.entries(want).every(([k, v]) => (typeof v === 'function' ? v(e[k], e) : e[k] === v)));
    assert.ok(i >= 0, `no event like ${JSON.stringify(want)} among ${JSON.stringify(got)}`);
    got.splice(i, 1);
  }
  return result;
}
const tokens = (unit, quantity) => (attempts) => attempts?.[0]?.quantities.some((q) => q.unit === unit && q.quantity === quantity);

before(async () => {
  provider = await rawProvider();
  proxy = await startStandalone(`version: 1
providers: [{name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: "${SECRET}"}]
models: [{name: gpt-4o, targets: [{provider: openai, model: up-4o}]}]
keys: [{name: dev, secret: "${KEY}"}, {name: bound, secret: bound-key, models: ["gpt-4o", "openai/small"]}]
`, { workers: 1, args: ['--upstream-timeout', '1s', '--upstream-gap-timeout', '1s', '--max-body', '64KiB'] });
});
after(async () => {
  await proxy?.end();
  await provider?.close();
});

const collect = async (r) => {
  let text = '';
  try {
    for await (const d of r.body) text += Buffer.from(d).toString('utf8');
    return { text, clean: true };
  } catch {
    return { text, clean: false };
  }
};

test('a stream reads the same however the provider splits it, and with any line ends', async () => {
  const forms = {
    lf: (s) => s,
    crlf: (s) => s.replaceAll('\n', '\r\n'),
    cr: (s) => s.replaceAll('\n', '\r'),
    bom: (s) => `\ufeff${s}`,
    comments: (s) => `: hello\n\n${s.replaceAll('\n\n', '\n: between\n\n: after\n\n')}`,
    unended: (s) => s.replace(/\n\n$/, ''),
    half: (s) => s.replace(/\n\n$/, '\n'),
  };
  for (const [name, form] of Object.entries(forms)) {
    const shown = form(delta('a') + delta('b', 'stop') + DONE);
    const whole = form(delta('a') + delta('b', 'stop') + USAGE + DONE);
    for (const size of [1, 7, 4096]) {
      provider.script = async (socket) => {
        socket.write(STREAM);
        const bytes = Buffer.from(whole);
        for (let i = 0; i < bytes.length; i += size) {
          const piece = bytes.subarray(i, i + size);
          socket.write(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]));
          if (size < 100 && i % 50 === 0) await new Promise(setImmediate);
        }
        socket.write('0\r\n\r\n');
      };
      const { text, clean } = await expectEvents([{ outcome: 'ok', stream: true, status: 200, attempts: tokens('token_out', 3) }], async () =>
        collect(await proxy.chat(KEY, { ...CHAT, stream: true })));
      assert.ok(clean, name);
      if (name === 'comments') assert.equal(text.replace(/: after\n\n/g, ''), shown.replace(/: after\n\n/g, ''));
      else assert.equal(text, shown, `${name} by ${size}`);
    }
  }
});

test('a stream that breaks off says so in an event of its own and is never a clean end', async () => {
  for (const [tail, last] of [['', 'cut'], ['data: {"choices":[{"del', 'cut'], [': half a comm', 'cut']]) {
    for (const how of ['destroy', 'frame']) {
      for (const stream_options of [undefined, { include_usage: true }]) {
        provider.script = (socket) => {
          socket.write(STREAM + chunk(delta('one') + tail), () => (how === 'destroy' ? socket.destroy() : socket.write('0\r\n\r\n')));
        };
        const { text, clean } = await expectEvents([{ outcome: last, status: 200, error_code: 'upstream_closed' }], async () =>
          collect(await proxy.chat(KEY, { ...CHAT, stream: true, stream_options })));
        assert.equal(clean, false);
        assert.ok(text.startsWith(delta('one')), text);
        const error = text.split('\n\n').filter(Boolean).at(-1);
        assert.ok(error.startsWith('data: {"error":{'), text);
        assert.equal(JSON.parse(error.slice(6)).error.code, 'upstream_closed');
      }
    }
  }
});

test("the provider's own error event is passed on once and counts as its error", async () => {
  for (const end of ['', DONE]) {
    provider.script = (socket) => socket.write(STREAM + chunk(delta('one') + data({ error: { message: 'overloaded', code: 'x' } }) + end) + '0\r\n\r\n');
    const { text, clean } = await expectEvents([{ outcome: 'provider_error', status: 200 }], async () => collect(await proxy.chat(KEY, { ...CHAT, stream: true })));
    assert.ok(clean);
    assert.equal(text, delta('one') + data({ error: { message: 'overloaded', code: 'x' } }) + end);
  }
});

test('an answer that is no stream passes as it is, whatever was asked', async () => {
  const cases = [
    [json(ANSWER), 200, JSON.stringify(ANSWER), 'ok', tokens('token_out', 3)],
    [`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${json(ANSWER)}`, 200, JSON.stringify(ANSWER), 'ok', tokens('token_out', 3)],
    ['HTTP/1.1 204 No Content\r\n\r\n', 204, '', 'ok', undefined],
    ['HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2;ext="a b"\r\n{}\r\n0\r\nX-T: 1\r\n\r\n', 200, '{}', 'ok', undefined],
    [`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n${JSON.stringify(ANSWER)}`, 200, JSON.stringify(ANSWER), 'ok', tokens('token_out', 3)],
    ['HTTP/1.1 503 \r\nContent-Type: text/event-stream\r\nContent-Length: 6\r\n\r\ndata: ', 503, /"weir":\{"provider_error":"data: "/, 'provider_error', undefined],
    ['HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x0a\x0aP', 200, '\x1f\x0a\x0aP', 'ok', undefined],
  ];
  for (const [answer, status, body, outcome, attempts] of cases) {
    provider.script = (socket) => {
      socket.write(answer);
      if (/connection: close/i.test(answer)) socket.end();
    };
    const c = await expectEvents([{ outcome, status, ...(attempts ? { attempts } : {}) }], async () => {
      const client = rawClient(post({ ...CHAT, stream: true }, { headers: 'Connection: close\r\n' }));
      await client.ended;
      return client;
    });
    assert.match(c.text, new RegExp(`^HTTP/1\\.1 ${status} `));
    const rest = c.text.slice(c.text.indexOf('\r\n\r\n') + 4);
    if (body instanceof RegExp) assert.match(rest, body);
    else assert.ok(rest === body || rest.includes(`\r\n${body}\r\n0\r\n\r\n`), c.text);
  }
});

test('a body that ends with its connection before it is whole is visibly cut', async () => {
  provider.script = (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"choices":[{"message":{"content":"hal');
  const { clean } = await expectEvents([{ outcome: 'cut' }], async () => collect(await proxy.chat(KEY, CHAT)));
  assert.equal(clean, false);
});

test('a client that goes leaves one event, whenever it goes', async () => {
  const moments = {
    'before the head': () => {},
    'within the head': (s) => s.write('HTTP/1.1 200 OK\r\nContent-'),
    'within the stream': (s) => s.write(STREAM + chunk(delta('one'))),
  };
  for (const [name, say] of Object.entries(moments)) {
    let called;
    provider.script = (socket) => {
      called = socket;
      say(socket);
    };
    await expectEvents([{ outcome: 'client_gone', attempts: tokens('token_in', 19) }], async () => {
      const c = rawClient(post({ ...CHAT, stream: true }));
      await until('the provider has it', () => called);
      if (name === 'within the stream') await until('a byte has come', () => c.text.includes('one'));
      c.socket.destroy();
      await until('the provider is let go', () => called.destroyed || called.readableEnded);
    });
  }
  // with its last piece under way: the answer was complete
  provider.script = (socket) => socket.write(STREAM + chunk(delta('one', 'stop') + USAGE + DONE) + '0\r\n\r\n');
  await expectEvents([{ outcome: (o) => ['ok', 'client_gone'].includes(o) }], async () => {
    const c = rawClient(post({ ...CHAT, stream: true }));
    await until('a byte', () => c.text.includes('one'));
    c.socket.destroy();
  });
});

test('a provider that is silent, or falls silent, is given up in time', async () => {
  provider.script = () => {};
  const r = await expectEvents([{ outcome: 'timeout', status: 504, error_code: 'upstream_timeout', attempts: tokens('token_in', 16) }], () => proxy.chat(KEY, CHAT));
  assert.equal(r.status, 504);
  provider.script = (socket) => socket.write(STREAM + chunk(delta('one')));
  const { text, clean } = await expectEvents([{ outcome: 'timeout', status: 200 }], async () => collect(await proxy.chat(KEY, { ...CHAT, stream: true })));
  assert.ok(!clean && text.includes('upstream_timeout'));
});

test('pipelined requests are answered in order, each with its event, also behind a refusal and a HEAD', async () => {
  provider.script = answerJson;
  const head = `HEAD /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n\r\n`;
  const c = await expectEvents([{ outcome: 'ok', endpoint: 'chat.completions' }, { outcome: 'refused', status: 404 }, { outcome: 'ok', endpoint: 'models' }, { outcome: 'ok', endpoint: 'chat.completions' }], async () => {
    const client = rawClient(post(CHAT) + post({ ...CHAT, model: 'none' }) + head + post(CHAT, { headers: 'Connection: close\r\n' }));
    await client.ended;
    return client;
  });
  assert.deepEqual([...c.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]), ['200', '404', '200', '200']);
});

test('HEAD and 304 of a native path carry no body and do not hold the connection', async () => {
  provider.script = (socket, r) => socket.write(r.head.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000\r\n\r\n' : 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n');
  const c = await expectEvents([{ outcome: 'ok', endpoint: 'native', status: 200 }, { outcome: 'ok', endpoint: 'native', status: 304 }], async () => {
    const line = (m, more = '') => `${m} /openai/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n${more}\r\n`;
    const client = rawClient(line('HEAD') + line('GET', 'Connection: close\r\n'));
    await client.ended;
    return client;
  });
  assert.match(c.text, /^HTTP\/1\.1 200[\s\S]*content-length: 1000\r\n\r\nHTTP\/1\.1 304[^]*\r\n\r\n$/);
});

test('a connection that the provider closed while it idled costs no request, and none is sent twice', async () => {
  provider.script = answerJson;
  await (await proxy.chat(KEY, CHAT)).text();
  for (let i = 0; i < 20; i++) {
    for (const s of provider.sockets) s.destroy(); // at this very moment the proxy sends on it
    const n = provider.requests.length;
    const r = await proxy.chat(KEY, CHAT);
    assert.equal(r.status, 200);
    await r.text();
    assert.equal(provider.requests.length, n + 1);
  }
  // one that it had read is not sent again: it may have been worked on
  const n = provider.requests.length;
  provider.script = (socket) => socket.end();
  const r = await expectEvents([{ outcome: 'provider_error', status: 502 }], () => proxy.chat(KEY, CHAT));
  assert.equal(r.status, 502);
  assert.equal(provider.requests.length, n + 1);
});

test('an answer before the request was read to its end counts', async () => {
  provider.impatient = true;
  try {
    provider.script = (socket) => {
      socket.pause();
      socket.end('HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}');
    };
    const r = await expectEvents([{ outcome: 'provider_error', status: 413 }], () => proxy.chat(KEY, { ...CHAT, pad: 'x'.repeat(60000) }));
    assert.equal(r.status, 413);
  } finally {
    provider.impatient = false;
    for (const s of provider.sockets) s.destroy();
  }
});

test('what reaches the provider is one well-framed request with one credential, its own', async () => {
  provider.script = answerJson;
  const before = provider.requests.length;
  const evil = [
    'Cookie: session=1', 'Proxy-Authorization: Basic x', 'X-Api-Key: sk-client', 'Api-Key: sk-client', 'X-Goog-Api-Key: sk-client', 'Forwarded: for=1.2.3.4',
    'X-Forwarded-For: 1.2.3.4', 'X-Weir-Anything: 1', 'X-Portkey-Virtual-Key: sk-client', 'Cf-Aig-Cache-Ttl: 1', 'Connection: keep-alive, x-hop, content-type', 'X-Hop: 1',
    'TE: trailers', 'Expect: 100-continue', 'Upgrade: h2c', 'Accept-Encoding: gzip, br', 'Content-Encoding: identity',
  ].map((h) => `${h}\r\n`).join('');
  const chunked = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Weir-Key: ' + KEY + '\r\nAuthorization: Bearer sk-client\r\n' + evil + 'Transfer-Encoding: chunked\r\n\r\n';
  const text = JSON.stringify(CHAT);
  const c = rawClient(chunked + `${text.length.toString(16)};name="va;l\\"ue"\r\n${text}\r\n0\r\nContent-Length: 5\r\nX-Trailer: 1\r\n\r\n` + post(CHAT, { headers: 'Connection: close\r\n' }));
  await c.ended;
  assert.deepEqual([...c.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]).filter((s) => s !== '100'), ['200', '200'], c.text);
  const [one, two] = provider.requests.slice(before);
  assert.equal(provider.requests.length, before + 2);
  for (const r of [one, two]) {
    assert.equal(r.body, text.replace('"gpt-4o"', '"up-4o"'));
    assert.equal(r.head.match(/^content-length:/gim).length, 1);
    assert.equal(r.head.match(/^host:/gim).length, 1);
    assert.deepEqual(r.head.match(/^authorization: .*$/gim), [`Authorization: Bearer ${SECRET}`]);
    assert.ok(!/transfer-encoding|^te:|^trailer|cookie|sk-client|the-virtual-key|forwarded|x-weir|portkey|cf-aig|x-hop|expect|upgrade|gzip/im.test(r.head), r.head);
  }
});

test('names in odd clothes reach what they name or are refused, and never split a header', async () => {
  provider.script = answerJson;
  const status = async (body, options) => {
    const c = rawClient(post(body, { headers: 'Connection: close\r\n', ...options }));
    await c.ended;
    return c;
  };
  const last = () => JSON.parse(provider.requests.at(-1).body);
  let c = await status({ ...CHAT, model: 'openai/größe-😀' });
  assert.match(c.text, /^HTTP\/1\.1 200/);
  assert.equal(last().model, 'größe-😀');
  c = await status(`{"model":"openai/a\\u000d\\u000aX-Evil: 1"}`);
  assert.match(c.text, /^HTTP\/1\.1 400/);
  for (const bad of ['{"model":"gpt-4o","model":"openai/x"}', '{"model":"gpt-4o","stream":true,"stream":false}', '{"model":"gpt-4o","stream":1}', '{"model":"gpt-4o","stream":"true"}',
    '{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true,"include_usage":false}}', '{"model":"\\ud800"}', '{"model":""}', `{"model":"${'x'.repeat(10000)}"}`]) {
    const n = provider.requests.length;
    c = await status(bad);
    assert.match(c.text, /^HTTP\/1\.1 400/, bad);
    assert.equal(provider.requests.length, n);
  }
  for (const [sent, options] of [['null', { include_usage: true }], ['{}', { include_usage: true }], ['{"include_usage":false}', { include_usage: true }], ['{"x":[1]}', { include_usage: true, x: [1] }], [undefined, { include_usage: true }]]) {
    await status(`{"model":"gpt-4o","n":2,"stream":true${sent ? `,"stream_options":${sent}` : ''}}`);
    assert.deepEqual(last(), { model: 'up-4o', n: 2, stream: true, stream_options: options });
  }
  for (const stream of ['null', 'false']) {
    await status(`{"model":"gpt-4o","stream":${stream}}`);
    assert.equal(provider.requests.at(-1).body, `{"model":"up-4o","stream":${stream}}`);
  }
});

test('a bound key stays bound on every way to a provider', async () => {
  provider.script = answerJson;
  const n = provider.requests.length;
  const small = { model: 'small' };
  for (const [path, body] of [
    ['/v1/chat/completions', { model: 'openai/big' }], ['/v1/chat/completions', { model: '@openai/big' }], ['/v1/chat/completions', { model: 'OPENAI/big' }],
    ['/openai/chat/completions', { model: 'big' }], ['/openai/chat/completions', '{"mod\\u0065l":"big"}'], ['/openai/chat/completions', '{"model":"small","model":"big"}'],
    ['/openai/deployments/big/chat/completions', small], ['/openai//deployments//big/chat', small], ['/openai/deployments%2Fbig/x', small], ['/openai/x?model=big', small],
    ['/openai/../openai/chat/completions', small], ['/openai/%2e%2e/chat', small], ['/Openai/chat/completions', { model: 'big' }], ['//openai/chat/completions', small], ['/openai/x/..%5c..%5cadmin', small],
  ]) {
    const c = rawClient(post(body, { path, key: 'bound-key', headers: 'Connection: close\r\n' }));
    await c.ended;
    assert.match(c.text, /^HTTP\/1\.1 (400|403|404) /, path + JSON.stringify(body) + c.text);
  }
  assert.equal(provider.requests.length, n);
  const c = rawClient(post(small, { path: '/openai/chat/completions?key=bound-key&k%65y=x&a=1', key: 'bound-key', headers: 'Connection: close\r\n' }));
  await c.ended;
  assert.match(provider.requests.at(-1).head, /^POST \/v1\/chat\/completions\?a=1 HTTP\/1\.1\r\n/);
});

test('bodies at the limit pass and one byte more is 413, announced or chunked', async () => {
  provider.script = answerJson;
  const limit = 64 * 1024;
  const body = (size) => {
    const text = JSON.stringify({ ...CHAT, pad: '' });
    return text.replace('"pad":""', `"pad":"${'x'.repeat(size - text.length)}"`);
  };
  for (const [size, status] of [[limit, 200], [limit + 1, 413]]) {
    let c = rawClient(post(body(size), { headers: 'Connection: close\r\n' }));
    await c.ended;
    assert.match(c.text, new RegExp(`^HTTP/1\\.1 ${status} `));
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;
    c = rawClient(head + body(size).match(/[^]{1,1000}/g).map(chunk).join('') + '0\r\n\r\n');
    await c.ended;
    assert.match(c.text, new RegExp(`^HTTP/1\\.1 ${status} `));
  }
});

test('Expect: 100-continue is asked on, and HTTP/1.0 keeps its connection when it asks to', async () => {
  provider.script = answerJson;
  const text = JSON.stringify(CHAT);
  let c = rawClient(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n`);
  await until('100', () => c.text === 'HTTP/1.1 100 Continue\r\n\r\n');
  c.socket.write(text);
  await c.ended;
  assert.match(c.text, /\r\n\r\nHTTP\/1\.1 200 /);
  const old = `POST /v1/chat/completions HTTP/1.0\r\nAuthorization: Bearer ${KEY}\r\nConnection: keep-alive\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  c = rawClient(old);
  await until('an answer', () => c.text.includes('"usage"'));
  assert.match(c.text, /connection: keep-alive/i);
  c.text = '';
  c.socket.write(old.replace('Connection: keep-alive\r\n', ''));
  await c.ended;
  assert.match(c.text, /^HTTP\/1\.1 200 [^]*"usage"/);
  // a stream of unknown length ends with the connection, and a cut one with a reset
  provider.script = (socket) => socket.write(STREAM + chunk(delta('one', 'stop') + DONE) + '0\r\n\r\n');
  const stream = JSON.stringify({ ...CHAT, stream: true });
  c = rawClient(`POST /v1/chat/completions HTTP/1.0\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: ${stream.length}\r\n\r\n${stream}`);
  await c.ended;
  assert.ok(c.text.endsWith(delta('one', 'stop') + DONE) && !/transfer-encoding/i.test(c.text));
});

test('what a client calls things never spoils an event or an answer', async () => {
  provider.script = answerJson;
  const send = async (line, more = '') => {
    const c = rawClient(`${line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nConnection: close\r\n${more}\r\n`);
    await c.ended;
    return c;
  };
  assert.match((await send('GET /v1/models/%ff')).text, /^HTTP\/1\.1 400/);
  assert.match((await send('GET /v1/models/' + 'x'.repeat(50000))).text, /^HTTP\/1\.1 400/);
  assert.match((await send('GET /%ff%fe/x')).text, /^HTTP\/1\.1 404/);
  const long = rawClient(post({ ...CHAT, model: 'a' + '€'.repeat(60) }, { headers: 'Connection: close\r\n' }));
  await long.ended;
  const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(long.text, 'latin1')); // cut between characters
  assert.match(text, /^HTTP\/1\.1 404/);
  assert.equal(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).error.code, 'model_not_found');
  await expectEvents([{ outcome: 'ok', trace_id: '' }], () => send('GET /v1/models', 'traceparent: 00-\xff\xfe"\\6919\xffcd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n'));
});

test('a slow client of a long stream holds little memory and the provider back', { timeout: 60000 }, async () => {
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${proxy.program.pid}/status`, 'utf8'))[1]) * 1024;
  const total = 200 * 1024 * 1024;
  const piece = chunk(delta('x'.repeat(60000)));
  let written = 0;
  provider.script = (socket) => {
    socket.write(STREAM);
    const more = () => {
      while (written < total) {
        written += piece.length;
        if (!socket.write(piece)) return socket.once('drain', more);
      }
      socket.write(chunk(delta('', 'stop') + USAGE + DONE) + '0\r\n\r\n');
    };
    more();
  };
  const start = rss();
  let peak = start;
  await expectEvents([{ outcome: 'ok', stream: true, attempts: tokens('token_out', 3) }], async () => {
    const c = rawClient();
    let got = 0, tail = '';
    c.socket.removeAllListeners('data');
    c.socket.on('data', (d) => {
      got += d.length;
      tail = (tail + d.toString('latin1')).slice(-100);
      if (got % 97 === 0) peak = Math.max(peak, rss());
    });
    c.socket.write(post({ ...CHAT, stream: true }, { headers: 'Connection: close\r\n' }));
    await until('a first byte', () => got > 0);
    c.socket.pause();
    let held;
    await until('the provider is held back', async () => {
      const now = written;
      await new Promise((r) => setTimeout(r, 100));
      return (held = written) === now;
    });
    assert.ok(held < 64 * 1024 * 1024, `${held} bytes went to nobody`);
    peak = Math.max(peak, rss());
    c.socket.resume();
    await c.ended;
    assert.ok(got > total);
    assert.ok(tail.includes('[DONE]'));
  });
  peak = Math.max(peak, rss());
  const room = process.env.WEIR_SANITIZED || /asan|tsan/.test(process.env.WEIR_BUILD ?? '') ? 256 : 12;
  assert.ok(peak - start < room * 1024 * 1024, `grew by ${peak - start} bytes`);
});

test('SIGHUP under load: every request ends well, and one event stands for each', async () => {
  provider.script = answerJson;
  let stop = false, sent = 0;
  const yaml = readFileSync(proxy.file, 'utf8');
  const before = (await settled()).length;
  const load = Array.from({ length: 4 }, async () => {
    while (!stop) {
      const r = await proxy.chat(KEY, CHAT);
      sent++;
      assert.equal(r.status, 200, await r.text());
    }
  });
  for (let i = 0; i < 10; i++) {
    writeFileSync(proxy.file, `${yaml}# ${i}\n`.replace('name: dev', `name: dev${i}`));
    const n = sent;
    proxy.program.signal('SIGHUP');
    await until('requests go on', () => sent > n + 10);
  }
  stop = true;
  await Promise.all(load);
  const all = await settled();
  assert.equal(new Set(all.map((e) => e.id)).size, all.length);
  assert.equal(all.length, before + sent);
});
