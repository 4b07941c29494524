// Golden cases: tests/golden/<dialect>/<case>/{client_request,upstream_request,upstream_response,client_response}; wire.mjs tells the form
// of a file. A proxy with <dialect>/weir.yaml gets the client's request; what reaches the provider and what comes back must have the same
// start line, at least the headers that the expectation names (a line "-name" says that a header must be absent), and the same body: byte
// for byte, or, where the expectation's start line ends in " JSON", the same JSON value or the same events. <id> stands for a request id,
// <hex> for 32 hex digits, <time> for a moment, <any> for anything. A case without upstream files never reaches the provider.
//
// A case named <target>_<scenario> of scenarios.mjs is held against its meaning as well, which was written down without the gateway.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startStandalone } from '../e2e/harness/planes.mjs';
import { checkMeaning } from './meaning.mjs';
import { escape, eventsOf, exchange, header, jsonOf, listen, read } from './wire.mjs';

const here = new URL('.', import.meta.url).pathname;
const pattern = (s) => new RegExp(`^${escape(s).replaceAll('<id>', 'req_[0-9a-f]{32}').replaceAll('<hex>', '[0-9a-f]{32}').replaceAll('<time>', '[0-9TZ:.-]+').replaceAll('<any>', '.*')}$`, 's');

// The same JSON value, with placeholders in the wanted one.
function expectJson(got, want, what) {
  if (typeof want === 'string' && /<(id|hex|time|any)>/.test(want)) return assert.match(String(got), pattern(want), what);
  if (want === null || typeof want !== 'object') return assert.deepEqual(got, want, what);
  assert.equal(Array.isArray(got), Array.isArray(want), what);
  assert.deepEqual(Object.keys(got ?? {}).sort(), Object.keys(want).sort(), what);
  for (const k of Object.keys(want)) expectJson(got[k], want[k], `${what}.${k}`);
}

function expectMessage(got, expectation, what) {
  const json = expectation.start.endsWith(' JSON');
  const want = { ...expectation, start: expectation.start.replace(/ JSON$/, '') };
  assert.match(got.start, pattern(want.start), `${what}: start line`);
  for (const [name, value] of want.headers) assert.match(header(got, name) ?? '(absent)', pattern(value), `${what}: header ${name}`);
  for (const name of want.absent) assert.ok(!got.headers.some(([k]) => k === name), `${what}: header ${name} is present`);
  if (json) {
    const events = eventsOf(want);
    if (events) expectJson(eventsOf(got), events, `${what}: events`);
    else expectJson(jsonOf(got), jsonOf(want), `${what}: body`);
  } else if (/<(id|hex|time|any)>/.test(want.body)) assert.match(got.body, pattern(want.body), `${what}: body`);
  else assert.equal(got.body, want.body, `${what}: body`);
}

const folders = (path) => readdirSync(path, { withFileTypes: true }).filter((d) => d.isDirectory()).map((d) => d.name);

for (const dialect of folders(here)) {
  describe(dialect, () => {
    let proxy, upstream;
    before(async () => {
      upstream = await listen();
      proxy = await startStandalone(readFileSync(join(here, dialect, 'weir.yaml'), 'utf8').replaceAll('${UPSTREAM}', upstream.url), { workers: 1 });
    });
    after(async () => {
      upstream.close();
      await proxy?.end();
    });
    for (const name of folders(join(here, dialect))) {
      test(name, async () => {
        const folder = join(here, dialect, name);
        const upstreamRequest = read(folder, 'upstream_request');
        const { client, upstream: seen, reached } = await exchange(proxy.url, upstream, read(folder, 'client_request'), read(folder, 'upstream_response'));
        expectMessage(client, read(folder, 'client_response'), 'client response');
        if (upstreamRequest) expectMessage(seen, upstreamRequest, 'upstream request');
        else if (!existsSync(join(folder, 'upstream_response'))) assert.equal(reached, 0, 'the provider was called');
        checkMeaning(dialect, name, client, seen);
      });
    }
  });
}
