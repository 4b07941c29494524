// The limits proof: 60 requests a minute over four data planes. Counted in Redis exactly 60 get through in a window, by leased shares 54 to
// 60; nobody needs Redis for his limit to hold. Concurrency over all of them too.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { pause, post } from './harness/clients.mjs';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { redisServer } from './harness/redis.mjs';
import { until } from './harness/process.mjs';

const database = await sharedDatabase();
let control, provider, redis, leased = [], exact = [];

before(async () => {
  const admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  provider = await fakeProvider();
  redis = await redisServer();
  await control.must('POST', '/providers', { name: 'up', kind: 'openai', base_url: `${provider.url}/v1`, api_key: 'sk-up' });
  await control.must('POST', '/models', { name: 'm', targets: [{ provider: 'up', model: 'gpt-4o' }] });
  for (let i = 0; i < 4; i++) leased.push(await startProxy(control, { name: `leased${i}`, workers: 1 }));
  for (let i = 0; i < 4; i++) exact.push(await startProxy(control, { name: `exact${i}`, workers: 1, args: ['--cache-redis', redis.url] }));
});

after(async () => {
  await Promise.all([...leased, ...exact].map((p) => p.end()));
  await provider?.close();
  await redis?.end();
  await control?.end();
  await database?.drop();
});

async function limitedKey(name, limit, planes) {
  const key = await control.must('POST', '/keys', { name });
  await control.must('POST', '/limits', { name, scopes: [{ kind: 'key', value: key.id }], ...limit });
  for (const p of planes) {
    await until('the data plane knows the limit', async () => {
      const r = await fetch(`${p.url}/v1/usage`, { headers: { authorization: `Bearer ${key.secret}` } });
      return r.status === 200 && (await r.json()).limits.length === 1;
    });
  }
  return key.secret;
}

const ask = (agent, plane, key) =>
  post(agent, Number(new URL(plane.url).port), '/v1/chat/completions', key, { model: 'm', messages: [{ role: 'user', content: 'Hi' }] });

// Twice as many as fit in each turn, over all planes, until nothing gets through any more.
async function hammer(planes, key) {
  const left = 60000 - (Date.now() % 60000);
  if (left < 15000) await pause(left + 50); // all of it in one window
  const window = Math.floor(Date.now() / 60000);
  const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
  let ok = 0, last, idle = 0;
  while (idle < 4) {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(agent, planes[i % planes.length], key)));
    for (const r of answers) assert.ok(r.status === 200 || r.status === 429, `${r.status} ${JSON.stringify(r.json)}`);
    const through = answers.filter((r) => r.status === 200).length;
    last = answers.find((r) => r.status === 429) ?? last;
    ok += through;
    idle = through ? 0 : idle + 1;
    await pause(100);
  }
  agent.destroy();
  assert.equal(Math.floor(Date.now() / 60000), window, 'the test ended in the window that it began in');
  return { ok, last };
}

test('60 a minute over four data planes: 54 to 60 get through by leased shares', async () => {
  const key = await limitedKey('leased', { metric: 'requests', amount: 60, window: 'minute', algorithm: 'fixed' }, leased);
  const { ok, last } = await hammer(leased, key);
  console.log(`limits proof, leased: ${ok} of 60`);
  assert.ok(ok >= 54 && ok <= 60, `${ok} got through`);
  assert.equal(last.json.error.code, 'rate_limit_exceeded');
  assert.ok(Number(last.headers['retry-after']) >= 1 && Number(last.headers['retry-after']) <= 60);
});

test('60 a minute over four data planes: exactly 60 get through with Redis', async () => {
  const key = await limitedKey('exact', { metric: 'requests', amount: 60, window: 'minute', algorithm: 'fixed', exact: true }, exact);
  const { ok, last } = await hammer(exact, key);
  console.log(`limits proof, Redis: ${ok} of 60`);
  assert.equal(ok, 60);
  assert.equal(last.json.error.code, 'rate_limit_exceeded');
});

test('a sliding window and a token bucket over four data planes let no more through than they say', async () => {
  const sliding = await limitedKey('sliding', { metric: 'requests', amount: 60, window: 'minute', algorithm: 'sliding', exact: true }, exact);
  assert.equal((await hammer(exact, sliding)).ok, 60);
  const bucket = await limitedKey('bucket', { metric: 'requests', amount: 60, window: 'hour', algorithm: 'token_bucket', burst: 20 }, leased);
  const { ok } = await hammer(leased, bucket);
  assert.ok(ok >= 18 && ok <= 21, `${ok} got through a bucket of 20`);
});

test('answers tell what is left, as OpenAI does', async () => {
  const agent = new http.Agent({ keepAlive: true });
  for (const [planes, more] of [[leased, {}], [exact, { exact: true }]]) {
    const key = await limitedKey(`headers-${planes === leased}`, { metric: 'requests', amount: 10, window: 'hour', algorithm: 'fixed', ...more }, planes);
    const r = await ask(agent, planes[0], key);
    assert.equal(r.status, 200);
    assert.equal(r.headers['x-ratelimit-limit-requests'], '10');
    assert.equal(r.headers['x-ratelimit-remaining-requests'], '9');
    assert.match(r.headers['x-ratelimit-reset-requests'], /^(\d+h)?(\d+m)?\d+(s|ms)$/);
  }
  agent.destroy();
});

test('three at once over four data planes: a fourth waits for none of them and is refused, a slot that ended serves the next', async () => {
  for (const [planes, more] of [[leased, {}], [exact, { exact: true }]]) {
    const key = await limitedKey(`at-once-${planes === leased}`, { metric: 'concurrency', amount: 3, ...more }, planes);
    const held = [];
    provider.handler = (call, res) => (held.push(res), true);
    const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
    const running = [0, 1, 2].map((i) => ask(agent, planes[i], key));
    await until('three calls are under way', () => held.length === 3);
    const fourth = await ask(agent, planes[3], key);
    assert.ok(fourth.status === 429 || fourth.status === 503, `${fourth.status}`);
    provider.handler = () => false;
    for (const res of held) res.end('{}');
    await Promise.all(running);
    await until('a slot is free again', async () => (await ask(agent, planes[3], key)).status === 200);
    agent.destroy();
  }
});
