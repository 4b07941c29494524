// A proxy on one file keeps its own books: what budgets spent outlives it, however it ends, and several such proxies share exact limits by Redis.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { until } from './harness/process.mjs';
import { redisServer } from './harness/redis.mjs';

const AMOUNT = 40;
let provider, redis, proxy, second;
const yaml = (amount = AMOUNT) => `version: 1
providers: [{name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: "sk-up"}]
models:    [{name: m, targets: [{provider: openai, model: gpt-4o}]}]
keys:
  - {name: spender, secret: "a-key-that-spends", models: ["*"]}
  - {name: limited, secret: "a-key-with-a-limit", models: ["*"]}
budgets:
  - {name: calls, metric: requests, amount: ${amount}, window: total, scopes: [{kind: key, value: spender}], alert_percents: [50, 100]}
limits:
  - {name: daily, metric: requests, amount: 60, window: day, exact: true, scopes: [{kind: key, value: limited}]}
`;

before(async () => {
  provider = await fakeProvider();
  redis = await redisServer();
  proxy = await startStandalone(yaml(), { args: ['--cache-redis', redis.url] });
  second = await startStandalone(yaml(), { name: 'second', args: ['--cache-redis', redis.url] });
});

after(async () => {
  await proxy?.end();
  await second?.end();
  await provider?.close();
  await redis?.end();
});

const chat = (p, key) => p.chat(key, { model: 'm', messages: [{ role: 'user', content: 'Hi' }] });
const budget = async () => (await (await fetch(`${proxy.url}/v1/usage`, { headers: { authorization: 'Bearer a-key-that-spends' } })).json()).budgets[0];
const charged = () => {
  const lines = readFileSync(proxy.eventsFile, 'utf8').trim().split('\n').filter(Boolean).map((l) => JSON.parse(l));
  assert.equal(new Set(lines.map((e) => e.id)).size, lines.length, 'each event is one line');
  return lines.reduce((sum, e) => sum + e.charges.reduce((n, c) => n + c.amount, 0), 0);
};

test('what a budget spent outlives kills at any moment: never more than its amount, each event once', async () => {
  const before = provider.calls.length;
  let ok = 0, log = '';
  for (let round = 0; round < 2; round++) {
    let ended = 0;
    const calls = Array.from({ length: 8 }, () => chat(proxy, 'a-key-that-spends').then((r) => { ended++; ok += r.status === 200; return r.text(); }).catch(() => {}));
    await until('some have ended', () => ended >= 3);
    await proxy.program.kill();
    await Promise.all(calls);
    log += proxy.program.log();
    await proxy.start();
  }
  await until('what the killed ones left is booked', async () => Number((await budget()).spent) === charged());
  for (let status = 200; status === 200;) {
    const r = await chat(proxy, 'a-key-that-spends');
    status = r.status;
    const body = await r.json();
    if (status === 200) ok++;
    else assert.equal(body.error.code, 'budget_exceeded');
  }
  await until('all of it is spent', async () => Number((await budget()).spent) === AMOUNT);
  await until('and stands in the events', () => charged() === AMOUNT);
  const sent = provider.calls.length - before;
  assert.ok(ok <= sent && sent <= AMOUNT, `${ok} answered, ${sent} sent`);
  log += proxy.program.log();
  for (const percent of [50, 100]) {
    const told = log.split('\n').filter((l) => l.includes('"event":"budget_alert"') && l.includes(`"percent":${percent},`));
    assert.equal(told.length, 1, `${percent} % is told once`);
  }
});

test('a larger amount in the file is there at once, beside what was spent', async () => {
  writeFileSync(proxy.file, yaml(AMOUNT + 2));
  proxy.program.signal('SIGHUP');
  await until('the larger amount', async () => Number((await budget()).amount) === AMOUNT + 2);
  await until('one more gets through', async () => (await chat(proxy, 'a-key-that-spends')).status === 200);
  assert.equal((await chat(proxy, 'a-key-that-spends')).status, 200);
  assert.equal((await chat(proxy, 'a-key-that-spends')).status, 429);
});

test('proxies on the same file share an exact limit by Redis', async () => {
  const answers = await Promise.all(Array.from({ length: 120 }, (_, i) => chat(i % 2 ? proxy : second, 'a-key-with-a-limit')));
  const statuses = await Promise.all(answers.map(async (r) => (await r.text(), r.status)));
  assert.equal(statuses.filter((s) => s === 200).length, 60);
  assert.equal(statuses.filter((s) => s === 429).length, 60);
});
