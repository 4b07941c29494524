// A large number of virtual keys, and what data planes make of them: shared by the full size of the test and its quick one.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fakeProvider } from './fake_provider.mjs';
import { bootstrap, configure, startControl, startProxy } from './planes.mjs';
import { ownCluster } from './postgres.mjs';
import { until } from './process.mjs';

const TEAMS = 100;

// Keys as people make them: a name, everything allowed, a user, a team; written past the API, logged as one change.
async function insertKeys(database, keys) {
  const [{ id, organization_id: organization }] = await database.query('select id, organization_id from workspaces limit 1');
  const [{ id: user }] = await database.query('select id from users limit 1');
  await database.query(`insert into teams (id, organization_id, name) select gen_random_uuid(), $1, 'team-' || i from generate_series(1, $2::int) i`, [organization, TEAMS]);
  await database.query(`insert into virtual_keys (id, organization_id, workspace_id, name, secret_hash, mask, user_id, team_id, models, metadata)
    select gen_random_uuid(), $1, $2, 'service-' || i, sha256(('scale-key-' || i)::bytea), 'scale', $3,
      (select array_agg(id) from teams)[1 + i % $5], '{*}', '{}' from generate_series(1, $4::int) i`, [organization, id, user, keys, TEAMS]);
  await database.query('analyze virtual_keys');
  await database.query(`select log_changes(array[$1::uuid], array[2::smallint], array[$2::uuid], array[false])`, [organization, id]);
}

const statusOf = (program, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))[1]) * 1024;

async function seconds(fn) {
  const began = performance.now();
  await fn();
  return (performance.now() - began) / 1000;
}

export async function scale(keys, makeDatabase = ownCluster) {
  const world = { open: [] };
  const later = (x, end) => {
    world.open.push(() => end(x));
    return x;
  };
  const works = (proxy, secret) => async () => (await fetch(`${proxy.url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } })).status === 200;
  world.end = async () => {
    for (const end of world.open.splice(0).reverse()) await end();
  };
  try {
    const database = later(await makeDatabase(), (d) => d.drop());
    const admin = bootstrap(database);
    const control = later(await startControl(database), (c) => c.end());
    control.token = admin.admin_token;
    const provider = later(await fakeProvider(), (p) => p.close());
    const idle = await startProxy(control, { name: 'idle' });
    await configure(control, provider.url, [idle]);
    const idleBytes = statusOf(idle.program, 'VmRSS');
    await idle.end();
    await control.stop();
    await insertKeys(database, keys);
    world.controlSeconds = await seconds(() => control.start());
    world.controlBytes = statusOf(control.program, 'VmRSS');

    // From its first session with the control plane, as its log has it, to an answer to the last key.
    world.startFresh = async () => {
      const fresh = later(await startProxy(control, { name: 'fresh' }), (p) => p.end());
      await until('the last key works', works(fresh, `scale-key-${keys}`), 120_000);
      const session = fresh.program.log().split('\n').find((line) => line.includes('"event":"control_session"'));
      const took = (Date.now() - Date.parse(JSON.parse(session).ts)) / 1000;
      // its first copy is on the disk: what that needed is over
      await until('the base is written', () => readdirSync(join(fresh.folder, 'state')).some((f) => f.endsWith('.base')), 60_000);
      world.fresh = fresh;
      return { seconds: took, bytesPerKey: (statusOf(fresh.program, 'VmRSS') - idleBytes) / keys };
    };

    world.works = (secret) => works(world.fresh, secret)();

    world.changeTimes = async (n) => {
      const all = [];
      for (let i = 0; i < n; i++) {
        const key = await control.must('POST', '/keys', { name: `change-${i}` });
        const began = performance.now();
        while (!(await works(world.fresh, key.secret)())) await new Promise((r) => setTimeout(r, 2));
        all.push(Math.round(performance.now() - began));
      }
      const sorted = all.toSorted((a, b) => a - b);
      return { all, median: sorted[n >> 1], worst: sorted[n - 1] };
    };

    world.restartAlone = async () => {
      await world.fresh.stop();
      await control.stop();
      return seconds(async () => {
        await world.fresh.start();
        await until('the last key works', works(world.fresh, `scale-key-${keys}`), 60_000);
      });
    };
    return world;
  } catch (e) {
    await world.end();
    throw e;
  }
}
