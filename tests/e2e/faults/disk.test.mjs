// A full disk under the spool is an error and no crash.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fakeProvider } from '../harness/fake_provider.mjs';
import { startStandalone } from '../harness/planes.mjs';
import { temporaryFolder, until } from '../harness/process.mjs';

const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };
const yaml = (url) => `version: 1
providers: [{name: p, kind: openai, base_url: "${url}/v1", api_key: x}]
models: [{name: m, targets: [{provider: p, model: m}]}]
keys: [{name: k, secret: "key-for-the-disk-test"}]
`;

test('a disk too small for the spool is refused at start with the reason', { skip: process.getuid() !== 0 && 'needs root to mount a small disk' }, async () => {
  const { folder, remove } = temporaryFolder('disk');
  const state = join(folder, 'state');
  mkdirSync(state);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', state]);
  const provider = await fakeProvider();
  try {
    await assert.rejects(startStandalone(yaml(provider.url), { workers: 1, args: ['--state-folder', state] }), /No space left|full|spool/i);
  } finally {
    execFileSync('umount', [state]);
    await provider.close();
    remove();
  }
});

test('a spool that fills up answers 503 accounting_unavailable, and serves again when there is room', { skip: process.getuid() !== 0 && 'needs root to mount a small disk' }, async () => {
  const { folder, remove } = temporaryFolder('disk');
  const state = join(folder, 'state');
  mkdirSync(state);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', state]);
  const provider = await fakeProvider();
  // The events file stands where writing always fails, so nothing is ever acknowledged and the spool must fill.
  const proxy = await startStandalone(yaml(provider.url), { workers: 1, args: ['--state-folder', state, '--spool-segment', '1MiB', '--events-file', '/dev/full'] });
  try {
    let refused;
    for (let i = 0; i < 40000 && !refused; i++) {
      const r = await proxy.chat('key-for-the-disk-test', body);
      const text = await r.text();
      if (r.status === 503) refused = JSON.parse(text);
      else assert.equal(r.status, 200, text);
    }
    assert.equal(refused?.error.code, 'accounting_unavailable');
    await until('it is alive', async () => (await fetch(`${proxy.opsUrl}/livez`)).status === 200);
  } finally {
    await proxy.end();
    execFileSync('umount', [state]);
    await provider.close();
    remove();
  }
});
