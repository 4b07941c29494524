// PostgreSQL is restarted under running planes: what was changed before, while and after reaches the data planes by itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fakeProvider } from '../harness/fake_provider.mjs';
import { bootstrap, configure, startControl, startProxy } from '../harness/planes.mjs';
import { ownCluster } from '../harness/postgres.mjs';
import { until } from '../harness/process.mjs';

let database, control, proxy, provider;
const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };

before(async () => {
  database = await ownCluster();
  const admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  proxy = await startProxy(control);
  provider = await fakeProvider();
  await configure(control, provider.url, [proxy]);
});

after(async () => {
  await provider?.close();
  await proxy?.end();
  await control?.end();
  await database?.drop();
});

test('a revocation arrives within two seconds right after PostgreSQL was restarted, cleanly or not', async () => {
  for (const mode of ['fast', 'immediate']) {
    const doomed = await control.must('POST', '/keys', { name: `doomed-${mode}` });
    await until('the key works', async () => (await proxy.chat(doomed.secret, body)).status === 200, 5000);
    database.stop(mode);
    const down = await control.call('POST', `/keys/${doomed.id}/revoke`);
    assert.equal(down.status, 503, down.text);
    assert.equal(down.json.error.code, 'database_unavailable');
    assert.doesNotMatch(down.text, /127\.0\.0\.1|socket|refused|server closed/, 'where the database is is nobody\'s business');
    assert.equal((await fetch(`${control.url}/readyz`)).status, 503);
    assert.equal((await fetch(`${control.url}/livez`)).status, 200);
    assert.equal((await proxy.chat(doomed.secret, body)).status, 200, 'traffic goes on');
    database.start();
    await until('the admin API answers again', async () => (await control.call('POST', `/keys/${doomed.id}/revoke`)).status === 200, 10000);
    const answered = Date.now();
    await until('the key is refused', async () => (await proxy.chat(doomed.secret, body)).status === 401, 10000);
    assert.ok(Date.now() - answered < 2000, `${mode}: took ${Date.now() - answered} ms`);
  }
});

test('afterwards notifications wake the watcher again, so a change takes less than a second', async () => {
  const doomed = await control.must('POST', '/keys', { name: 'after' });
  await until('the key works', async () => (await proxy.chat(doomed.secret, body)).status === 200, 5000);
  await control.must('POST', `/keys/${doomed.id}/revoke`);
  const answered = Date.now();
  await until('the key is refused', async () => (await proxy.chat(doomed.secret, body)).status === 401, 5000);
  assert.ok(Date.now() - answered < 1000, `took ${Date.now() - answered} ms`);
});
