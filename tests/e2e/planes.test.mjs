// How the planes live together: several of each, changes that reach all within a second, strangers who learn nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import net from 'node:net';
import tls from 'node:tls';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, configure, eventsOf, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { until } from './harness/process.mjs';

let database, first, second, proxies, provider, key;
const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };

before(async () => {
  database = await sharedDatabase();
  const admin = bootstrap(database);
  first = await startControl(database, { name: 'control-1' });
  first.token = admin.admin_token;
  second = await startControl(database, { name: 'control-2' });
  second.token = admin.admin_token;
  proxies = [await startProxy(first, { name: 'proxy-1' }), await startProxy(second, { name: 'proxy-2' })];
  provider = await fakeProvider();
  ({ key } = await configure(first, provider.url, proxies));
});

after(async () => {
  await provider?.close();
  for (const p of proxies ?? []) await p.end();
  await first?.end();
  await second?.end();
  await database?.drop();
});

const planes = async (control) => (await control.must('GET', '/data-planes')).data;

test('two data planes serve from two control planes and are shown as connected with their version', async () => {
  for (const proxy of proxies) assert.equal((await proxy.chat(key.secret, body)).status, 200);
  await until('both are connected and up to date', async () => {
    const all = await planes(second);
    return all.length === 2 && all.every((p) => p.state === 'connected' && p.config_version > 0);
  });
});

test('a revoked key is refused by every data plane within one second of the answer', async () => {
  for (let round = 0; round < 3; round++) {
    const control = round % 2 ? second : first;
    const doomed = await control.must('POST', '/keys', { name: `doomed-${round}` });
    for (const proxy of proxies) await until('the key works', async () => (await proxy.chat(doomed.secret, body)).status === 200, 5000);
    await control.must('POST', `/keys/${doomed.id}/revoke`);
    const answered = Date.now();
    for (const proxy of proxies) {
      const refused = await until('the key is refused', async () => {
        const r = await proxy.chat(doomed.secret, body);
        return r.status === 401 && (await r.json());
      }, 5000);
      assert.equal(refused.error.code, 'invalid_api_key');
    }
    assert.ok(Date.now() - answered < 1000, `took ${Date.now() - answered} ms`);
  }
});

test('two transactions that commit in the other order than they began both reach every proxy', async () => {
  const a = await first.must('POST', '/keys', { name: 'order-a' });
  const b = await first.must('POST', '/keys', { name: 'order-b' });
  for (const proxy of proxies) for (const k of [a, b]) await until('works', async () => (await proxy.chat(k.secret, body)).status === 200, 5000);
  const uuid = (id) => id.replace(/^key_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const open = async () => {
    const c = new pg.Client({ connectionString: database.ownerUrl });
    await c.connect();
    await c.query('set search_path = weir');
    await c.query('begin');
    await c.query('select 1 from config_version'); // its snapshot and transaction id are taken now
    return c;
  };
  const revoke = (c, k) => c.query('update virtual_keys set revoked_at = now() where id = $1', [uuid(k.id)]);
  const commit = async (c, k) => {
    await c.query('select log_changes(array[(select organization_id from virtual_keys where id = $1)], array[3]::smallint[], array[$1]::uuid[], array[true])', [uuid(k.id)]);
    await c.query('commit');
    await c.end();
  };
  const one = await open();
  await revoke(one, a);
  const two = await open();
  await revoke(two, b);
  await commit(two, b);
  for (const proxy of proxies) await until('the later one is refused', async () => (await proxy.chat(b.secret, body)).status === 401, 5000);
  for (const proxy of proxies) assert.equal((await proxy.chat(a.secret, body)).status, 200);
  await commit(one, a);
  for (const proxy of proxies) await until('the earlier one is refused too', async () => (await proxy.chat(a.secret, body)).status === 401, 5000);
});

test('killing either control plane leaves all working', async () => {
  for (const [victim, other] of [[first, second], [second, first]]) {
    await victim.kill();
    const fresh = await other.must('POST', '/keys', { name: `after-${victim.url}` });
    const ids = [];
    for (const proxy of proxies) {
      await until('a change made at the other one arrives', async () => {
        const r = await proxy.chat(fresh.secret, body);
        await r.text();
        if (r.status === 200) ids.push(r.headers.get('x-weir-request-id'));
        return r.status === 200;
      }, 15000);
    }
    await eventsOf(database, ids);
    await victim.start();
  }
});

test('a stranger who connects to the ports learns nothing and changes nothing', async () => {
  const count = async () => (await database.query('select (select count(*) from usage_events) e, (select count(*) from usage_quarantine) q, (select count(*) from data_planes) p'))[0];
  await until('the spools are empty', async () => {
    const a = JSON.stringify(await count());
    await new Promise((r) => setTimeout(r, 300));
    return a === JSON.stringify(await count());
  });
  const before = await count();
  for (let port = first.channelPort; port < first.channelPort + 4; port++) {
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(4096, 0xff), Buffer.from('00535000003100000000', 'hex')]) {
      await new Promise((resolve) => {
        const s = net.connect(port, '127.0.0.1', () => s.end(bytes));
        let got = Buffer.alloc(0);
        s.on('data', (d) => (got = Buffer.concat([got, d])));
        s.on('error', resolve);
        s.on('close', () => {
          assert.ok(!/version|weir_|provider|organization/i.test(got.toString('latin1')));
          resolve();
        });
        s.setTimeout(3000, () => s.destroy());
      });
    }
    // TLS without a client certificate gets nowhere
    await new Promise((resolve) => {
      const s = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => s.write(Buffer.alloc(64)));
      let bytes = 0;
      s.on('data', (d) => (bytes += d.length));
      s.on('error', resolve);
      s.on('close', () => {
        assert.equal(bytes, 0);
        resolve();
      });
      s.setTimeout(3000, () => s.destroy());
    });
  }
  // a made-up and a used enrolment token are refused alike
  const enrol = (token) => execFileSync('curl', ['-sk', '--max-time', '5', '-o', '/dev/null', '-w', '%{http_code}', '-d', JSON.stringify({ token, name: 'stranger', csr: 'x' }), `https://${first.enrolAddress}/enrol`], { encoding: 'utf8' });
  assert.match(enrol(`wr_enr_${'A'.repeat(27)}.${'A'.repeat(43)}`), /^40[01]$/);
  assert.deepEqual(await count(), before);
  for (const proxy of proxies) assert.equal((await proxy.chat(key.secret, body)).status, 200);
});

test('a revoked data plane is cut off, and the others go on', async () => {
  const third = await startProxy(first, { name: 'proxy-3' });
  try {
    const row = await until('it is listed', async () => (await planes(first)).find((p) => p.name === third.planeName && p.state === 'connected'));
    await first.must('POST', `/data-planes/${row.id}/revoke`);
    const late = await first.must('POST', '/keys', { name: 'after-revoke' });
    for (const proxy of proxies) await until('others get it', async () => (await proxy.chat(late.secret, body)).status === 200, 5000);
    await new Promise((r) => setTimeout(r, 1500));
    assert.equal((await third.chat(late.secret, body)).status, 401);
  } finally {
    await third.end();
  }
});
