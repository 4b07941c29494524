// What a hostile HTTP/2 client may try, in raw frames over a socket: each fault ends its stream or its connection, and never the proxy.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';

const KEY = 'http2-abuse-key';
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const [DATA, HEADERS, PRIORITY, RST, SETTINGS, , PING, GOAWAY, WINDOW, CONTINUATION] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
let provider, proxy;

before(async () => {
  provider = await fakeProvider();
  proxy = await startStandalone(`
version: 1
providers: [{name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: sk-test}]
models: [{name: gpt-4o, targets: [{provider: openai, model: gpt-4o}]}]
keys: [{name: dev, secret: ${KEY}}]
`, { workers: 1, args: ['--max-body', '1048576'] });
});

after(async () => {
  await proxy?.end();
  await provider?.close();
});

function frame(type, flags, id, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

// HPACK literals without indexing; a static table's index for the answer's :status is all that is read back.
const text = (s) => {
  const b = Buffer.from(s);
  assert.ok(b.length < 127);
  return Buffer.concat([Buffer.from([b.length]), b]);
};
const block = (list) => Buffer.concat(list.map(([n, v]) => Buffer.concat([Buffer.from([0]), text(n), text(v)])));
const base = [[':method', 'GET'], [':scheme', 'http'], [':path', '/v1/models'], [':authority', 'weir.test'], ['authorization', `Bearer ${KEY}`]];
const ask = (id, list = base, flags = 5) => frame(HEADERS, flags, id, block(list));

// Sends bytes; resolves to the frames that came when `done(frames)` says so, or the connection ended.
function speak(bytes, done = () => false, wait = 20000) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(proxy.url);
    const socket = net.connect(port, hostname);
    const frames = [];
    let rest = Buffer.alloc(0);
    const finish = (ended) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ frames, ended, of: (type, id) => frames.filter((f) => f.type === type && (id === undefined || f.id === id)) });
    };
    const timer = setTimeout(() => reject(new Error(`nothing decisive came: ${JSON.stringify(frames.map((f) => [f.type, f.id]))}`)), wait);
    socket.on('error', () => {});
    socket.on('close', () => finish(true));
    socket.on('data', (d) => {
      rest = Buffer.concat([rest, d]);
      while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const n = rest.readUIntBE(0, 3);
        frames.push({ type: rest[3], flags: rest[4], id: rest.readUInt32BE(5), payload: Buffer.from(rest.subarray(9, 9 + n)) });
        rest = rest.subarray(9 + n);
      }
      if (done(frames)) finish(false);
    });
    socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), ...bytes]));
  });
}

const closedStream = (id) => (frames) => frames.some((f) => f.id === id && (f.type === RST || (f.flags & 1 && f.type <= HEADERS)));
const status = (f) => (f.payload[0] === 0x88 ? 200 : f.payload[0] === 0x8c ? 400 : f.payload[0]);
const alive = async () => assert.equal((await fetch(`${proxy.url}/v1/models`, { headers: { authorization: `Bearer ${KEY}` } })).status, 200);

describe('hostile HTTP/2', () => {
  test('the rig itself is understood', async () => {
    const got = await speak([ask(1)], closedStream(1));
    assert.equal(status(got.of(HEADERS, 1)[0]), 200);
  });

  test('faulty heads reset their stream, the next one is served', async () => {
    const change = (name, value) => base.map((h) => (h[0] === name ? [name, value] : h));
    const faults = {
      'a second :path': [...base.slice(0, 4), [':path', '/v1/other'], ...base.slice(4)],
      'a pseudo header behind others': [...base, [':path', '/v1/other']],
      'capitals': [...base, ['X-Upper', '1']],
      'connection': [...base, ['connection', 'close']],
      'transfer-encoding': [...base, ['transfer-encoding', 'chunked']],
      'te of more than trailers': [...base, ['te', 'gzip']],
      'no :path': base.filter((h) => h[0] !== ':path'),
      'a line break in a value': [...base, ['x-a', 'b\r\nx-evil: 1']],
      'a line break in the path': change(':path', '/v1/models HTTP/1.1\r\nx-evil: 1'),
    };
    for (const [what, list] of Object.entries(faults)) {
      const got = await speak([ask(1, list), ask(3)], closedStream(3));
      assert.equal(got.of(RST, 1).length, 1, what);
      assert.equal(status(got.of(HEADERS, 3)[0]), 200, what);
    }
  });

  test('heads that HTTP/1.1 would refuse get 400', async () => {
    const change = (name, value) => base.map((h) => (h[0] === name ? [name, value] : h));
    for (const list of [change(':path', '/v1/models HTTP/1.1'), [...base, ['host', 'elsewhere']], [...base, ['host', 'weir.test'], ['host', 'weir.test']]]) {
      const got = await speak([ask(1, list), ask(3)], closedStream(3));
      const first = got.of(HEADERS, 1)[0];
      assert.ok(first ? status(first) === 400 : got.of(RST, 1).length === 1, JSON.stringify(list));
      assert.equal(status(got.of(HEADERS, 3)[0]), 200);
    }
    const same = await speak([ask(1, [...base, ['host', 'weir.test']])], closedStream(1));
    assert.equal(status(same.of(HEADERS, 1)[0]), 200);
  });

  test('a body of another length than it says', async () => {
    const post = [[':method', 'POST'], ...base.slice(1), ['content-length', '3']];
    const got = await speak([ask(1, post, 4), frame(DATA, 1, 1, Buffer.from('{"a":1}')), ask(3)], closedStream(3));
    assert.equal(got.of(RST, 1).length, 1);
    assert.equal(status(got.of(HEADERS, 3)[0]), 200);
  });

  test('many large bodies on one connection are held down together', async () => {
    const post = [[':method', 'POST'], ...base.slice(1)];
    const bytes = [];
    for (let i = 0; i < 8; i++) bytes.push(ask(1 + 2 * i, post, 4));
    const piece = Buffer.alloc(16384, 0x20);
    for (let k = 0; k < 60; k++) for (let i = 0; i < 8; i++) bytes.push(frame(DATA, 0, 1 + 2 * i, piece));
    const got = await speak(bytes, (frames) => frames.some((f) => f.type === RST && f.payload.readUInt32BE(0) === 11));
    assert.ok(got.of(RST).length >= 1);
    await alive();
  });

  const floods = {
    pings: Array.from({ length: 20000 }, () => frame(PING, 0, 0, Buffer.alloc(8))),
    settings: Array.from({ length: 20000 }, () => frame(SETTINGS, 0, 0)),
    priorities: Array.from({ length: 20000 }, (_, i) => frame(PRIORITY, 0, 2 * i + 1, Buffer.from([0, 0, 0, 0, 1]))),
    windows: Array.from({ length: 20000 }, () => frame(WINDOW, 0, 0, Buffer.from([0, 0, 0, 1]))),
    'faulty streams': Array.from({ length: 20000 }, (_, i) => ask(2 * i + 1, [[':method', 'GET'], ['connection', 'x']])),
    'rapid resets': Array.from({ length: 5000 }, (_, i) => Buffer.concat([ask(2 * i + 1), frame(RST, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8]))])),
    'empty data': [ask(1, [[':method', 'POST'], ...base.slice(1)], 4), ...Array.from({ length: 20000 }, () => frame(DATA, 0, 1))],
    'continuations': [frame(HEADERS, 1, 1, block(base)), ...Array.from({ length: 20000 }, () => frame(CONTINUATION, 0, 1, block([['x-a', 'b']])))],
  };
  for (const [what, bytes] of Object.entries(floods)) {
    test(`a flood of ${what} ends, and others are served meanwhile`, async () => {
      const last = frame(GOAWAY, 0, 0, Buffer.alloc(8));
      const flood = speak([...bytes, last], (frames) => frames.some((f) => f.type === GOAWAY), 8000).catch(() => null);
      await alive();
      await Promise.race([flood, new Promise((r) => setTimeout(r, 500))]);
      await alive();
    });
  }
});
