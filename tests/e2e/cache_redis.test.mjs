// Answers shared by way of Redis: two proxies with one file, a server that is killed, held, started again, or refuses the password. It
// may cost a look-up's time, and never a request.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { completion, fakeProvider, sse, chunks } from './harness/fake_provider.mjs';
import { eventOf } from './harness/events.mjs';
import { startStandalone } from './harness/planes.mjs';
import { freePorts, Program, temporaryFolder, until } from './harness/process.mjs';

const PASSWORD = 'redis-test-password', KEY = 'wk-shared-cache';
const TIMEOUT_MS = 100;
let provider, home, redis, one, two, n = 0;

function redisServer(port, folder) {
  const server = {
    port,
    async start() {
      this.program = new Program('redis', 'redis-server', [join(folder, 'redis.conf')], { folder });
      await this.program.ready('answers', () => this.cli('PING').then((r) => r === '+PONG'));
    },
    // The first line of a command's answer, in the proxies' database.
    cli(...args) {
      return new Promise((resolve, reject) => {
        const s = net.connect(port, '127.0.0.1');
        let out = '';
        s.setTimeout(2000, () => s.destroy(new Error('redis says nothing')));
        s.on('error', reject);
        s.on('data', (d) => {
          out += d;
          if (out.split('\r\n').length > 3) s.end();
        });
        s.on('close', () => resolve(out.split('\r\n')[2]));
        const command = (a) => `*${a.length}\r\n${a.map((x) => `$${Buffer.byteLength(x)}\r\n${x}\r\n`).join('')}`;
        s.write(command(['AUTH', PASSWORD]) + command(['SELECT', '1']) + command(args));
      });
    },
  };
  writeFileSync(join(folder, 'redis.conf'), `bind 127.0.0.1\nport ${port}\nsave ""\nappendonly no\ndir ${folder}\nrequirepass ${PASSWORD}\nmaxmemory 64mb\nmaxmemory-policy allkeys-lru\n`);
  return server;
}

const yaml = () => `version: 1
providers: [{name: a, kind: openai, base_url: "${provider.url}/v1", api_key: sk-up}]
models: [{name: m, targets: [{provider: a, model: gpt-4o}]}]
keys: [{name: k, secret: ${KEY}}]
`;
const start = (name, more = {}) => startStandalone(yaml(), {
  name, env: { WEIR_TEST_REDIS: `redis://:${more.password ?? PASSWORD}@127.0.0.1:${redis.port}/1` },
  args: ['--cache-redis', 'env:WEIR_TEST_REDIS', '--cache-redis-timeout', `${TIMEOUT_MS}ms`, ...(more.args ?? [])],
});
const said = (more = {}) => ({ model: 'm', messages: [{ role: 'user', content: `question ${++n}` }], ...more });
const ask = async (proxy, q, headers = { 'x-weir-cache': 'on' }) => {
  const began = performance.now(), r = await proxy.chat(KEY, q, headers), text = await r.text();
  return { status: r.status, cache: r.headers.get('x-weir-cache'), text, headers: r.headers, ms: performance.now() - began };
};
// Whoever asks first finds the connection up.
const warm = (...proxies) => Promise.all(proxies.map((p) => until('it looks into Redis', async () => {
  const q = said();
  await ask(p, q);
  return (await redis.cli('DBSIZE')) !== ':0';
})));

before(async () => {
  home = temporaryFolder('redis');
  provider = await fakeProvider();
  redis = redisServer(await freePorts(1), home.folder);
  await redis.start();
  one = await start('one');
  two = await start('two');
});
after(async () => {
  await one?.end();
  await two?.end();
  await provider?.close();
  redis?.program?.signal('SIGKILL');
  await redis?.program?.wait();
  home?.remove();
});

test('what one proxy keeps the other gives, whole and streamed, and then by itself', async () => {
  await warm(one, two);
  for (const stream of [false, true]) {
    const q = said({ stream });
    provider.calls.length = 0;
    const first = await ask(one, q);
    assert.equal(first.cache, 'miss');
    const second = await until('the other has it', async () => {
      const r = await ask(two, q, { 'x-weir-cache': 'only' });
      return r.status === 200 && r;
    });
    assert.deepEqual([second.cache, second.text, second.headers.get('content-type')], ['hit', first.text, first.headers.get('content-type')]);
    assert.equal(provider.calls.length, 1);
    const [paid, saved] = [await eventOf(one, first), await eventOf(two, second)];
    assert.ok(paid.cost_nanousd > 0);
    assert.deepEqual([saved.saved_nanousd, saved.cost_nanousd, saved.attempts], [paid.cost_nanousd, 0, []]);
  }
});

test('an answer lives there no longer than was asked', async () => {
  const q = said(), second = { 'x-weir-cache-ttl': '1' };
  assert.equal((await ask(one, q, second)).cache, 'miss');
  await until('the other has it', async () => (await ask(two, q, { 'x-weir-cache': 'only' })).status === 200);
  await until('it is over everywhere', async () => (await ask(two, q, { 'x-weir-cache': 'only' })).status === 504 && (await ask(one, q, { 'x-weir-cache': 'only' })).status === 504, 5000);
});

test('what somebody else wrote there is passed over', async () => {
  for (const junk of ['', 'x', '\x01'.repeat(200), '\x01'.repeat(17) + '\xff'.repeat(8)]) {
    const q = said(), key = (await ask(one, q)).headers.get('x-weir-cache-key');
    const spoil = "local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do if string.find(k, ARGV[1]) then redis.call('SET', k, ARGV[2]) n = n + 1 end end return n";
    await until('it is there', async () => (await redis.cli('EVAL', spoil, '0', key, junk)) === ':1');
    const r = await ask(two, q);
    assert.deepEqual([r.status, r.cache], [200, 'miss']);
    assert.equal((await ask(two, q)).cache, 'hit');
  }
});

test('while it is held, a look-up costs its timeout once, then nothing', async () => {
  redis.program.signal('SIGSTOP');
  try {
    const slow = [];
    for (let i = 0; i < 40; i++) {
      const r = await ask(i % 2 ? one : two, said());
      assert.deepEqual([r.status, r.cache], [200, 'miss']);
      slow.push(r.ms);
    }
    // a worker each of two proxies may find it out by itself, and tries again meanwhile
    assert.ok(slow.filter((ms) => ms > TIMEOUT_MS / 2).length <= 12, slow.map(Math.round).join(' '));
    assert.ok(Math.max(...slow) < TIMEOUT_MS * 10, slow.map(Math.round).join(' '));
    const q = said();
    await ask(one, q);
    assert.equal((await ask(one, q)).cache, 'hit', 'the proxy has its own memory');
  } finally {
    redis.program.signal('SIGCONT');
  }
});

test('killed in the middle of traffic, nobody notices; once it is back, answers are shared again', async () => {
  await until('it is up', async () => {
    const q = said();
    await ask(one, q);
    return (await ask(two, q, { 'x-weir-cache': 'only' })).status === 200;
  });
  let over = false;
  const failed = [], busy = Promise.all([one, two, one, two].map(async (p) => {
    while (!over) {
      const r = await ask(p, said({ stream: n % 2 === 0 }));
      if (r.status !== 200) failed.push(r.text);
    }
  }));
  await new Promise((r) => setTimeout(r, 150));
  redis.program.signal('SIGKILL');
  await redis.program.wait();
  await new Promise((r) => setTimeout(r, 400));
  over = true;
  await busy;
  assert.deepEqual(failed, []);
  const down = [];
  for (let i = 0; i < 20; i++) down.push((await ask(one, said())).ms);
  assert.ok(Math.max(...down) < TIMEOUT_MS * 5, down.map(Math.round).join(' '));
  await redis.start();
  await until('answers are shared again', async () => {
    const q = said();
    await ask(one, q);
    return (await ask(two, q, { 'x-weir-cache': 'only' })).status === 200;
  }, 25000);
  const lines = (kind) => one.program.log().split('\n').filter((l) => l.includes(kind)).length;
  assert.ok(lines('shared_cache_down') >= 1 && lines('shared_cache_down') <= 4, one.program.log());
  assert.ok(lines('shared_cache_up') >= 1);
});

test('a wrong password is told once, in the log alone', async () => {
  const wrong = await start('wrong', { password: 'not-this-one' });
  try {
    for (let i = 0; i < 30; i++) assert.equal((await ask(wrong, said())).status, 200);
    const q = said();
    assert.deepEqual([(await ask(wrong, q)).cache, (await ask(wrong, q)).cache], ['miss', 'hit']);
    const log = wrong.program.log(), told = log.split('\n').filter((l) => l.includes('shared_cache_down'));
    assert.equal(told.length, 1, log);
    assert.match(told[0], /AUTH: WRONGPASS/);
    assert.ok(!log.includes('not-this-one'));
  } finally {
    await wrong.end();
  }
});

test('without memory of its own a proxy lives on Redis alone', async () => {
  const bare = await start('bare', { args: ['--cache-bytes', '0'] });
  try {
    provider.handler = (call, res) => {
      if (!call.json.stream) return false;
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const c of chunks('gpt-4o', ['x'])) res.write(sse(c));
      res.end(sse('[DONE]'));
    };
    await until('it finds what it kept', async () => {
      const q = said();
      await ask(bare, q);
      return (await ask(bare, q)).cache === 'hit';
    });
    const q = said({ stream: true });
    assert.equal((await ask(bare, q)).cache, 'miss');
    await until('a stream too', async () => (await ask(bare, q)).cache === 'hit');
  } finally {
    provider.handler = () => false;
    await bare.end();
  }
});

test('a hundred at once on either proxy are a call each at most', async () => {
  let open;
  const opened = new Promise((r) => (open = r));
  provider.calls.length = 0;
  provider.handler = async (call, res) => {
    await opened;
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify(completion('gpt-4o', 'once')));
  };
  const q = said(), all = Array.from({ length: 100 }, (_, i) => ask(i % 2 ? one : two, q));
  await until('both lead', () => provider.calls.length === 2);
  await new Promise((r) => setTimeout(r, 200));
  open();
  for (const r of await Promise.all(all)) assert.equal(r.status, 200);
  assert.equal(provider.calls.length, 2);
});
