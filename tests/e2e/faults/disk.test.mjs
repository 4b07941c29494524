// A full disk under the spool is an error and no crash.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fakeProvider } from '../harness/fake_provider.mjs';
import { startStandalone } from '../harness/planes.mjs';
import { atLatestAtExit, temporaryFolder, until } from '../harness/process.mjs';

const skip = process.getuid() !== 0 && 'needs root to mount a small disk';
const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };
const yaml = (url) => `version: 1
providers: [{name: p, kind: openai, base_url: "${url}/v1", api_key: x}]
models: [{name: m, targets: [{provider: p, model: m}]}]
keys: [{name: k, secret: "key-for-the-disk-test"}]
`;

// A disk of this size that can be made larger.
function smallDisk(size) {
  const { folder, remove } = temporaryFolder('disk');
  const path = join(folder, 'disk');
  mkdirSync(path);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
  const unmount = atLatestAtExit(() => execFileSync('umount', ['--lazy', path]));
  return {
    path,
    resize: (to) => execFileSync('mount', ['-o', `remount,size=${to}`, path]),
    end() {
      unmount();
      remove();
    },
  };
}

test('a disk too small for the spool is refused at start with the reason', { skip }, async (t) => {
  const disk = smallDisk('256k');
  t.after(disk.end);
  await assert.rejects(startStandalone(yaml('http://127.0.0.1:9'), { workers: 1, args: ['--state-folder', disk.path] }), /No space left on device/);
});

test('a spool that fills up answers 503 accounting_unavailable, serves again when there is room, and has lost and doubled nothing', { skip }, async (t) => {
  // Nothing is acknowledged, for the events' own disk is full after the first few; so the spool has to fill.
  const disk = smallDisk('1m');
  const events = smallDisk('4k');
  const file = join(events.path, 'events.jsonl');
  const provider = await fakeProvider();
  let proxy;
  t.after(async () => {
    await provider.close();
    await proxy?.end();
    for (const d of [disk, events]) d.end();
  });
  proxy = await startStandalone(yaml(provider.url), {
    workers: 1, args: ['--state-folder', disk.path, '--spool-segment', '256KiB', '--events-file', file],
  });

  const answered = [];
  const one = async () => {
    const r = await proxy.chat('key-for-the-disk-test', body);
    const text = await r.text();
    if (r.status === 200) answered.push(r.headers.get('x-weir-request-id'));
    return { status: r.status, text };
  };
  const fill = async () => {
    let refused;
    await Promise.all(Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 5000 && !refused; i++) {
        const r = await one();
        if (r.status !== 200) refused ??= r;
      }
    }));
    assert.equal(refused?.status, 503, refused?.text);
    assert.equal(JSON.parse(refused.text).error.code, 'accounting_unavailable');
    assert.equal((await fetch(`${proxy.opsUrl}/livez`)).status, 200);
  };
  const serves = () => until('it serves again', async () => (await one()).status === 200);

  await fill();
  disk.resize('1300k');
  await serves();
  await fill();
  events.resize('64m');
  await serves();

  const sought = new Set(answered.map((id) => id.replace(/^req_/, '')));
  await until('every answered request is in the file', () => {
    const seen = new Set();
    for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
      const id = JSON.parse(line).id.replaceAll('-', '');
      if (seen.has(id)) throw Object.assign(new Error(`${id} is there twice`), { fatal: true });
      seen.add(id);
    }
    return [...sought].every((id) => seen.has(id));
  });
});
