// A provider that is asked now and then if it is well: when it is not, that is known before a request finds out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { until } from './harness/process.mjs';

let proxy, provider, quiet, well = true;

before(async () => {
  provider = await fakeProvider((call, res) => {
    if (call.url !== '/health?deep=1') return false;
    res.writeHead(well ? 204 : 500).end();
    return true;
  });
  quiet = await fakeProvider();
  proxy = await startStandalone(`version: 1
providers:
  - {name: checked, kind: openai, base_url: "${provider.url}/v1", api_key: sk-checked,
     health_check: {interval_ms: 1000, timeout_ms: 2000, failures: 2, path: "/health?deep=1"}}
  - {name: quiet, kind: openai, base_url: "${quiet.url}/v1", api_key: sk-quiet}
models: [{name: m, targets: [{provider: quiet, model: m}]}]
keys:   [{name: dev, secret: a-key-a-user-brings, models: ["*"]}]
`);
});

after(async () => {
  await proxy?.end();
  await provider?.close();
  await quiet?.close();
});

const metrics = async () => (await fetch(`${proxy.opsUrl}/metrics`)).text();
const is = (state) => async () => (await metrics()).includes(`weir_target_state{provider="checked",state="${state}"} 1\n`);

test('the provider is asked with its credential, and nobody who did not ask for it', async () => {
  await until('the first check', () => provider.calls.length > 0);
  assert.equal(provider.calls[0].method, 'GET');
  assert.equal(provider.calls[0].url, '/health?deep=1');
  assert.equal(provider.calls[0].headers.authorization, 'Bearer sk-checked');
  await until('it is known as well', is('closed'));
  assert.equal(quiet.calls.length, 0);
});

test('failures in a row open the breaker, an answer as expected closes it', async () => {
  well = false;
  await until('the breaker opens', is('open'));
  assert.match(proxy.program.log(), /"event":"provider_unhealthy".*"provider":"checked"/);
  well = true;
  await until('it closes again', is('closed'));
  assert.match(proxy.program.log(), /"event":"provider_healthy".*"provider":"checked"/);
});

test('the cache and the targets are among the metrics', async () => {
  const text = await metrics();
  for (const name of ['entries', 'bytes', 'hits_total', 'misses_total', 'evicted_total', 'coalesced_total']) {
    assert.match(text, new RegExp(`^weir_cache_${name} \\d+$`, 'm'));
  }
  assert.match(text, /^weir_cache_max_bytes 268435456$/m);
});
