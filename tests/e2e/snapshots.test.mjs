// A data plane's configuration and state when they are not as they should be: a good snapshot is never displaced by a bad one, and what is
// wrong is told.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, configure, eventsOf, startControl, startProxy } from './harness/planes.mjs';
import { ownCluster } from './harness/postgres.mjs';
import { build, Program, until } from './harness/process.mjs';

const STATE_KEY = '0123456789abcdef'.repeat(4);
const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };
let database, control, proxy, provider, key;

before(async () => {
  database = await ownCluster();
  const admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  proxy = await startProxy(control, { workers: 4, args: ['--state-key', STATE_KEY, '--spool-segment', '256KiB', '--spool-size', '1MiB', '--spool-full', 'drop-oldest', '--max-staleness', '3s'] });
  provider = await fakeProvider();
  ({ key } = await configure(control, provider.url, [proxy]));
});
after(async () => {
  await provider?.close();
  await proxy?.end();
  await control?.end();
  await database?.drop();
});

const plane = async () => (await control.must('GET', '/data-planes')).data.find((p) => p.name === proxy.planeName);
const one = async () => {
  const r = await proxy.chat(key.secret, body);
  await r.text();
  return r;
};

test('snapshots are swapped under load on every worker, and no request notices', async () => {
  let stop = false;
  const ids = [];
  const load = Promise.all(Array.from({ length: 6 }, async () => {
    while (!stop) {
      const r = await one();
      assert.equal(r.status, 200);
      ids.push(r.headers.get('x-weir-request-id'));
    }
  }));
  for (let i = 0; i < 15; i++) await control.must('POST', '/keys', { name: `swap-${i}` });
  await until('all have arrived', async () => {
    const p = await plane();
    const [{ version }] = await database.query('select version from config_version');
    return Number(p.config_version) >= Number(version);
  });
  stop = true;
  await load;
  assert.equal((await eventsOf(database, ids)).length, ids.length);
});

test('a snapshot that cannot be indexed is refused with its reason, the old one goes on, and the next good one is taken', async () => {
  await database.query('drop index models_name');
  const again = await control.must('POST', '/models', { name: 'gpt-4o', targets: [{ provider: 'openai', model: 'other' }] });
  const refused = await until('the refusal is shown', async () => {
    const p = await plane();
    return p.refused_reason && p;
  });
  assert.match(refused.refused_reason, /same name/);
  assert.ok(refused.refused_version > refused.config_version);
  assert.equal((await one()).status, 200);
  await control.must('DELETE', `/models/${again.id}`);
  await until('the next one is in force', async () => {
    const p = await plane();
    return p.config_version > refused.refused_version && !p.refused_reason;
  });
  assert.equal((await one()).status, 200);
  await database.query('create unique index models_name on models (organization_id, workspace_id, name) nulls not distinct');
});

test('cut off for longer than max-staleness it refuses, with its own code, and serves again at once when it is back', async () => {
  await control.stop();
  const r = await until('a refusal', async () => {
    const x = await proxy.chat(key.secret, body);
    return x.status === 503 && x;
  });
  assert.equal((await r.json()).error.code, 'configuration_stale');
  assert.equal((await proxy.chat('wr_live_nobody', body)).status, 401);
  const ready = await fetch(`${proxy.opsUrl}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /max-staleness/);
  assert.equal((await fetch(`${proxy.opsUrl}/livez`)).status, 200);
  await control.start();
  await until('it serves', async () => (await one()).status === 200);
});

test('state is of use with its key alone: another, a malformed or no key is a clear error', async () => {
  await proxy.stop();
  const attempt = async (...args) => {
    const first = Number(new URL(proxy.url).port);
    const p = new Program('wrong-key', join(build, 'weir-proxy'), ['--listen', `127.0.0.1:${first}`, '--ops-listen', 'off', '--state-folder', join(proxy.folder, 'state'), ...args], { folder: proxy.folder });
    const { code } = await p.exited;
    p.checkLog();
    assert.equal(code, 1);
    return p.log();
  };
  assert.match(await attempt('--state-key', 'f'.repeat(64)), /state.key/i);
  assert.match(await attempt(), /state.key/i);
  assert.match(await attempt('--state-key', 'nonsense'), /state.key is neither/i);
  for (const f of readdirSync(join(proxy.folder, 'state'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile())) {
    const text = readFileSync(join(f.path, f.name), 'latin1');
    assert.ok(!text.includes('sk-upstream') && !text.includes('PRIVATE KEY'), f.name);
  }
  await proxy.start();
  assert.equal((await one()).status, 200);
});

test('a full spool that drops its oldest counts what it dropped: stored and dropped make all', async () => {
  const large = await control.must('POST', '/keys', { name: 'large-events', metadata: { note: 'x'.repeat(1500) } });
  const request = async () => {
    const r = await proxy.chat(large.secret, body);
    await r.text();
    return r;
  };
  await until('the key has arrived', async () => (await request()).status === 200);
  await until('all is stored', async () => /weir_spool_records 0\n/.test(await (await fetch(`${proxy.opsUrl}/metrics`)).text()));
  const [{ n: before }] = await database.query('select count(*)::int n from usage_events');
  await control.stop();
  let sent = 0, dropped = 0;
  while (dropped === 0) { // refusals by max-staleness are events too
    sent += (await Promise.all(Array.from({ length: 50 }, request))).length;
    dropped = Number(/weir_events_dropped_total (\d+)/.exec(await (await fetch(`${proxy.opsUrl}/metrics`)).text())[1]);
  }
  await control.start();
  await until('the rest is stored', async () => {
    const [{ n }] = await database.query('select count(*)::int n from usage_events');
    return n - before === sent - dropped;
  });
});
