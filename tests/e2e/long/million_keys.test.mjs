// Full size only (tests/run --long faults): a million virtual keys. What a fresh data plane takes to serve them, what a key costs in its
// memory, how soon one change among them is in force, and what the copy on its disk is worth. WEIR_SCALE_KEYS gives another number.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { scale } from '../harness/scale.mjs';

const KEYS = Number(process.env.WEIR_SCALE_KEYS || 1_000_000);
let world;

before(async () => {
  world = await scale(KEYS);
});
after(() => world?.end());

test(`${KEYS} keys: a fresh data plane serves them within 5 s, each in 300 bytes at most`, { timeout: 300_000 }, async () => {
  const { seconds, bytesPerKey } = await world.startFresh();
  console.log(`${KEYS} keys: control plane ready in ${world.controlSeconds.toFixed(2)} s, fresh data plane serves in ${seconds.toFixed(2)} s, ${bytesPerKey.toFixed(0)} bytes a key`);
  assert.ok(seconds <= 5, `${seconds} s`);
  assert.ok(bytesPerKey <= 300, `${bytesPerKey} bytes a key`);
});

test('one change among them is in force within 200 ms, made, blocked and taken back', { timeout: 120_000 }, async () => {
  const { median, worst, all } = await world.changeTimes(15);
  console.log(`a change at ${KEYS} keys: median ${median} ms, slowest ${worst} ms (${all.join(' ')})`);
  assert.ok(median <= 200, `median ${median} ms`);
  assert.ok(worst <= 400, `slowest ${worst} ms`);
});

test('a data plane that starts from its own disk serves them within 5 s, without a control plane', { timeout: 120_000 }, async () => {
  const seconds = await world.restartAlone();
  console.log(`${KEYS} keys from disk: serves in ${seconds.toFixed(2)} s`);
  assert.ok(seconds <= 5, `${seconds} s`);
});
