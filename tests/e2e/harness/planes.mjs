// The two planes as objects: what a test starts, talks to and stops.
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, freePorts, Program, temporaryFolder, until } from './process.mjs';

const KEK = 'a'.repeat(64);

// A plane that does not start leaves nothing behind.
async function started(plane, remove) {
  try {
    await plane.start();
  } catch (e) {
    plane.program?.signal('SIGKILL');
    await plane.program?.wait();
    remove();
    throw e;
  }
  return plane;
}

// Runs a program to its end; throws with its output when it fails.
export function run(program, args, env = {}) {
  try {
    return execFileSync(join(build, program), args, {
      encoding: 'utf8', env: { ...process.env, WEIR_KEY: KEK, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (e) {
    throw new Error(`${program} ${args.join(' ')} failed (${e.status})\n${e.stdout}${e.stderr}`, { cause: e });
  }
}

// Makes the first admin, an admin token and a virtual key.
export function bootstrap(database, { email = 'admin@example.test', organization = 'acme', workspace = 'main' } = {}) {
  const out = run('weir-control', ['bootstrap-admin', '--email', email, '--organization', organization, '--workspace', workspace,
    '--reset-password', '--admin-token', 'tests', '--key', 'first', '--json'], { WEIR_DATABASE_URL: database.serviceUrl });
  return { email, ...JSON.parse(out) };
}

export async function startControl(database, { name = 'control', args = [], ports, env = {} } = {}) {
  const { folder, remove } = temporaryFolder(name);
  const first = ports || (await freePorts(6));
  const options = ['serve', '--listen', `127.0.0.1:${first}`, '--enrol-listen', `127.0.0.1:${first + 1}`,
    '--channel-listen', `127.0.0.1:${first + 2}`, '--channel-advertise', '127.0.0.1', ...args];
  const control = {
    url: `http://127.0.0.1:${first}`,
    enrolAddress: `127.0.0.1:${first + 1}`,
    channelPort: first + 2,
    token: undefined,
    start() {
      this.program = new Program(name, join(build, 'weir-control'), options, {
        folder, env: { WEIR_DATABASE_URL: database.serviceUrl, WEIR_KEY: KEK, ...env },
      });
      return this.program.ready('answers /readyz', async () => (await fetch(`${this.url}/readyz`)).status === 200);
    },
    async call(method, path, body, headers = {}) {
      const r = await fetch(`${this.url}/api/v1${path}`, {
        method,
        headers: { 'content-type': 'application/json', ...(this.token ? { authorization: `Bearer ${this.token}` } : {}), ...headers },
        body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      });
      const text = await r.text();
      let json;
      try {
        json = JSON.parse(text);
      } catch {
        json = undefined;
      }
      return { status: r.status, headers: r.headers, text, json };
    },
    async must(method, path, body, headers) {
      const r = await this.call(method, path, body, headers);
      if (r.status >= 300) throw new Error(`${method} ${path}: ${r.status} ${r.text}`);
      return r.json;
    },
    stop: () => control.program.stop(),
    kill: () => control.program.kill(),
    async end() {
      try {
        if (control.program?.alive()) await control.program.stop();
      } finally {
        remove();
      }
    },
  };
  return started(control, remove);
}

function proxyObject(name, folder, remove, first, options, env) {
  const proxy = {
    url: `http://127.0.0.1:${first}`,
    opsUrl: `http://127.0.0.1:${first + 1}`,
    folder,
    start() {
      this.program = new Program(name, join(build, 'weir-proxy'), options, { folder, env });
      return this.program.ready('is ready', async () => (await fetch(`${this.opsUrl}/readyz`)).status === 200);
    },
    chat(key, body, headers = {}) {
      return fetch(`${this.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
        body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      });
    },
    stop: () => proxy.program.stop(),
    kill: () => proxy.program.kill(),
    async end() {
      try {
        if (proxy.program?.alive()) await proxy.program.stop();
      } finally {
        remove();
      }
    },
  };
  return proxy;
}

// A managed proxy: enrols on its first start.
export async function startProxy(control, { name = 'proxy', workers = 2, args = [] } = {}) {
  const { folder, remove } = temporaryFolder(name);
  const first = await freePorts(2);
  const token = (await control.must('POST', '/enrolment-tokens', {})).token;
  const options = ['--listen', `127.0.0.1:${first}`, '--ops-listen', `127.0.0.1:${first + 1}`, '--state-folder', join(folder, 'state'),
    '--control', control.enrolAddress, '--enrol', token, '--name', `${name}-${first}`, '--workers', String(workers), ...args];
  const proxy = proxyObject(name, folder, remove, first, options, {});
  proxy.planeName = `${name}-${first}`;
  return started(proxy, remove);
}

// A standalone proxy on one file.
export async function startStandalone(yaml, { name = 'standalone', workers = 2, args = [], env = {} } = {}) {
  const { folder, remove } = temporaryFolder(name);
  const first = await freePorts(2);
  const file = join(folder, 'weir.yaml');
  writeFileSync(file, yaml);
  chmodSync(file, 0o600);
  const options = ['--config', file, '--listen', `127.0.0.1:${first}`, '--ops-listen', `127.0.0.1:${first + 1}`,
    '--state-folder', join(folder, 'state'), '--events-file', join(folder, 'events.jsonl'), '--workers', String(workers), ...args];
  const proxy = proxyObject(name, folder, remove, first, options, env);
  proxy.file = file;
  proxy.eventsFile = join(folder, 'events.jsonl');
  return started(proxy, remove);
}

// Provider, model alias and key in the control plane; resolves when the proxies serve them.
export async function configure(control, providerUrl, proxies, { model = 'gpt-4o', upstreamModel = model, provider = 'openai' } = {}) {
  const p = await control.must('POST', '/providers', { name: provider, kind: 'openai', base_url: `${providerUrl}/v1`, api_key: 'sk-upstream' });
  await control.must('POST', '/models', { name: model, targets: [{ provider, model: upstreamModel }] });
  const key = await control.must('POST', '/keys', { name: `key-${Date.now()}` });
  for (const proxy of proxies) {
    await until('the proxy knows the model', async () =>
      (await (await fetch(`${proxy.url}/v1/models`, { headers: { authorization: `Bearer ${key.secret}` } })).json())
        .data?.some((m) => m.id === model));
  }
  return { provider: p, key };
}

// Every event of these request ids has arrived, each once.
export async function eventsOf(database, ids, timeoutMs = 20000) {
  const uuids = ids.map((id) => id.replace(/^req_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
  return until(`${ids.length} events in the database`, async () => {
    const rows = await database.query('select * from usage_events where id = any($1)', [uuids]);
    if (rows.length > ids.length) throw new Error('more events than requests');
    return rows.length === new Set(ids).size && rows;
  }, timeoutMs);
}
