// docs/examples/connect: clients of other gateways, with base URL and key changed and nothing else, as their authors would run them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { root, temporaryFolder } from './harness/process.mjs';

const folder = join(root, 'docs/examples/connect');
let provider, proxy, here, remove;

before(async () => {
  provider = await fakeProvider((call, res) => {
    assert.equal(call.headers.authorization, 'Bearer sk-stored', 'the stored credential, not a placeholder, goes to the provider');
    if (call.json.model !== 'no-such-model') return false;
    res.writeHead(404, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ error: { message: 'no such model', type: 'invalid_request_error', param: null, code: 'model_not_found' } }));
  });
  proxy = await startStandalone(`
version: 1
providers: [{name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: sk-stored}]
keys: [{name: dev, secret: connect-key}]
`);
  ({ folder: here, remove } = temporaryFolder('connect'));
  cpSync(folder, here, { recursive: true });
  symlinkSync(join(root, 'tests/e2e/node_modules'), join(here, 'node_modules'));
});

after(async () => {
  await proxy?.end();
  await provider?.close();
  remove?.();
});

const run = promisify(execFile);
const env = () => ({ ...process.env, WEIR_URL: proxy.url, WEIR_KEY: 'connect-key', WEIR_MODEL: 'openai/gpt-4o-mini' });

for (const file of readdirSync(folder).filter((f) => f.endsWith('.mjs'))) {
  test(`${file} prints the model's answer`, async () => {
    const { stdout } = await run('node', [join(here, file)], { env: env(), timeout: 60000 });
    const lines = stdout.trim().split('\n');
    for (const line of lines) assert.match(line, /^Hello from fake/);
    if (file === 'cloudflare.mjs') assert.match(lines[2], /\(step 1\)$/);
    assert.equal(lines.length, file === 'cloudflare.mjs' ? 3 : 1);
  });
}

test('each has a twin in Python that compiles', async () => {
  const python = readdirSync(folder).filter((f) => f.endsWith('.py'));
  assert.equal(python.length, 4);
  const cache = join(here, 'cache');
  mkdirSync(cache);
  for (const f of python) await run('python3', ['-m', 'py_compile', join(here, f)], { env: { ...process.env, PYTHONPYCACHEPREFIX: cache } });
});
