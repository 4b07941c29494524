// What must hold when parts are gone: service goes on, and every answered request has exactly one event.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fakeProvider } from '../harness/fake_provider.mjs';
import { bootstrap, configure, eventsOf, startControl, startProxy } from '../harness/planes.mjs';
import { ownCluster } from '../harness/postgres.mjs';
import { until } from '../harness/process.mjs';

let database, control, proxy, provider, key;
const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };

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

async function one(extra = {}) {
  const r = await proxy.chat(key.secret, { ...body, ...extra });
  const text = await r.text();
  return { status: r.status, id: r.headers.get('x-weir-request-id'), text };
}

test('with the control plane and PostgreSQL stopped, 100 of 100 go on and arrive exactly once afterwards', async () => {
  await control.stop();
  database.stop();
  const ids = [];
  for (let i = 0; i < 100; i++) {
    const r = await one({ stream: i % 2 === 1 });
    assert.equal(r.status, 200, r.text);
    ids.push(r.id);
  }
  database.start();
  await control.start();
  const events = await eventsOf(database, ids, 30000);
  assert.equal(events.length, 100);
});

test('PostgreSQL restarting under load loses and doubles nothing', async () => {
  const ids = [];
  let stop = false;
  const load = Promise.all(Array.from({ length: 4 }, async () => {
    while (!stop) {
      const r = await one();
      assert.equal(r.status, 200);
      ids.push(r.id);
    }
  }));
  for (let i = 0; i < 2; i++) {
    await new Promise((r) => setTimeout(r, 400));
    database.stop('immediate');
    database.start();
  }
  await new Promise((r) => setTimeout(r, 400));
  stop = true;
  await load;
  await eventsOf(database, ids, 40000);
});

test('the control plane killed under load loses and doubles nothing', async () => {
  const ids = [];
  let stop = false;
  const load = Promise.all(Array.from({ length: 4 }, async () => {
    while (!stop) {
      const r = await one();
      assert.equal(r.status, 200);
      ids.push(r.id);
    }
  }));
  for (let i = 0; i < 2; i++) {
    await new Promise((r) => setTimeout(r, 500));
    await control.kill();
    await control.start();
  }
  stop = true;
  await load;
  await eventsOf(database, ids, 40000);
});

test('a data plane killed under load: every answered request has one event, and it serves its last snapshot of 10,000 keys within a second with the control plane down', async () => {
  const org = (await database.query('select id, organization_id from workspaces limit 1'))[0];
  await database.query(`insert into virtual_keys (id, organization_id, workspace_id, name, secret_hash, mask)
    select gen_random_uuid(), $1, $2, 'bulk-' || i, sha256(('bulk-' || i)::bytea), 'bulk' from generate_series(1, 10000) i`, [org.organization_id, org.id]);
  await database.query(`select log_changes(array_agg(organization_id), array_agg(3::smallint), array_agg(id), array_agg(false)) from virtual_keys where name like 'bulk-%'`);
  await until('a bulk key works', async () => (await proxy.chat('bulk-10000', body)).status === 200);

  const ids = [];
  let stop = false;
  const load = Promise.all(Array.from({ length: 8 }, async (_, n) => {
    while (!stop) {
      try {
        const r = await one({ stream: n % 2 === 1 });
        if (r.status === 200) ids.push(r.id);
      } catch {
        /* the kill cut this one: it was not answered */
      }
    }
  }));
  await new Promise((r) => setTimeout(r, 1000));
  await control.stop();
  await proxy.kill();
  stop = true;
  await load;
  assert.ok(ids.length > 50);
  const began = Date.now();
  const started = proxy.start();
  await until('a bulk key is served again', async () => (await proxy.chat('bulk-9999', body)).status === 200, 5000);
  const took = Date.now() - began;
  await started;
  assert.ok(took < 1000, `took ${took} ms`);
  await control.start();
  await eventsOf(database, ids, 30000);
  const doubles = await database.query('select id from usage_events group by id having count(*) > 1');
  assert.equal(doubles.length, 0);
});
