// Full size only (tests/run --long faults): a long mixed load with parts restarting under it, and a large configuration.
// WEIR_SOAK_SECONDS shortens the first for trying it out.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fakeProvider } from '../harness/fake_provider.mjs';
import { bootstrap, configure, eventsOf, startControl, startProxy } from '../harness/planes.mjs';
import { ownCluster } from '../harness/postgres.mjs';
import { until } from '../harness/process.mjs';

const SECONDS = Number(process.env.WEIR_SOAK_SECONDS || 600);
let database, control, proxy, provider, key;

before(async () => {
  database = await ownCluster();
  const admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  proxy = await startProxy(control);
  provider = await fakeProvider();
  ({ key } = await configure(control, provider.url, [proxy]));
});

after(async () => {
  await provider?.close();
  await proxy?.end();
  await control?.end();
  await database?.drop();
});

const residentKiB = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${proxy.program.pid}/status`, 'utf8'))[1]);

test(`${SECONDS} s of mixed load with restarts: nothing lost, nothing doubled, memory bounded`, { timeout: (SECONDS + 300) * 1000 }, async () => {
  const end = Date.now() + SECONDS * 1000;
  let ids = [];
  let total = 0;
  let firstKiB;
  const worker = async (n) => {
    for (let i = 0; Date.now() < end; i++) {
      const stream = (i + n) % 2 === 0;
      const leave = stream && i % 17 === 0;
      const r = await proxy.chat(key.secret, { model: 'gpt-4o', stream, messages: [{ role: 'user', content: 'x'.repeat((i * 37) % 20000) }] });
      assert.equal(r.status, 200);
      if (leave) await r.body.cancel();
      else await r.text();
      ids.push(r.headers.get('x-weir-request-id'));
      total++;
    }
  };
  const restarts = (async () => {
    for (let i = 0; Date.now() < end; i++) {
      await new Promise((r) => setTimeout(r, Math.min(15000, SECONDS * 250)));
      if (Date.now() >= end) return;
      if (i % 3 === 2) {
        database.stop('immediate');
        database.start();
      } else {
        await (i % 3 === 0 ? control.kill() : control.stop());
        await control.start();
      }
      const now = ids;
      ids = [];
      await eventsOf(database, now, 120000);
      firstKiB ??= residentKiB();
    }
  })();
  await Promise.all([restarts, ...Array.from({ length: 8 }, (_, n) => worker(n))]);
  await eventsOf(database, ids, 120000);
  assert.ok(total > SECONDS);
  assert.equal((await database.query('select count(*)::int n from usage_quarantine'))[0].n, 0);
  const grownKiB = residentKiB() - (firstKiB ?? residentKiB());
  assert.ok(grownKiB < 64 * 1024, `resident memory grew by ${grownKiB} KiB`);
});

test('100,000 keys reach a fresh data plane, and a change among them arrives within a second', { timeout: 300000 }, async () => {
  const [{ id, organization_id: organization }] = await database.query('select id, organization_id from workspaces limit 1');
  await database.query(`insert into virtual_keys (id, organization_id, workspace_id, name, secret_hash, mask)
    select gen_random_uuid(), $1, $2, 'scale-' || i, sha256(('scale-key-' || i)::bytea), 'scale' from generate_series(1, 100000) i`, [organization, id]);
  await database.query(`select log_changes(array_agg(organization_id), array_agg(3::smallint), array_agg(id), array_agg(false)) from virtual_keys where name like 'scale-%'`);
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };
  await until('the last key works', async () => (await proxy.chat('scale-key-100000', body)).status === 200, 120000);
  const fresh = await startProxy(control, { name: 'fresh' });
  try {
    await until('a fresh plane has all', async () => (await fresh.chat('scale-key-50000', body)).status === 200, 60000);
    const one = await control.must('POST', '/keys', { name: 'one-more' });
    const began = Date.now();
    for (const p of [proxy, fresh]) await until('the change', async () => (await p.chat(one.secret, body)).status === 200, 10000);
    assert.ok(Date.now() - began < 1000, `took ${Date.now() - began} ms`);
  } finally {
    await fresh.end();
  }
});
