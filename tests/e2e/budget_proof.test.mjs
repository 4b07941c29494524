// The budget proof: four data planes, one hard budget of $1.00, many clients at once that go on until they are refused for good. At every
// look at the ledger settled + held is within the budget; at the end it is spent, and ledger, events and the provider agree to the
// nano-dollar. Then the same while a data plane is killed and restarted, the control plane restarts, and none of them reaches it.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { pause, post } from './harness/clients.mjs';
import { completion, fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { until } from './harness/process.mjs';

const CLIENTS = Number(process.env.WEIR_PROOF_CLIENTS || 2000);
const DOLLAR = 1_000_000_000n; // nano-USD
const TOKENS = 100; // of output that each answer has, at 10,000 nano-USD each: $0.001 a request
const COST = 1_000_000n;
const database = await sharedDatabase();
let control, provider, admin, proxies = [];
// Requests that the provider began to answer, and those that it did
const told = { asked: 0, ended: 0 };

before(async () => {
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  provider = await fakeProvider(async (call, res) => {
    if (call.method !== 'POST') return false;
    told.asked++;
    provider.calls.length = 0;
    await pause(5);
    if (res.destroyed) return true;
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify(completion(call.json.model, 'x', { prompt_tokens: 10, completion_tokens: TOKENS, total_tokens: 10 + TOKENS })));
    told.ended++;
    return true;
  });
  await control.must('POST', '/providers', { name: 'up', kind: 'openai', base_url: `${provider.url}/v1`, api_key: 'sk-up' });
  await control.must('POST', '/catalogue-overrides', { provider: 'openai', model: 'priced', entry: { price: { token_in: 0, token_out: 10_000_000 } } });
  await control.must('POST', '/models', { name: 'm', targets: [{ provider: 'up', model: 'priced' }] });
  for (let i = 0; i < 4; i++) proxies.push(await startProxy(control, { name: `plane${i}`, workers: 1 }));
});

after(async () => {
  await Promise.all(proxies.map((p) => p.end()));
  await provider?.close();
  await control?.end();
  await database?.drop();
});

// A key with a hard budget of a dollar of its own, known to every data plane.
async function dollarKey(name) {
  const key = await control.must('POST', '/keys', { name });
  const budget = await control.must('POST', '/budgets', {
    name, scopes: [{ kind: 'key', value: key.id }], metric: 'cost', amount: '1.00', window: 'total', mode: 'hard',
  });
  for (const p of proxies) {
    await until('the data plane knows the budget', async () => {
      const r = await fetch(`${p.url}/v1/usage`, { headers: { authorization: `Bearer ${key.secret}` } });
      return r.status === 200 && (await r.json()).budgets.length === 1;
    });
  }
  return { secret: key.secret, id: budget.id, uuid: budget.id.replace(/^bud_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') };
}

// Looks at the ledger all the time; ends with the worst and the last of what it saw.
async function watchLedger(uuid) {
  const c = new pg.Client({ connectionString: database.ownerUrl });
  c.on('error', () => {});
  await c.connect();
  const seen = { samples: 0, worst: 0n, stop: false };
  const look = async () => {
    const { rows } = await c.query('select coalesce(sum(settled), 0) as settled, coalesce(sum(held), 0) as held from weir.ledger_accounts where quota_id = $1', [uuid]);
    seen.settled = BigInt(rows[0].settled);
    seen.held = BigInt(rows[0].held);
    seen.samples++;
    if (seen.settled + seen.held > seen.worst) seen.worst = seen.settled + seen.held;
    return seen;
  };
  const loop = (async () => {
    while (!seen.stop) {
      await look();
      await pause(10);
    }
  })();
  return { seen, look, async end() { seen.stop = true; await loop; await c.end(); } };
}

// Each client asks one of the data planes until it is refused for good; what is only not to be had now is asked for again.
async function spend(key, maxTokens, { clients = CLIENTS, ports = proxies.map((p) => Number(new URL(p.url).port)), deadlineMs = 90000 } = {}) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
  const count = { ok: 0, refused: 0, again: 0, alone: 0, broken: 0, other: new Map() };
  const end = Date.now() + deadlineMs;
  const client = async (i) => {
    for (let n = i; ; n++) {
      if (Date.now() > end) throw new Error(`a client was neither served nor refused: ${JSON.stringify({ ...count, other: [...count.other] })}`);
      const r = await post(agent, ports[n % ports.length], '/v1/chat/completions', key.secret,
        { model: 'm', max_tokens: maxTokens, messages: [{ role: 'user', content: 'Hi' }] });
      if (r.status === 200) {
        count.ok++;
        continue;
      }
      if (r.status === 429 && r.json?.error?.code === 'budget_exceeded') {
        count.last = r;
        count.refused++;
        return;
      }
      if (r.status === 503) {
        count.again++;
        count.alone += /no control plane/.test(r.json?.error?.message) ? 1 : 0; // else it is held by others
      }
      else if (r.status === 0) count.broken++;
      else count.other.set(`${r.status} ${r.json?.error?.code}`, (count.other.get(`${r.status} ${r.json?.error?.code}`) ?? 0) + 1);
      await pause(100 + Math.random() * 200);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
  agent.destroy();
  return count;
}

// Everything is stored: nothing waits in a spool, nothing is held.
async function settled(watch, uuid) {
  await until('all leases came back and all events are stored', async () => {
    const s = await watch.look();
    const [{ sum }] = await database.query(`select coalesce(sum((c->>'amount')::numeric), 0) as sum from usage_events, jsonb_array_elements(charges) c where c->>'quota' = $1`, [uuid]);
    return s.held === 0n && BigInt(sum) === s.settled;
  }, 30000);
  const [row] = await database.query(`select count(*)::int as n, sum(cost_nanousd)::text as cost, count(*) filter (where outcome = 'unknown')::int as unknown
    from usage_events e where exists (select 1 from jsonb_array_elements(charges) c where c->>'quota' = $1)`, [uuid]);
  return { events: row.n, cost: BigInt(row.cost ?? 0), unknown: row.unknown };
}

for (const times of [1, 4]) {
  test(`${CLIENTS} clients on four data planes spend one dollar, reserved at ${times} times the true cost, and not one nano-dollar more`, async () => {
    const key = await dollarKey(`proof-${times}`);
    const watch = await watchLedger(key.uuid);
    const before = told.ended;
    const began = Date.now();
    const count = await spend(key, TOKENS * times);
    const end = await settled(watch, key.uuid);
    await watch.end();
    const { seen } = watch;
    console.log(`budget proof ${times}x: ${count.ok} answered, ${count.again} asked to come again, ${Date.now() - began} ms, ${seen.samples} looks, worst ${Number(seen.worst) / 1e9}, settled ${Number(seen.settled) / 1e9}`);
    assert.deepEqual([...count.other], []);
    assert.equal(count.broken, 0);
    assert.ok(seen.samples >= 20, `${seen.samples} looks at the ledger`);
    assert.ok(seen.worst <= DOLLAR, `the ledger stood at ${seen.worst}`);
    assert.ok(seen.settled * 100n >= DOLLAR * 95n, `${seen.settled} settled`);
    assert.equal(seen.settled, end.cost, 'ledger and events');
    assert.equal(seen.settled, BigInt(told.ended - before) * COST, 'ledger and provider');
    assert.equal(count.ok, told.ended - before);
    const { error } = count.last.json;
    assert.match(error.message, /key/);
    assert.match(error.message, /1\.00/);
    assert.equal(count.last.headers['x-should-retry'], 'false');
    assert.equal(count.refused, CLIENTS);
  });
}

test('with a data plane killed and restarted, the control plane restarted and out of reach for a while, it holds all the same', async () => {
  const key = await dollarKey('proof-faults');
  const watch = await watchLedger(key.uuid);
  const before = { ...told };
  const faults = (async () => {
    await pause(300);
    await proxies[0].kill();
    await pause(300);
    await control.stop();
    await pause(500);
    await proxies[0].start();
    await control.start();
    await pause(500);
    control.program.signal('SIGSTOP'); // a partition: it hears nobody, and nobody hears it
    await pause(Number(process.env.WEIR_PROOF_PARTITION_MS || 3000));
    control.program.signal('SIGCONT');
  })();
  const ports = proxies.map((p) => Number(new URL(p.url).port));
  const [count] = await Promise.all([spend(key, TOKENS * 2, { clients: Math.min(CLIENTS, 400), ports }), faults]);
  const end = await settled(watch, key.uuid);
  await watch.end();
  const { seen } = watch;
  const asked = told.asked - before.asked, ended = told.ended - before.ended;
  console.log(`budget proof with faults: ${count.ok} answered, ${count.broken} broken off, ${count.again} asked to come again, worst ${Number(seen.worst) / 1e9}, settled ${Number(seen.settled) / 1e9}, ${end.unknown} unknown, provider asked ${asked}, ended ${ended}`);
  assert.deepEqual([...count.other], []);
  assert.ok(seen.worst <= DOLLAR, `the ledger stood at ${seen.worst}`);
  assert.ok(seen.settled * 100n >= DOLLAR * 95n, `${seen.settled} settled`);
  assert.equal(seen.settled, end.cost, 'ledger and events');
  assert.ok(BigInt(ended) * COST <= seen.settled, `the provider counts ${ended} requests, the ledger ${seen.settled}`);
  // who ended is charged what it cost; who was cut stands at its bound
  assert.equal(seen.settled, BigInt(end.events - end.unknown) * COST - await others(key.uuid) + BigInt(end.unknown) * COST * 2n);
});

// What events that ended otherwise than well cost less than a whole answer.
async function others(uuid) {
  const [{ less }] = await database.query(`select coalesce(sum($2::numeric - cost_nanousd), 0)::text as less from usage_events e
    where outcome <> 'unknown' and cost_nanousd <> $2 and exists (select 1 from jsonb_array_elements(charges) c where c->>'quota' = $1)`, [uuid, COST.toString()]);
  return BigInt(less);
}
