// weir replay against a standalone proxy: recorded requests by a proposed config and by what is in force, compared.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { build, root, temporaryFolder } from './harness/process.mjs';

let proxy, good, bad, home;
const KEY = 'a-key-of-the-replay';

function weir(args, { input = '', env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(build, 'weir'), args, {
      cwd: root, env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: home.folder, REPLAY_KEY: KEY, ASAN_OPTIONS: 'detect_leaks=1:exitcode=99', ...env },
    });
    let out = '', err = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (err += d));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => (/Sanitizer|runtime error:/.test(err) ? reject(new Error(err)) : resolve({ code, out, err })));
  });
}

const line = (text, extra = {}) => JSON.stringify({
  method: 'POST', path: '/v1/chat/completions', headers: { 'x-weir-metadata': '{"run":"1"}', authorization: 'Bearer somebody-else' },
  body: { model: 'gpt-4o', messages: [{ role: 'user', content: text }], ...extra },
});

before(async () => {
  home = temporaryFolder('replay');
  good = await fakeProvider();
  bad = await fakeProvider((call, res) => {
    res.writeHead(500, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ error: { message: 'broken', type: 'server_error' } }));
  });
  proxy = await startStandalone(`version: 1
providers:
  - {name: good, kind: openai, base_url: "${good.url}/v1", api_key: sk-good}
  - {name: bad, kind: openai, base_url: "${bad.url}/v1", api_key: sk-bad}
models:
  - {name: gpt-4o, targets: [{provider: bad, model: gpt-4o}]}
configs:
  - name: steady
    labels: [candidate]
    document: {provider: "@good", model: gpt-4o-mini}
keys: [{name: replay, secret: "${KEY}"}]
`);
});

after(async () => {
  await proxy?.end();
  await good?.close();
  await bad?.close();
  home?.remove();
});

const replay = (args, options) => weir(['replay', ...args, '--proxy', proxy.url, '--key', 'env:REPLAY_KEY', '--events', proxy.eventsFile], options);

test('a proposed reference mends what the present alias breaks, and the comparison says so', async () => {
  const file = join(home.folder, 'requests.jsonl');
  writeFileSync(file, [line('eins'), '', line('zwei \u00e9'), line('drei', { stream: true }), line('vier')].join('\n'));
  good.calls.length = 0;
  const r = await replay([file, '--config', 'steady@candidate', '--concurrency', '2', '--json']);
  assert.equal(r.code, 0, r.err);
  const j = JSON.parse(r.out);
  assert.equal(j.requests, 4);
  assert.equal(j.different, 4);
  assert.equal(j.baseline.config, 'in force');
  assert.equal(j.proposed.config, 'steady@candidate');
  assert.equal(j.baseline.succeeded, 0);
  assert.deepEqual(j.proposed.statuses, { 200: 4 });
  assert.ok(j.proposed.latency_us.mean > 0 && j.proposed.latency_us.p50 <= j.proposed.latency_us.p95);
  // costs and tokens come from the events file: each run has its event there, the failed ones without tokens
  assert.equal(j.proposed.costed, 4);
  assert.ok(j.proposed.cost_nanousd > 0, r.out);
  assert.ok(j.proposed.tokens_in >= 27 && j.proposed.tokens_out > 0, r.out);
  assert.equal(j.baseline.cost_nanousd, 0);
  assert.deepEqual(j.results.map((x) => x.line), [1, 3, 4, 5]);
  for (const x of j.results) assert.match(x.proposed.request_id, /^req_[0-9a-f]{32}$/);
  // the recorded caller's own credentials are never sent on
  assert.equal(good.calls.length, 4);
  for (const call of good.calls) assert.equal(call.headers.authorization, 'Bearer sk-good');
  assert.ok(good.calls.some((call) => call.json.messages[0].content === 'zwei \u00e9'));
});

test('a file proposes a document inline, also beyond ASCII, and two configs are compared', async () => {
  const config = join(home.folder, 'proposed.yaml');
  writeFileSync(config, `strategy: {mode: fallback}
targets:
  - {name: "wei\u00df \ud83d\ude00", provider: "@bad"}
  - {provider: "@good"}
`);
  const r = await replay(['-', '--config', config, '--baseline', 'steady', '--limit', '1'], { input: `${line('a')}\n${line('b')}\n` });
  assert.equal(r.code, 0, r.err);
  assert.match(r.out, /succeeded +1 +1/);
  assert.match(r.out, /statuses +1 x 200 +1 x 200/);
  assert.match(r.out, /cost, USD/);
  assert.doesNotMatch(r.out, /^line/m);
});

test('what ends otherwise is named by its line', async () => {
  const r = await replay(['-', '--config', 'nobody-made-this', '--baseline', 'steady'], { input: `\n${line('a')}\n` });
  assert.equal(r.code, 0, r.err);
  assert.match(r.out, /line 2: 200 by the baseline, 4\d\d by the proposed config/);
});

test('a file that is wrong is told by its line, and nothing is sent', async () => {
  good.calls.length = 0;
  for (const [input, why] of [
    [`${line('a')}\n{"path": "v1"}\n`, /<?-?>?:2: path must be/],
    [`${line('a')}\nnot json\n`, /:2: /],
    ['\n\n', /holds no request/],
    [`{"path": "/v1/x", "headers": {"a": "b\\nc"}}`, /:1: a header field is not well formed/],
  ]) {
    const r = await replay(['-', '--config', 'steady'], { input });
    assert.equal(r.code, 1);
    assert.match(r.err, why);
  }
  assert.equal(good.calls.length, 0);
  const r = await weir(['replay', '-', '--proxy', proxy.url, '--key', 'env:REPLAY_KEY'], { input: line('a') });
  assert.equal(r.code, 2);
  assert.match(r.err, /--config is missing/);
});

test('a proxy that is not there ends it with an error', async () => {
  const server = http.createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  const r = await weir(['replay', '-', '--proxy', `http://127.0.0.1:${port}`, '--key', 'env:REPLAY_KEY', '--config', 'steady', '--json'], { input: line('a') });
  assert.equal(r.code, 1);
  const j = JSON.parse(r.out);
  assert.equal(j.proposed.unanswered, 1);
  assert.match(r.err, /no request was answered/);
});
