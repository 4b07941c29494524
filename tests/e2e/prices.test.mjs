// Prices of an organization's own: the book, the groups, what callers say; and statements that add up to the events to the nano-dollar.
// Every figure is worked out by hand, in pico-USD a token.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { completion, fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, eventsOf, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, root, temporaryFolder, until } from './harness/process.mjs';

const CATALOGUE = {
  format: 1, version: '2026-01-01 test', sources: [], aliases: {},
  models: [{ provider: 'openai', model: 'gpt-priced', price: { token_in: 1000003, token_out: 2000011 } }],
};
// 1001 x 1000003 + 333 x 2000011 = 1001003003 + 666003663 pico-USD
const LIST = 1667006666n;
const nano = (pico, ppm = 1000000n) => Number((pico * ppm + 500000000n) / 1000000000n);
const USAGE = { prompt_tokens: 1001, completion_tokens: 333, total_tokens: 1334 };

let admin, book, control, database, folder, key, provider, proxy, served;

before(async () => {
  folder = temporaryFolder('prices');
  writeFileSync(join(folder.folder, 'catalogue.json'), JSON.stringify(CATALOGUE));
  const args = ['--catalogue', join(folder.folder, 'catalogue.json')];
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database, { args });
  control.token = admin.admin_token;
  proxy = await startProxy(control, { workers: 1, args });
  provider = await fakeProvider((call, res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ ...completion(call.json.model, 'Hello', USAGE), ...served }));
  });
  await control.must('POST', '/providers', { name: 'up', kind: 'openai', base_url: `${provider.url}/v1`, api_key: 'sk-up' });
  key = await control.must('POST', '/keys', { name: 'all', metadata: {} });
  await until('the key works', async () => (await chat()).status === 200);
});

after(async () => {
  await proxy?.end();
  await control?.end();
  await provider?.close();
  await database?.drop();
  folder?.remove();
});

const chat = (model = 'gpt-priced', headers = {}) =>
  fetch(`${proxy.url}/v1/chat/completions`, {
    method: 'POST', headers: { authorization: `Bearer ${key.secret}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: `up/${model}`, messages: [{ role: 'user', content: 'Hi' }] }),
  });

async function eventOf(model, headers) {
  const r = await chat(model, headers);
  assert.equal(r.status, 200, await r.clone().text());
  await r.text();
  return (await eventsOf(database, [r.headers.get('x-weir-request-id')]))[0];
}
const seen = (e) => ({ list: Number(e.list_nanousd), cost: Number(e.cost_nanousd), group: e.price_group, version: Number(e.price_version) });
// A change reaches the proxy within a second.
async function charged(want, model, headers) {
  let got;
  await until(`it is charged so: ${JSON.stringify(want)}`, async () => {
    got = seen(await eventOf(model, headers));
    return Object.entries(want).every(([k, v]) => got[k] === v);
  }, 3000).catch((e) => assert.deepEqual({ ...got }, { ...got, ...want }, e.message));
  return got;
}
const patch = async (path, body) => {
  const now = await control.must('GET', path);
  return control.must('PATCH', path, body, { 'if-match': `"${now.revision}"` });
};
const effective = (query) => control.must('GET', `/prices/effective?provider=up&model=gpt-priced${query}`);
const settings = async (value) => {
  const o = (await control.must('GET', '/organizations')).data[0];
  return patch(`/organizations/${o.id}`, { settings: value });
};

function weir(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(build, 'weir'), args, {
      cwd: root, env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: folder.folder, WEIR_URL: control.url, WEIR_TOKEN: admin.admin_token, ASAN_OPTIONS: 'detect_leaks=1:exitcode=99' },
    });
    let out = '', err = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (err += d));
    child.stdin.end();
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`weir ${args.join(' ')}: ${code}\n${err}${out}`))));
  });
}

describe('price groups', () => {
  test('a group is made with exact ratios, and what is no ratio is named', async () => {
    const g = await control.must('POST', '/price-groups', { name: 'partners', ratio: 0.8, overrides: [{ model: 'gpt-dear*', ratio: '1.5' }, { provider: 'azure*', ratio: '0.000001' }] });
    assert.equal(g.ratio, '0.8');
    assert.deepEqual(g.overrides, [{ model: 'gpt-dear*', ratio: '1.5' }, { provider: 'azure*', ratio: '0.000001' }]);
    await control.must('POST', '/price-groups', { name: 'internal', ratio: '0.1' });
    for (const [body, param] of [
      [{ name: 'x', ratio: '-1' }, 'ratio'], [{ name: 'x', ratio: '0.0000001' }, 'ratio'], [{ name: 'x', ratio: 1001 }, 'ratio'], [{ name: 'x', ratio: null }, 'ratio'], [{ name: 'x' }, 'ratio'],
      [{ name: 'x y', ratio: 1 }, 'name'], [{ name: 'x', ratio: 1, overrides: [{ ratio: 1 }] }, 'overrides[0]'], [{ name: 'x', ratio: 1, overrides: [{ model: 'm', ratio: 'a' }] }, 'overrides[0].ratio'],
      [{ name: 'x', ratio: 1, overrides: [{ model: 'm', ratio: 1, more: 1 }] }, 'overrides[0].more'],
    ]) {
      const r = await control.call('POST', '/price-groups', body);
      assert.equal(r.status, 400, r.text);
      assert.equal(r.json.error.param, param, r.text);
    }
    assert.equal((await control.call('POST', '/price-groups', { name: 'PARTNERS', ratio: 1 })).status, 409);
  });

  test('without a group the list price is charged; the organization\'s group multiplies it, once', async () => {
    assert.deepEqual(await charged({ list: nano(LIST), cost: nano(LIST), group: '', version: 0 }), { list: 1667007, cost: 1667007, group: '', version: 0 });
    await settings({ price_group: 'partners' });
    await charged({ list: nano(LIST), cost: nano(LIST, 800000n), group: 'partners' }); // 1333605.3328
    assert.equal(nano(LIST, 800000n), 1333605);
  });

  test('the workspace\'s comes before it, and the key\'s before that', async () => {
    const ws = (await control.must('GET', '/workspaces')).data[0];
    await patch(`/workspaces/${ws.id}`, { price_group: 'internal' });
    await charged({ cost: nano(LIST, 100000n), group: 'internal' });
    await patch(`/keys/${key.id}`, { price_group: 'partners' });
    await charged({ cost: nano(LIST, 800000n), group: 'partners' });
    await patch(`/keys/${key.id}`, { price_group: '' });
    await patch(`/workspaces/${ws.id}`, { price_group: '' });
  });

  test('one that something is in can be neither deleted nor renamed', async () => {
    const g = (await control.must('GET', '/price-groups?name=partners')).data[0];
    const refused = await control.call('DELETE', `/price-groups/${g.id}`);
    assert.equal(refused.status, 409, refused.text);
    assert.match(refused.json.error.message, /organization/);
    assert.equal((await control.call('PATCH', `/price-groups/${g.id}`, { name: 'others' }, { 'if-match': `"${g.revision}"` })).status, 409);
    const free = (await control.must('GET', '/price-groups?name=internal')).data[0];
    assert.equal((await control.call('DELETE', `/price-groups/${free.id}`)).status, 204);
  });
});

describe('the price book', () => {
  const document = {
    rules: [
      { model: 'gpt-priced', ratio: '1.1', service_tiers: { flex: { ratio: '0.5' } } },
      { provider: 'openai', model: 'gpt-ours', prices: { token_in: 1000, token_out: { price: 2000, tiers: [{ above: 1000, price: 3000 }] }, request: 5000000 } },
    ],
  };

  test('a document is checked to the place that is wrong', async () => {
    const r = await control.must('POST', '/price-books/validate', { document: { rules: [{ ratio: 1 }, { hours: [{ from: '25:00', until: '01:00' }], ratio: 1 }] } });
    assert.equal(r.valid, false);
    assert.equal(r.error.param, 'rules[1].hours[0].from');
    assert.deepEqual(await control.must('POST', '/price-books/validate', { document }), { valid: true, error: null, rules: 2, service_tiers: ['flex'] });
    const refused = await control.call('POST', '/price-books', { name: 'prices', document: { rules: [{ ratio: 'x' }] } });
    assert.equal(refused.status, 400);
    assert.equal(refused.json.error.param, 'document.rules[0].ratio');
    assert.equal((await control.call('POST', '/price-books', { name: 'prices', workspace: 'main', document })).json.error.param, 'workspace');
  });

  test('published, it changes what is charged, with its version on the event', async () => {
    book = await control.must('POST', '/price-books', { name: 'prices', document });
    assert.equal(book.workspace_id, null);
    // token_in 1000003 x 1.1 = 1100003.3, token_out 2200012.1: rounded each
    const list = 1001n * 1100003n + 333n * 2200012n;
    await charged({ list: nano(list), cost: nano(list, 800000n), version: 1 });
    served = { service_tier: 'flex' };
    const flex = 1001n * 550002n + 333n * 1100006n;
    const e = await eventOf();
    assert.deepEqual(seen(e), { list: nano(flex), cost: nano(flex, 800000n), group: 'partners', version: 1 });
    served = undefined;
    // 1001 x 1000 + 333 x 3000 + 5000000 pico-USD x 0.8
    assert.deepEqual(seen(await eventOf('gpt-ours')), { list: 7000, cost: 5600, group: 'partners', version: 1 });
    assert.equal((await control.call('POST', '/price-books', { name: 'second', document })).status, 409);
  });

  test('effective prices say the same, for any tier, time and group', async () => {
    const now = await effective('');
    assert.deepEqual([now.kind, now.list.token_in, now.charged.token_in, now.catalogue.token_in, now.ratio, now.price_group, now.price_book_id, now.price_book_version],
      ['openai', 1100003, 880002, 1000003, '0.8', 'partners', book.id, 1]);
    assert.equal((await effective('&service_tier=FLEX')).list.token_in, 550002);
    const ours = await control.must('GET', '/prices/effective?provider=openai&model=gpt-ours');
    assert.deepEqual([ours.catalogue, ours.list.token_out], [null, { price: 2000, tiers: [{ above: 1000, price: 3000 }] }]);
    const none = await control.must('GET', '/prices/effective?provider=openai&model=nobody');
    assert.deepEqual([none.priced, none.list, none.charged], [false, null, null]);
    for (const query of ['provider=nobody&model=m', 'provider=up&model=m&group=nobody']) {
      assert.equal((await control.call('GET', `/prices/effective?${query}`)).status, 404, query);
    }
    assert.equal((await control.call('GET', '/prices/effective?provider=up')).json.error.param, 'model');
    assert.match(await weir(['price', 'show', 'up', 'gpt-priced']), /token_in\s+1\.000003\s+1\.100003\s+0\.880002/);
    assert.match(await weir(['price-group', 'list']), /partners\s+0\.8/);
  });

  test('a new version holds when it is published, and an older one again', async () => {
    const file = join(folder.folder, 'book.yaml');
    writeFileSync(file, 'rules:\n  - {model: gpt-priced, prices: {token_in: 1000000, token_out: 0}}\n');
    await weir(['price-book', 'publish', 'prices', '-f', file]);
    await charged({ list: nano(1001n * 1000000n), version: 2 });
    assert.match(await weir(['price-book', 'show', 'prices@2']), /token_in: 1000000/);
    assert.match(await weir(['price-book', 'list']), /prices\s+2\s+2/);
    await weir(['price-book', 'publish', 'prices@1']);
    await charged({ version: 1, list: nano(1001n * 1100003n + 333n * 2200012n) });
  });
});

describe('what callers say', () => {
  const custom = { 'cf-aig-custom-cost': '{"per_token_in":0.000000123456789,"per_token_out":"1e-7"}' };
  // 1001 x 123456.789 + 333 x 100000 pico-USD = 156880245.789
  test('counts for nothing unless the organization allows it, and is then exact', async () => {
    assert.equal((await eventOf('gpt-priced', custom)).custom_nanousd, '0');
    await settings({ price_group: 'partners', custom_costs: true });
    const got = await charged({ cost: 156880 }, 'gpt-priced', custom);
    assert.equal(got.list, nano(1001n * 1100003n + 333n * 2200012n));
    await charged({ cost: 250000000 }, 'gpt-priced', { 'x-weir-custom-cost': '{"total_cost":0.25}' });
  });
});

describe('statements', () => {
  const month = new Date().toISOString().slice(0, 7);
  const total = async () => (await database.query("select count(*) as events, sum(cost_nanousd) as cost, sum(list_nanousd) as list from usage_events where to_char(started_at at time zone 'UTC', 'YYYY-MM') = $1", [month]))[0];

  test('lines add up to the total, and the total to the events, to the nano-dollar', async () => {
    const s = await control.must('GET', `/statements?month=${month}`), sum = await total();
    assert.deepEqual([s.total.events, s.total.cost_nanousd, s.total.list_nanousd], [Number(sum.events), Number(sum.cost), Number(sum.list)]);
    for (const member of ['events', 'attempts', 'cost_nanousd', 'list_nanousd']) {
      assert.equal(s.lines.reduce((a, l) => a + BigInt(l[member]), 0n), BigInt(s.total[member]), member);
    }
    assert.deepEqual(s.lines.map((l) => [l.provider, l.model]).sort(), [['up', 'gpt-ours'], ['up', 'gpt-priced']]);
    const ours = s.lines.find((l) => l.model === 'gpt-ours');
    assert.deepEqual([ours.quantities, ours.cost, ours.list, ours.workspace, ours.team], [{ request: 1, token_in: 1001, token_out: 333 }, '0.000005600', '0.000007000', 'main', null]);
    assert.ok(!('key_id' in ours));
  });

  test('by key and team; of months that have nothing; with the borders of a zone', async () => {
    const s = await control.must('GET', `/statements?month=${month}&by=key&zone=Pacific/Auckland`);
    assert.ok(s.lines.every((l) => l.key_id === key.id && l.key === 'all'));
    const utc = await control.must('GET', '/statements?month=2026-03&zone=Europe/Berlin');
    assert.deepEqual([utc.from, utc.to, utc.lines], ['2026-02-28T23:00:00.000Z', '2026-03-31T22:00:00.000Z', []]);
    assert.deepEqual([utc.total.events, utc.total.cost], [0, '0.000000000']);
    const team = await control.must('POST', '/teams', { name: 'red' });
    assert.deepEqual((await control.must('GET', `/statements?month=${month}&team=red`)).lines, []);
    assert.deepEqual((await control.must('GET', `/statements?month=${month}&team=${team.id}`)).lines, []);
    await patch(`/keys/${key.id}`, { team_id: team.id });
    await until('events are the team\'s', async () => (await eventOf()).team_id);
    const red = (await control.must('GET', `/statements?month=${month}&team=red`)).lines;
    assert.deepEqual(red.map((l) => [l.team, l.team_id, l.model]), [['red', team.id, 'gpt-priced']]);
    for (const [query, param] of [['', 'month'], ['month=2026-13', 'month'], ['month=2026-1', 'month'], [`month=${month}&zone=Nowhere/At_All`, 'zone'], [`month=${month}&format=xml`, 'format'], [`month=${month}&by=user`, 'by']]) {
      assert.equal((await control.call('GET', `/statements?${query}`)).json.error.param, param, query);
    }
    assert.equal((await control.call('GET', `/statements?month=${month}&team=blue`)).status, 404);
  });

  test('as CSV the same, by the command line', async () => {
    const file = join(folder.folder, 'statement.csv');
    await weir(['statement', '--month', month, '--format', 'csv', '--output', file]);
    const [head, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\r\n').map((l) => l.split(',').map((c) => c.replace(/^"(.*)"$/, '$1')));
    const at = (name) => head.indexOf(name);
    const last = lines.pop(), sum = await total();
    assert.deepEqual([last[0], last[at('events')], last[at('cost_nanousd')], last[at('list_nanousd')]], ['total', sum.events, sum.cost, sum.list].map(String));
    assert.equal(last.length, head.length);
    assert.ok(lines.every((l) => l.length === head.length && l[0] === 'line'));
    assert.equal(lines.reduce((a, l) => a + BigInt(l[at('cost_nanousd')]), 0n), BigInt(sum.cost));
    assert.equal(BigInt(last[at('cost_usd')].replace('.', '')), BigInt(sum.cost));
    assert.match(await weir(['statement', '--month', month]), /TOTAL/);
    assert.equal(JSON.parse(await weir(['statement', '--month', month, '--json'])).month, month);
  });
});

describe('in a file', () => {
  test('weir apply brings groups and the book about, and export writes them again', async () => {
    const file = join(folder.folder, 'prices.yaml');
    writeFileSync(file, `version: 1
price_groups:
  - {name: staff, ratio: 0.25, overrides: [{provider: up, ratio: '0.5'}]}
price_book:
  name: prices
  document:
    rules:
      - {model: gpt-priced, prices: {token_in: 2000000, token_out: 0}}
`);
    const report = JSON.parse(await weir(['apply', '-f', file, '--json']));
    assert.deepEqual([report.price_groups.created, report.price_book.updated], [['staff'], ['prices']]);
    await charged({ list: nano(1001n * 2000000n), version: 3 });
    assert.deepEqual(JSON.parse(await weir(['apply', '-f', file, '--json'])).price_book.unchanged, ['prices']);
    const now = await effective('&group=staff');
    assert.deepEqual([now.ratio, now.charged.token_in], ['0.5', 1000000]);
    const text = await weir(['export']);
    assert.match(text, /^price_book: \{name: prices, document: /m);
    writeFileSync(file, text);
    const again = JSON.parse(await weir(['apply', '-f', file, '--json']));
    assert.deepEqual([again.price_groups.created, again.price_groups.updated.filter((n) => n !== 'partners'), again.price_book.unchanged], [[], [], ['prices']]);
    writeFileSync(file, 'version: 1\nprice_groups: [{name: partners, ratio: 0.8}]\nprice_book:\n');
    const pruned = JSON.parse(await weir(['apply', '-f', file, '--prune', '--dry-run', '--json']));
    assert.deepEqual([pruned.price_groups.deleted, pruned.price_book.deleted], [['staff'], ['prices']]);
  });
});
