// Writes the cases that scenarios.mjs speaks of: node tests/golden/make.mjs [PATTERN], with WEIR_BUILD as for the tests. Each is held against
// its meaning first; one that fails is reported and not written. What it writes is read before it is committed: a difference to
// what stood there is a change of behaviour.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startStandalone } from '../e2e/harness/planes.mjs';
import { checkMeaning } from './meaning.mjs';
import { CLIENTS, SCENARIOS, TARGETS, providerAnswer } from './scenarios.mjs';
import { AWS, caseBody, exchange, header, listen } from './wire.mjs';

const here = new URL('.', import.meta.url).pathname;
const wanted = new RegExp(process.argv[2] ?? '.');
const KEPT = ['content-type', 'x-weir-dropped-params', 'retry-after', 'x-amzn-errortype'];
const SENT = ['authorization', 'x-api-key', 'anthropic-version', 'x-goog-api-key', 'api-key', 'content-type'];
const latin1 = (s) => Buffer.from(s).toString('latin1');
const file = (start, headers, body) => Buffer.from(`${start}\n${headers.map(([k, v]) => `${k}: ${v}\n`).join('')}\n${body}`, 'latin1');

const yaml = `version: 1
providers:
  - {name: openai, kind: openai, base_url: "\${UPSTREAM}/v1", api_key: sk-golden}
  - {name: azure, kind: azure-openai, base_url: "\${UPSTREAM}/azure", api_key: sk-golden, api_version: "2024-10-21"}
  - {name: anthropic, kind: anthropic, base_url: "\${UPSTREAM}/anthropic", api_key: sk-golden}
  - {name: gemini, kind: gemini, base_url: "\${UPSTREAM}/gemini", api_key: sk-golden}
  - {name: vertex, kind: vertex, base_url: "\${UPSTREAM}/vertex", project: p1, location: us-central1, access_token: sk-golden}
  - {name: bedrock, kind: bedrock, base_url: "\${UPSTREAM}/bedrock", region: us-east-1, api_key: sk-golden}
  - {name: cohere, kind: cohere, base_url: "\${UPSTREAM}/cohere", api_key: sk-golden}
  - {name: ollama, kind: ollama, base_url: "\${UPSTREAM}/ollama"}
models:
${Object.entries(TARGETS).map(([t, { yaml: target }]) => `  - {name: to-${t.replace('_', '-')}, targets: [${target}]}`).join('\n')}
  - {name: gpt-4o, targets: [{provider: openai, model: gpt-4o-2024-11-20}]}
keys:
  - {name: dev, secret: golden-client-key}
`;

// What differs from run to run becomes a placeholder.
function settled(body, client) {
  const id = header(client, 'x-weir-request-id');
  return body.replaceAll(id, '<id>').replaceAll(id.slice(4), '<hex>').replace(/"(created|created_at|createTime|completed_at)":\d{10}(?!\d)/g, (m, n) => (m.includes('1700000000') ? m : `"${n}":"<time>"`)).replace(/"latencyMs":\d+/g, '"latencyMs":"<any>"');
}

let made = 0, failed = 0;
for (const [dialect, client] of Object.entries(CLIENTS)) {
  const upstream = await listen();
  mkdirSync(join(here, dialect), { recursive: true });
  writeFileSync(join(here, dialect, 'weir.yaml'), yaml);
  const proxy = await startStandalone(yaml.replaceAll('${UPSTREAM}', upstream.url), { workers: 1 });
  for (const [target, { dialect: provider }] of Object.entries(TARGETS)) {
    for (const [scenario, { ask }] of Object.entries(SCENARIOS)) {
      const name = `to_${target}_${scenario}`;
      if (!wanted.test(`${dialect}/${name}`)) continue;
      const { path, headers, body } = client(`to-${target.replace('_', '-')}`, ask);
      const request = { start: `POST ${path} HTTP/1.1`, headers: Object.entries(headers).filter(([, v]) => v), body: latin1(JSON.stringify(body)) };
      let said;
      const got = await exchange(proxy.url, upstream, request, (message) => {
        const url = message.start.split(' ')[1];
        const a = providerAnswer(provider, scenario, JSON.parse(Buffer.from(message.body, 'latin1')), url);
        const text = a.headers['content-type'] === AWS ? undefined : a.body.toString('latin1');
        said = { start: `HTTP/1.1 ${a.status} ${a.status === 200 ? 'OK' : 'Too Many Requests'}${a.cut ? ' CUT' : ''}`, headers: Object.entries(a.headers), body: text ?? caseBody({ headers: [['content-type', AWS]], body: a.body.toString('latin1') }) };
        return said;
      });
      try {
        checkMeaning(dialect, name, got.client, got.upstream);
      } catch (e) {
        failed++;
        console.log(`${dialect}/${name}: ${e.message.split('\n').slice(0, 30).join('\n  ')}\n  request: ${got.upstream?.body.slice(0, 1500)}\n  answer: ${got.client.start} ${got.client.body.slice(0, 2500)}`);
        continue;
      }
      const folder = join(here, dialect, name);
      mkdirSync(folder, { recursive: true });
      const put = (what, content) => {
        const at = join(folder, what);
        if (!existsSync(at) || !readFileSync(at).equals(content)) writeFileSync(at, content);
      };
      const keep = (m, names) => names.filter((n) => header(m, n) !== undefined).map((n) => [n, header(m, n)]);
      put('client_request', file(request.start, request.headers, request.body));
      put('upstream_request', file(`${got.upstream.start} JSON`, keep(got.upstream, SENT), settled(got.upstream.body, got.client)));
      put('upstream_response', file(said.start, said.headers, said.body));
      put('client_response', file(`${got.client.start} JSON`, [...keep(got.client, KEPT), ['x-weir-request-id', '<id>']], settled(got.client.body, got.client)));
      made++;
    }
  }
  upstream.close();
  await proxy.end();
}
console.log(`${made} cases written, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
