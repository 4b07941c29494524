// Governance as a whole, by a control plane, its database and data planes that share nothing else: whom each budget binds, what a change
// of it does, what is charged and stated, what a key allows, and what holds while a plane or the control plane is gone.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { hangs } from './harness/fleet.mjs';
import { bootstrap, eventsOf, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, until } from './harness/process.mjs';

// pico-USD a token; an answer of the fake has 9 of them in and 12 out
const PRICE = { token_in: 1000003, token_out: 2000011 };
const LIST = 9n * 1000003n + 12n * 2000011n;
const nano = (ppm, pico = LIST) => Number((pico * ppm + 500000000n) / 1000000000n);
const COST = nano(1000000n);
const ANY = { 'if-match': '*' };
// What a change takes to reach a data plane: never more than LATE, and nine of ten within SOON.
const SOON = build.includes('tsan') ? 2000 : 1000, LATE = 3 * SOON;
const took = [];
const uuid = (id) => id.replace(/^[a-z]+_/, '').replace(/-/g, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
const usd = (text) => BigInt(text.replace('.', '').padEnd(text.indexOf('.') + 9, '0')); // "1.00" → nano-USD

const at = {}; // the fake providers, by name
let database, control, a, b, lost, acme, solo, main, second, key;
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;

// The admin API as seen in one organization.
const within = (organization) => ({
  call: (method, path, body, headers = {}) => control.call(method, path, body, { 'x-weir-organization': organization.id, ...headers }),
  must: (method, path, body, headers = {}) => control.must(method, path, body, { 'x-weir-organization': organization.id, ...headers }),
  patch: (path, body) => control.must('PATCH', path, body, { 'x-weir-organization': organization.id, ...ANY }),
});

async function prepare(org) {
  for (const name of ['alpha', 'beta']) {
    await org.must('POST', '/providers', { name, kind: 'openai', base_url: `${at[name].url}/v1`, api_key: 'sk-up' });
  }
  await org.must('POST', '/catalogue-overrides', { provider: 'openai', model: 'priced', entry: { price: PRICE } });
  for (const [name, provider] of [['m', 'alpha'], ['cheap', 'beta']]) await org.must('POST', '/models', { name, targets: [{ provider, model: 'priced' }] });
}

before(async () => {
  database = await sharedDatabase();
  const admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  const first = (await control.must('GET', '/organizations')).data[0];
  const other = await control.must('POST', '/organizations', { name: 'solo' });
  acme = { ...first, ...within(first) };
  solo = { ...other, ...within(other) };
  for (const name of ['alpha', 'beta', 'silent']) at[name] = await fakeProvider();
  at.silent.handler = hangs();
  main = (await acme.must('GET', '/workspaces')).data[0];
  second = await acme.must('POST', '/workspaces', { name: 'second' });
  await solo.must('POST', '/workspaces', { name: 'main' });
  const silent = acme.must('POST', '/providers', { name: 'silent', kind: 'openai', base_url: `${at.silent.url}/v1`, api_key: 'sk-up' })
    .then(() => acme.must('POST', '/models', { name: 'hanging', targets: [{ provider: 'silent', model: 'priced' }] }));
  [a, b, lost] = await Promise.all([...['a', 'b', 'lost'].map((name) => startProxy(control, { name, workers: 1 })), prepare(acme), prepare(solo), silent]);
  key = await makeKey();
  await loseOne();
});

after(async () => {
  await Promise.all([a, b, lost].map((p) => p?.end()));
  await control?.end();
  for (const p of Object.values(at)) await p.close();
  await database?.drop();
});

// ---- what the tests are told in ----

const models = (plane, secret) => fetch(`${plane.url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } });

// Resolves when each data plane has everything that was configured until now.
async function everywhere(planes = [a, b]) {
  const mark = await acme.must('POST', '/keys', { name: fresh('mark'), workspace_id: main.id });
  for (const p of planes) await until('the data plane is up to date', async () => (await models(p, mark.secret)).status === 200);
}
const makeKey = (more = {}, org = acme) => org.must('POST', '/keys', { name: fresh('key'), ...(org === acme ? { workspace_id: main.id } : {}), ...more });
const makeBudget = (more, org = acme) => org.must('POST', '/budgets', { name: fresh('budget'), metric: 'requests', amount: 2, window: 'total', ...more });
const ofKey = (k) => [{ kind: 'key', value: k.id }];

async function ask(plane, k, { body = {}, headers = {}, model = 'm', signal } = {}) {
  const r = await fetch(`${plane.url}/v1/chat/completions`, {
    method: 'POST', signal, headers: { 'content-type': 'application/json', authorization: `Bearer ${k.secret ?? k}`, ...headers },
    body: JSON.stringify({ model, max_tokens: 20, messages: [{ role: 'user', content: 'Hi' }], ...body }),
  });
  const text = await r.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: r.status, code: json?.error?.code, message: json?.error?.message, headers: r.headers, id: r.headers.get('x-weir-request-id'), text, json };
}
const good = (r) => (assert.equal(r.status, 200, r.text), r);
const refused = (r, code = 'budget_exceeded', status = 429) => (assert.equal(`${r.status} ${r.code}`, `${status} ${code}`, r.text), r);
// The same of several at once, half by the one plane and half by the other.
const many = (n, k, options) => Promise.all(Array.from({ length: n }, (_, i) => ask(i % 2 ? b : a, Array.isArray(k) ? k[(i >> 1) % k.length] : k, options)));
const passed = (answers, code = 'budget_exceeded') => {
  const ok = answers.filter((r) => r.status === 200);
  for (const r of answers) if (r.status !== 200) refused(r, code);
  return ok.length;
};
const accounts = async (q, org = acme) => (await org.must('GET', `/${q.id.startsWith('bud') ? 'budgets' : 'limits'}/${q.id}/accounts?limit=200`)).data;
const account = async (q, org) => (await accounts(q, org))[0];
// What is booked when nothing is under way any more.
const booked = (q, settled, org) => until(`${settled} are settled`, async () => {
  const x = await account(q, org);
  return x && x.settled === settled && Number(x.held) === 0 && x;
});
// By the events, with the window that each charge is of.
const charged = (q) => database.query(`select c->>'window' as window, sum((c->>'amount')::numeric)::text as sum, count(*)::int as n
  from usage_events, jsonb_array_elements(charges) c where replace(c->>'quota', '-', '') = $1 group by 1`, [uuid(q.id).replace(/-/g, '')]);
async function soon(what, condition) {
  const began = Date.now();
  const r = await until(what, condition, LATE + 4000);
  took.push(Date.now() - began);
  assert.ok(took.at(-1) < LATE, `${what}: took ${took.at(-1)} ms`);
  return r;
}
const soonBoth = (what, status, k, options) => Promise.all([a, b].map((p) => soon(`${what} at ${p.planeName}`, async () => {
  const r = await ask(p, typeof k === 'function' ? k() : k, options);
  return (Array.isArray(status) ? `${r.status} ${r.code}` === status.join(' ') : r.status === status) && r;
})));

// A plane dies with a call under way, and its disk with it.
let lostKey, lostBudget, lostRow;
async function loseOne() {
  lostKey = await makeKey();
  lostBudget = await makeBudget({ scopes: ofKey(lostKey), metric: 'cost', amount: '1' });
  await everywhere([a, b, lost]);
  good(await ask(lost, lostKey));
  await until('the event is booked', async () => (await account(lostBudget))?.settled === '0.000033');
  const under = ask(lost, lostKey, { model: 'hanging' }).catch(() => 'gone');
  await until('the call is under way', () => at.silent.calls.length === 1);
  lostRow = (await control.must('GET', '/data-planes')).data.find((p) => p.name === lost.planeName);
  await lost.kill();
  assert.equal(await under, 'gone');
  rmSync(join(lost.folder, 'state'), { recursive: true });
}

// ---- budgets ----

describe('whom a budget binds, over both data planes', () => {
  const cases = {};
  before(async () => {
    const add = async (name, scopes, hit, miss, more = {}, org = acme) => {
      cases[name] = { budget: await makeBudget({ name: `scope-${name}`, scopes, ...more }, org), hit, miss, org };
    };
    const invite = (email) => acme.must('POST', '/memberships', { email, role: 'auditor' });
    const [ann, team, account_] = [await invite('ann@example.test'), await acme.must('POST', '/teams', { name: 'ml' }),
      await acme.must('POST', '/service-accounts', { name: 'nightly', workspace_id: main.id })];
    const inTeam = [await makeKey({ team_id: team.id }), await makeKey({ team_id: team.id })];
    const ofUser = [await makeKey({ user_id: ann.user_id }), await makeKey({ user_id: ann.user_id })];
    const ofAccount = [await makeKey({ service_account_id: account_.id }), await makeKey({ service_account_id: account_.id })];
    const one = await makeKey(), inSecond = [await makeKey({ workspace_id: second.id }), await makeKey({ workspace_id: second.id })];
    const third = await acme.must('POST', '/workspaces', { name: 'third' });
    const each = [await makeKey({ workspace_id: third.id }), await makeKey({ workspace_id: third.id })];
    for (const n of [1, 2]) await acme.must('POST', '/models', { name: `bound-${n}`, targets: [{ provider: 'alpha', model: 'priced' }] });
    await acme.must('POST', '/providers', { name: 'gamma', kind: 'openai', base_url: `${at.alpha.url}/v1`, api_key: 'sk-up' });
    await acme.must('POST', '/models', { name: 'by-gamma', targets: [{ provider: 'gamma', model: 'priced' }] });
    const of = (k, options) => ({ key: k, options }), plain = of(key);
    await add('organization', [], of(await makeKey({}, solo)), plain, {}, solo);
    await add('workspace', [{ kind: 'workspace', value: 'second' }], of(inSecond), plain);
    await add('team', [{ kind: 'team', value: 'ml' }], of(inTeam), plain);
    await add('user', [{ kind: 'user', value: 'ann@example.test' }], of(ofUser), plain);
    await add('service_account', [{ kind: 'service_account', value: account_.id }], of(ofAccount), plain);
    await add('key', [{ kind: 'key', value: one.id }], of(one), plain);
    await add('each key', [{ kind: 'key', value: '*' }], of(each[0]), of(each[1]), { workspace_id: third.id });
    await add('end_user', [{ kind: 'end_user', value: 'eve' }], of(key, { body: { user: 'eve' } }), of(key, { body: { user: 'eva' } }));
    await add('model', [{ kind: 'model', value: 'bound-1' }], of(key, { model: 'bound-1' }), of(key, { model: 'bound-2' }));
    await add('provider', [{ kind: 'provider', value: 'gamma' }], of(key, { model: 'by-gamma' }), plain);
    await add('tag', [{ kind: 'tag', value: 'blue' }], of(key, { headers: { 'x-weir-tags': 'red,blue' } }), of(key, { headers: { 'x-weir-tags': 'red' } }));
    await add('metadata', [{ kind: 'metadata', name: 'dept', value: 'x' }], of(key, { headers: { 'x-weir-metadata': '{"dept":"x"}' } }), of(key, { headers: { 'x-weir-metadata': '{"dept":"y"}' } }));
    await everywhere();
  });

  for (const name of ['organization', 'workspace', 'team', 'user', 'service_account', 'key', 'each key', 'end_user', 'model', 'provider', 'tag', 'metadata']) {
    test(name, async () => {
      const { budget, hit, miss, org } = cases[name];
      const answers = await many(6, hit.key, hit.options);
      assert.equal(passed(answers), 2);
      assert.ok(answers.filter((r) => r.status === 429).every((r) => r.message.includes(`scope-${name}`)));
      for (const p of [a, b]) refused(await ask(p, Array.isArray(hit.key) ? hit.key[1] : hit.key, hit.options));
      for (const p of [a, b]) good(await ask(p, miss.key, miss.options));
      if (name !== 'each key') return void (await booked(budget, '2', org));
      await until('both have accounts of their own', async () => (await accounts(budget)).every((x) => x.settled === '2' && x.held === '0'));
      assert.deepEqual((await accounts(budget)).map((x) => x.values.key).sort(), [hit.key.id, miss.key.id].sort());
    });
  }

  test('no event has a charge of a budget that does not bind it', async () => {
    for (const [name, { budget }] of Object.entries(cases)) {
      await until(`${name}: events and ledger are the same`, async () => {
        const [sum] = await charged(budget);
        return sum?.n === (name === 'each key' ? 4 : 2);
      });
    }
  });

  test('several at once: the tightest refuses, and nobody is charged for what was refused', async () => {
    const k = await makeKey();
    const [cost, tokens, requests] = [await makeBudget({ scopes: ofKey(k), metric: 'cost', amount: '1' }),
      await makeBudget({ scopes: ofKey(k), metric: 'tokens', amount: 100000 }), await makeBudget({ name: 'tightest', scopes: ofKey(k), amount: 3 })];
    await everywhere();
    const answers = await many(8, k);
    assert.equal(passed(answers), 3);
    assert.ok(answers.filter((r) => r.code).every((r) => r.message.includes('tightest')));
    await booked(requests, '3');
    await booked(tokens, '63');
    assert.equal(usd((await booked(cost, '0.000099')).settled), BigInt(3 * COST));
  });
});

describe('what a budget does', () => {
  test('soft: it goes on, and each percent alerts once', async () => {
    const k = await makeKey();
    const soft = await makeBudget({ scopes: ofKey(k), amount: 4, mode: 'soft', alert_percents: [50, 100] });
    await everywhere();
    for (const r of await many(3, k)) good(r);
    const alerts = async () => (await acme.must('GET', `/alerts?budget_id=${soft.id}`)).data.map((x) => x.percent).sort((x, y) => x - y);
    await booked(soft, '3');
    assert.deepEqual(await alerts(), [50]);
    for (const r of await many(5, k)) good(r);
    await booked(soft, '8');
    assert.deepEqual(await alerts(), [50, 100]);
    const [{ kind, budget_id, amount, settled }] = (await acme.must('GET', `/alerts?budget_id=${soft.id}`)).data;
    assert.deepEqual([kind, budget_id, amount], ['budget_threshold', soft.id, '4']);
    assert.ok(Number(settled) >= 4 && Number(settled) <= 8, settled);
  });

  test('downgrade: what does not fit is answered by the cheaper model, at both', async () => {
    const k = await makeKey();
    const budget = await makeBudget({ scopes: ofKey(k), amount: 2, mode: 'downgrade', downgrade_model: 'cheap' });
    await everywhere();
    const answers = (await many(6, k)).map(good);
    assert.equal(answers.filter((r) => r.headers.get('x-weir-downgraded-from') === 'm').length, 4);
    assert.equal(answers.filter((r) => r.headers.get('x-weir-provider') === 'beta').length, 4);
    const events = await eventsOf(database, answers.map((r) => r.id));
    assert.equal(events.filter((e) => e.downgraded_from === 'm').length, 4);
    assert.ok(Number((await account(budget)).settled) >= 2);
  });

  test('a temporary increase lets requests through within a second, and ends at its time', async () => {
    const k = await makeKey();
    const budget = await makeBudget({ scopes: ofKey(k), amount: 1 });
    await everywhere();
    assert.equal(passed(await many(4, k)), 1);
    await booked(budget, '1');
    const ends = Date.now() + LATE;
    await acme.must('POST', `/budgets/${budget.id}/increase`, { amount: 1000, until: new Date(ends).toISOString() });
    await soonBoth('it is let through', 200, k);
    assert.equal((await account(budget)).amount, '1001');
    // what was leased is spent or given back; nothing more is granted
    await Promise.all([a, b].map((p) => until('it is refused again', async () => Date.now() > ends && (await ask(p, k)).status === 429)));
    assert.ok(Date.now() >= ends, 'not before its time');
    const x = await until('nothing is held', async () => {
      const now = await account(budget);
      return now.held === '0' && now;
    });
    assert.equal(x.amount, '1');
    for (const p of [a, b]) refused(await ask(p, k));
  });

  test('its amount is lowered and raised, it is switched off and on, and deleted', async () => {
    const k = await makeKey();
    const budget = await makeBudget({ scopes: ofKey(k), amount: 1000 });
    await everywhere();
    for (const r of await many(4, k)) good(r);
    await booked(budget, '4');
    const set = (change) => acme.patch(`/budgets/${budget.id}`, change);
    await set({ amount: 4 });
    for (const p of [a, b]) refused(await ask(p, k));
    await set({ amount: 7 });
    await soon('one passes again', async () => (await ask(a, k)).status === 200);
    await until('both plan with it', async () => (await account(budget)).amount === '7');
    let ok = 1;
    await until('the two that are left are spent', async () => (ok += passed(await many(2, k))) === 3);
    for (const p of [a, b]) refused(await ask(p, k));
    await booked(budget, '7');
    await set({ disabled: true });
    await soonBoth('off, it binds nobody', 200, k);
    await set({ disabled: false });
    await soonBoth('on, it holds', 429, k);
    assert.equal((await acme.call('DELETE', `/budgets/${budget.id}`)).status, 204);
    await soonBoth('gone, it binds nobody', 200, k);
  });

  test('by the hour: its accounts are the sum of the events, to the nano-dollar', async () => {
    const k = await makeKey({ price_group: '' });
    const budget = await makeBudget({ scopes: [...ofKey(k), { kind: 'end_user', value: '*' }], metric: 'cost', amount: '0.01', window: 'hour' });
    await everywhere();
    const answers = (await Promise.all(['x', 'y', 'z'].flatMap((user) => [many(4, k, { body: { user } }), many(2, k, { body: { user, stream: true } })]))).flat().map(good);
    await eventsOf(database, answers.map((r) => r.id));
    await until('nothing is held', async () => (await accounts(budget)).every((x) => x.held === '0.00'));
    const [all, sums] = [await accounts(budget), await charged(budget)];
    assert.deepEqual([...new Set(all.map((x) => x.values.end_user))].sort(), ['x', 'y', 'z']);
    const byWindow = {};
    for (const x of all) byWindow[x.window_start] = (byWindow[x.window_start] ?? 0n) + usd(x.settled);
    assert.deepEqual(byWindow, Object.fromEntries(sums.map((s) => [new Date(Number(s.window) * 1000).toISOString(), BigInt(s.sum)])));
    const [{ cost }] = await database.query('select sum(cost_nanousd)::text as cost from usage_events where key_id = $1', [uuid(k.id)]);
    assert.equal(Object.values(byWindow).reduce((x, y) => x + y), BigInt(cost));
    assert.ok(all.every((x) => new Date(x.window_end) - new Date(x.window_start) === 3600e3));
  });
});

// ---- prices ----

describe('what is charged', () => {
  const month = new Date().toISOString().slice(0, 7);
  const line = async (k, org) => {
    const s = await org.must('GET', `/statements?month=${month}&by=key`);
    return s.lines.filter((l) => l.key_id === k.id);
  };

  test('a price group by key, team, workspace and organization: event, budget and statement say the same', async () => {
    await acme.must('POST', '/price-groups', { name: 'default', ratio: '0.8', overrides: [{ model: 'm-dear', ratio: '1.5' }, { provider: 'beta', ratio: '0.9' }] });
    await acme.must('POST', '/price-groups', { name: 'internal', ratio: '0.1' });
    await solo.must('POST', '/price-groups', { name: 'house', ratio: '0.333333' });
    await acme.must('POST', '/models', { name: 'm-dear', targets: [{ provider: 'alpha', model: 'priced' }] });
    const staff = await acme.must('POST', '/teams', { name: 'staff', price_group: 'internal' });
    const [partner] = [await acme.must('POST', '/workspaces', { name: 'partner', settings: {} })];
    await acme.patch(`/workspaces/${partner.id}`, { price_group: 'default' });
    const now = await solo.must('GET', `/organizations/${solo.id}`);
    await solo.patch(`/organizations/${solo.id}`, { settings: { ...now.settings, price_group: 'house' } });
    await solo.call('DELETE', `/budgets/${(await solo.must('GET', '/budgets')).data[0].id}`);
    const cases = [
      [acme, { price_group: 'default' }, 'm', 800000n, 'default'], [acme, { price_group: 'internal' }, 'm', 100000n, 'internal'],
      [acme, { team_id: staff.id }, 'm', 100000n, 'internal'], [acme, { team_id: staff.id, price_group: 'default' }, 'm', 800000n, 'default'],
      [acme, { workspace_id: partner.id }, 'm', 800000n, 'default'], [acme, { workspace_id: partner.id }, 'cheap', 900000n, 'default'],
      [acme, { workspace_id: partner.id, price_group: 'internal' }, 'm', 100000n, 'internal'],
      [solo, {}, 'm', 333333n, 'house'], [acme, {}, 'm', 1000000n, ''],
    ];
    const keys = [];
    for (const [org, more] of cases) {
      const k = await makeKey(more, org);
      keys.push([k, await makeBudget({ scopes: ofKey(k), metric: 'cost', amount: '1' }, org)]);
    }
    await everywhere();
    await Promise.all(cases.map(async ([org, , model, ppm, group], i) => {
      const [k, budget] = keys[i];
      const answers = (await many(2, k, { model })).map(good);
      const events = await eventsOf(database, answers.map((r) => r.id));
      for (const e of events) {
        assert.deepEqual([Number(e.cost_nanousd), Number(e.list_nanousd), e.price_group], [nano(ppm), COST, group], `case ${i}`);
        assert.deepEqual(e.charges.map((c) => Number(c.amount)), [nano(ppm)]);
      }
      await until('ledger and events agree', async () => usd((await account(budget, org)).settled) === BigInt(2 * nano(ppm)));
      const [l, ...more] = await line(k, org);
      assert.equal(more.length, 0);
      assert.deepEqual([l.events, l.cost_nanousd, l.list_nanousd], [2, 2 * nano(ppm), 2 * COST]);
    }));
    const ofStaff = (await acme.must('GET', `/statements?month=${month}&team=staff`)).total;
    assert.deepEqual([ofStaff.events, ofStaff.cost_nanousd], [4, 2 * nano(100000n) + 2 * nano(800000n)], 'a team\'s statement is that of its keys');
    const sum = (await database.query('select sum(cost_nanousd)::text as cost from usage_events where organization_id = $1', [uuid(acme.id)]))[0].cost;
    assert.equal(BigInt((await acme.must('GET', `/statements?month=${month}`)).total.cost_nanousd), BigInt(sum));
  });

  test('a published price book reaches both planes, and so does an older version of it', async () => {
    const k = await makeKey();
    const sent = async (version, ppm, list = COST) => Promise.all([a, b].map((p) => soon(`version ${version} is charged by`, async () => {
      const [e] = await eventsOf(database, [good(await ask(p, k)).id]);
      return e.price_version === String(version) && Number(e.cost_nanousd) === list;
    })));
    const document = (ratio) => ({ rules: [{ model: 'priced', ratio }] });
    const book = await acme.must('POST', '/price-books', { name: 'ours', document: document('2') });
    const twice = nano(1000000n, 9n * 2000006n + 12n * 4000022n);
    await sent(1, 0, twice);
    await acme.must('POST', `/price-books/${book.id}/versions`, { document: document('3') });
    await acme.must('POST', `/price-books/${book.id}/publish`, { version: 2 });
    await sent(2, 0, nano(1000000n, 9n * 3000009n + 12n * 6000033n));
    await acme.must('POST', `/price-books/${book.id}/publish`, { version: 1 });
    await sent(1, 0, twice);
    await acme.call('DELETE', `/price-books/${book.id}`, undefined, ANY);
    await sent(0, 0);
  });

  test('a custom cost counts where it is allowed, and never lowers what a hard budget is charged', async () => {
    const k = await makeKey();
    const hard = await makeBudget({ scopes: ofKey(k), metric: 'cost', amount: '1' });
    await everywhere();
    const custom = { headers: { 'x-weir-custom-cost': '{"total_cost":"0.000000007"}' } };
    const event = async (p, options) => (await eventsOf(database, [good(await ask(p, k, options)).id]))[0];
    for (const p of [a, b]) {
      const e = await event(p, custom);
      assert.deepEqual([Number(e.cost_nanousd), Number(e.custom_nanousd)], [COST, 0], 'it is off by default');
    }
    const { settings } = await acme.must('GET', `/organizations/${acme.id}`);
    await acme.patch(`/organizations/${acme.id}`, { settings: { ...settings, custom_costs: true } });
    let n = 2;
    for (const p of [a, b]) {
      const e = await soon('it is taken', async () => {
        n++;
        const now = await event(p, custom);
        return Number(now.custom_nanousd) === 7 && now;
      });
      assert.equal(Number(e.cost_nanousd), 7);
      assert.deepEqual(e.charges.map((c) => Number(c.amount)), [COST]);
    }
    await until('the budget is charged what it costs', async () => usd((await account(hard)).settled) === BigInt(n * COST));
    await acme.patch(`/organizations/${acme.id}`, { settings });
  });
});

// ---- limits ----

describe('limits of a key over both planes', () => {
  const makeLimit = (k, more) => acme.must('POST', '/limits', { name: fresh('limit'), scopes: ofKey(k), window: 'day', ...more });

  test('requests and tokens', async () => {
    const [r, t] = [await makeKey(), await makeKey()];
    await makeLimit(r, { metric: 'requests', amount: 6 });
    await makeLimit(t, { metric: 'tokens', amount: 200 });
    await everywhere();
    const all = async (k) => {
      let ok = 0, idle = 0;
      while (idle < 2) {
        const n = passed(await many(8, k), 'rate_limit_exceeded');
        ok += n;
        idle = n ? 0 : idle + 1;
      }
      return ok;
    };
    const [requests, tokens] = await Promise.all([all(r), all(t)]);
    assert.ok(requests === 5 || requests === 6, `${requests} of 6 requests`);
    assert.ok(tokens >= 5 && tokens * 21 <= 200, `${tokens} answers of 21 tokens`);
  });

  test('at once', async () => {
    const k = await makeKey();
    await makeLimit(k, { metric: 'concurrency', amount: 2, window: undefined });
    await everywhere();
    const before = at.silent.calls.length, stop = new AbortController();
    const running = [a, b].map((p) => ask(p, k, { model: 'hanging', signal: stop.signal }).catch(() => 0));
    await until('two are under way', () => at.silent.calls.length === before + 2);
    for (const r of await Promise.all([a, b].map((p) => ask(p, k)))) refused(r, 'rate_limit_exceeded');
    stop.abort();
    await Promise.all(running);
    await until('there is room again', async () => (await ask(a, k)).status === 200 && (await ask(b, k)).status === 200);
  });
});

// ---- keys ----

describe('what a key allows, within a second at both planes', () => {
  test('rotation: the former secret works until it ends, and says when', async () => {
    const k = await makeKey();
    await everywhere();
    const turned = await acme.must('POST', `/keys/${k.id}/rotate`, { overlap_s: 2 });
    const ends = new Date(turned.former_expires_at);
    const answers = await soonBoth('the new one works', 200, turned);
    for (const r of answers) assert.equal(r.headers.get('x-weir-key-ends'), null);
    for (const p of [a, b]) {
      const r = await ask(p, k);
      if (Date.now() < ends) assert.equal(new Date(good(r).headers.get('x-weir-key-ends')).toISOString(), ends.toISOString());
    }
    await Promise.all([a, b].map((p) => until('the former one ended', async () => (await ask(p, k)).status === 401)));
    assert.ok(Date.now() >= ends, 'not before its time');
    for (const p of [a, b]) good(await ask(p, turned));
  });

  test('blocked and free, addresses, endpoints, metadata, expiry', async () => {
    const k = await makeKey();
    const set = (change) => acme.patch(`/keys/${k.id}`, change);
    await everywhere();
    const steps = [
      ['blocked', () => acme.must('POST', `/keys/${k.id}/block`), [401, 'api_key_disabled']], ['free', () => acme.must('POST', `/keys/${k.id}/unblock`), 200],
      ['from elsewhere', () => set({ ip_allow: ['192.0.2.0/24'] }), [403, 'address_not_allowed']], ['from here', () => set({ ip_allow: ['127.0.0.1'] }), 200],
      ['other endpoints', () => set({ endpoints: ['embeddings'] }), [403, 'endpoint_not_allowed']], ['this one', () => set({ endpoints: ['chat.*'] }), 200],
      ['metadata', () => set({ required_metadata: ['customer'] }), [400, 'metadata_required']], ['its own', () => set({ metadata: { customer: 'x' } }), 200],
      ['a model', () => set({ models: ['other-*'] }), [403, 'model_not_allowed']], ['any model', () => set({ models: ['*'] }), 200],
      ['expired', () => set({ expires_at: '2020-01-01T00:00:00Z' }), [401, 'api_key_expired']],
    ];
    for (const [name, change, want] of steps) {
      await change();
      await soonBoth(name, want, k);
    }
    const short = await makeKey({ expires_at: new Date(Date.now() + LATE).toISOString() });
    await soonBoth('it works', 200, short);
    await Promise.all([a, b].map((p) => until('its time came', async () => (await ask(p, short)).status === 401)));
    assert.ok(Date.now() >= new Date(short.expires_at).getTime());
  });

  test('a service account that is disabled stops its keys', async () => {
    const robot = await acme.must('POST', '/service-accounts', { name: 'robot', workspace_id: main.id });
    const k = await makeKey({ service_account_id: robot.id });
    await soonBoth('it works', 200, k);
    await acme.patch(`/service-accounts/${robot.id}`, { disabled: true });
    await soonBoth('it is refused', 401, k);
    await acme.patch(`/service-accounts/${robot.id}`, { disabled: false });
    await soonBoth('it works again', 200, k);
  });

  test('permissions of the admin API are what the key says, and no more', async () => {
    const k = await makeKey({ admin_permissions: ['key.read'] });
    const as = { authorization: `Bearer ${k.secret}` };
    const read = await control.call('GET', '/keys', undefined, as);
    assert.equal(read.status, 200, read.text);
    assert.ok(read.json.data.every((x) => x.workspace_id === main.id), 'of its workspace');
    assert.equal((await control.call('POST', '/keys', { name: 'no' }, as)).status, 403);
    assert.equal((await control.call('GET', '/budgets', undefined, as)).status, 403);
    await soonBoth('it is a key all the same', 200, k);
    const plain = await control.call('GET', '/keys', undefined, { authorization: `Bearer ${key.secret}` });
    assert.ok([401, 403].includes(plain.status), plain.text);
    await acme.must('POST', `/keys/${k.id}/block`);
    assert.equal((await control.call('GET', '/keys', undefined, as)).status, 401);
  });
});

test('changes reach both planes within a second', () => {
  took.sort((x, y) => x - y);
  assert.ok(took.length >= 40, `${took.length} were timed`);
  assert.ok(took[Math.floor(took.length * 0.9)] < SOON, `the times were ${took.join(' ')} ms`);
});

// ---- who is gone ----

describe('without the control plane', () => {
  test('hard budgets spend what is leased and refuse, or go on; limits go on by shares; the books agree when it is back', async () => {
    const [strict, lax, limited] = [await makeKey(), await makeKey(), await makeKey()];
    const hard = await makeBudget({ scopes: ofKey(strict), amount: 1000 }), open = await makeBudget({ scopes: ofKey(lax), amount: 3, when_unavailable: 'allow' });
    await acme.must('POST', '/limits', { name: fresh('limit'), scopes: ofKey(limited), metric: 'requests', amount: 12, window: 'day' });
    await everywhere();
    // a lease is there while something is under way
    const before = at.silent.calls.length, stop = new AbortController();
    const running = ask(a, strict, { model: 'hanging', signal: stop.signal }).catch(() => 0);
    await until('it is under way', () => at.silent.calls.length === before + 1);
    for (const k of [strict, lax, limited]) for (const r of await many(2, k)) good(r);
    await control.kill();
    const [{ held }] = await database.query('select held::int from ledger_accounts where quota_id = $1', [uuid(hard.id)]);
    const ended = { strict: 0, limited: [0, 0] };
    await Promise.all([a, b].map(async (p) => {
      await until('the lease is spent', async () => {
        const r = await ask(p, strict);
        if (r.status === 200) return void ended.strict++;
        return refused(r, 'budget_unavailable', 503);
      });
    }));
    assert.ok(ended.strict < held, `${ended.strict} passed, of ${held} leased one was under way`);
    const free = (await Promise.all(Array.from({ length: 8 }, (_, i) => ask(i % 2 ? b : a, lax)))).map(good);
    await Promise.all([a, b].map(async (p, i) => {
      for (;;) {
        const r = await ask(p, limited);
        if (r.status !== 200) return void refused(r, 'rate_limit_exceeded');
        ended.limited[i]++;
      }
    }));
    assert.ok(ended.limited.every((n) => n >= 1 && n <= 12), JSON.stringify(ended.limited));
    assert.ok(ended.limited[0] + ended.limited[1] + 2 <= 12 + 2, JSON.stringify(ended.limited));
    stop.abort();
    await running;
    await control.start();
    await eventsOf(database, free.map((r) => r.id));
    await booked(open, '10');
    await until('all is booked and given back', async () => {
      const x = await account(hard), [sum] = await charged(hard);
      return x.held === '0' && x.settled === sum.sum;
    });
    await until('it serves again', async () => (await ask(a, strict)).status === 200 && (await ask(b, strict)).status === 200);
    refused(await ask(a, lax));
  });
});

describe('a plane that does not come back', () => {
  const leases = async (q) => (await acme.must('GET', '/ledger/leases')).data.filter((l) => l.budget_id === q.id);
  const writeOff = (id) => acme.call('POST', '/ledger/leases/write-off', { data_plane_id: id });

  test('what it held of a hard budget stays held until it is written off', async () => {
    const [listed] = await until('its leases are listed', async () => {
      const l = await leases(lostBudget);
      return l.length && l;
    });
    assert.deepEqual([listed.data_plane_id, listed.data_plane, Number(listed.presumed)], [lostRow.id, lost.planeName, 0]);
    const before = await account(lostBudget);
    assert.ok(usd(before.held) > 0n);
    assert.equal(before.held, listed.held);
    const r = await writeOff(lostRow.id);
    assert.equal(r.status, 200, r.text);
    assert.equal(r.json.cost, listed.held);
    const x = await account(lostBudget);
    assert.deepEqual([usd(x.settled), usd(x.held), usd(x.presumed)], [usd(before.settled) + usd(before.held), 0n, usd(before.held)]);
    assert.equal((await writeOff(lostRow.id)).json.leases, 0, 'once');
    good(await ask(a, lostKey));
    const present = (await control.must('GET', '/data-planes')).data.find((p) => p.name === a.planeName);
    assert.equal((await writeOff(present.id)).status, 409, 'who is in session is not written off');
  });

  test('a revoked plane gets no more leases, and what it holds can be written off at once', async () => {
    const k = await makeKey();
    const budget = await makeBudget({ scopes: ofKey(k), amount: 3 });
    await everywhere();
    const before = at.silent.calls.length, stop = new AbortController();
    const running = ask(b, k, { model: 'hanging', signal: stop.signal }).catch(() => 0);
    await until('it is under way', () => at.silent.calls.length === before + 1);
    const plane = (await control.must('GET', '/data-planes')).data.find((p) => p.name === b.planeName);
    await control.must('POST', `/data-planes/${plane.id}/revoke`);
    await until('its lease is listed', async () => (await leases(budget)).length === 1);
    await until('it gets nothing', async () => (await ask(b, k)).code === 'budget_unavailable');
    const held = Number((await account(budget)).held);
    assert.ok(held >= 1 && held <= 3, `${held}`);
    assert.equal((await writeOff(plane.id)).status, 200);
    let ok = 0;
    await until('the rest is spent', async () => {
      const r = await ask(a, k);
      if (r.status === 200) return void ok++;
      return refused(r);
    });
    const x = await until('nothing is held', async () => {
      const now = await account(budget);
      return now.held === '0' && now;
    });
    assert.deepEqual([ok, x.settled, x.presumed], [3 - held, '3', `${held}`]);
    stop.abort();
    await running;
  });
});
