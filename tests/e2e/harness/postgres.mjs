// Databases for tests. `sharedDatabase` makes one on the server that tests/run started (WEIR_TEST_PG_OWNER_URL);
// `ownCluster` starts a server of its own, for tests that stop it.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import pg from 'pg';
import { atLatestAtExit, build, freePorts, root, temporaryFolder, until } from './process.mjs';

let counter = 0;

async function makeDatabase(ownerBase) {
  const name = `weir_e2e_${process.pid}_${++counter}`;
  const admin = new pg.Client({ connectionString: `${ownerBase}postgres` });
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.query(`do $$ begin create role weir_e2e_service login password 'service';
    exception when duplicate_object or unique_violation then null; end $$`);
  await admin.end();
  const ownerUrl = ownerBase + name;
  execFileSync(join(build, 'weir-control'), ['migrate', '--service-role', 'weir_e2e_service'], {
    env: { ...process.env, WEIR_OWNER_URL: ownerUrl }, stdio: 'pipe',
  });
  const serviceUrl = ownerUrl.replace(/\/\/[^@]*@/, '//weir_e2e_service:service@');
  const database = {
    name,
    ownerUrl,
    serviceUrl,
    // As the owner: row-level security does not apply to whoever owns the tables.
    async query(sql, params = []) {
      const c = new pg.Client({ connectionString: ownerUrl });
      c.on('error', () => {});
      await c.connect();
      try {
        await c.query('set search_path = weir');
        return (await c.query(sql, params)).rows;
      } finally {
        await c.end().catch(() => {});
      }
    },
    async drop() {
      const c = new pg.Client({ connectionString: `${ownerBase}postgres` });
      await c.connect();
      try {
        // The server's own vacuum may be in it for a moment, and is nobody's to end.
        await until(`${name} is dropped`, async () => (await c.query(`drop database if exists ${name} with (force)`)) && true);
      } finally {
        await c.end();
      }
    },
  };
  return database;
}

export async function sharedDatabase() {
  const base = process.env.WEIR_TEST_PG_OWNER_URL;
  if (!base) throw new Error('WEIR_TEST_PG_OWNER_URL is not set: run the tests by tests/run e2e');
  return makeDatabase(base.replace(/\/[^/]*$/, '/'));
}

export async function ownCluster() {
  const { folder, remove } = temporaryFolder('pg');
  const dir = join(folder, 'data');
  const port = await freePorts(1);
  const script = join(root, 'deploy/postgres.sh');
  const end = atLatestAtExit(() => execFileSync(script, ['drop', dir]));
  const base = execFileSync(script, ['create', dir, String(port)], { encoding: 'utf8' }).trim().split('\n').pop();
  const database = await makeDatabase(base);
  return {
    ...database,
    stop: (mode = 'fast') => execFileSync(script, ['stop', dir, mode]),
    start: () => execFileSync(script, ['start', dir, String(port)]),
    async drop() {
      end();
      remove();
    },
  };
}
