// The quick form of tests/e2e/long/million_keys.test.mjs: the same walk with fewer keys, and no bounds on time but generous ones.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sharedDatabase } from './harness/postgres.mjs';
import { scale } from './harness/scale.mjs';

const KEYS = 20_000;
let world;

before(async () => {
  world = await scale(KEYS, sharedDatabase);
});
after(() => world?.end());

test(`${KEYS} keys reach a fresh data plane, a change among them arrives, and its disk has them all`, { timeout: 120_000 }, async () => {
  const { seconds } = await world.startFresh();
  assert.ok(seconds <= 20, `${seconds} s`);
  const { median } = await world.changeTimes(5);
  assert.ok(median <= 1000, `${median} ms`);
  await world.restartAlone();
  assert.ok(await world.works(`scale-key-1`));
  assert.ok(!(await world.works('scale-key-0')));
});
