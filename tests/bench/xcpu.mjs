// CPU per request of Weir against nginx's plain proxy_pass, in one run: the proxy under test alone on core 0, mock upstream and
// client on core 1. Rounds go through the targets in turn (A B C A B C …); the ratio is taken per round, then the median over rounds.
//   xcpu = nginx's CPU time per request / Weir's (more is better); xrps = Weir's requests per second / nginx's
// Weir runs in managed mode with its spool on: every request leaves an event in PostgreSQL, and that is checked at the end. Storing
// them is other machines' work, so the control plane is held while the load runs (it would take core 1 from mock and client, for Weir's
// rounds alone) and let go behind it; what Weir spends on handing its events over is counted, since its clock is read only then.
// "hit" is Weir again by a key whose routing config caches: every request but the first is answered from memory.
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap, configure, startControl, startProxy } from '../e2e/harness/planes.mjs';
import { sharedDatabase } from '../e2e/harness/postgres.mjs';
import { build, freePorts, temporaryFolder, until } from '../e2e/harness/process.mjs';

const long = process.argv.includes('--long');
const SIZES = [['300 B', 300, 64], ['4 KB', 4096, 64], ['64 KB', 65536, 16]];
const ROUNDS = long ? 7 : 3;
const SECONDS = long ? 3 : 1.5;

const median = (a) => [...a].sort((x, y) => x - y)[a.length >> 1];
const tasks = (pid) => readdirSync(`/proc/${pid}/task`);
// Time on a core, so waiting for one that others took is not counted.
const cpuNs = (pids) => pids.reduce((sum, pid) => sum + tasks(pid).reduce((s, t) => {
  try {
    return s + Number(readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return s;
  }
}, 0), 0);
const pin = (pid, core) => execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);

function startMock() {
  const child = spawn('taskset', ['-c', '1', join(build, 'bench-mock'), '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve) => child.stdout.once('data', (d) => resolve({ child, port: Number(d) })));
}

async function startNginx(upstreamPort, folder) {
  const port = await freePorts(1);
  const conf = join(folder, 'nginx.conf');
  writeFileSync(conf, `worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
user root; events { worker_connections 1024; }
http { access_log off; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  client_max_body_size 10m; client_body_buffer_size 256k; keepalive_requests 100000000;
  upstream u { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port}; tcp_nodelay on; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; } } }
`.replace('user root;', process.getuid() === 0 ? 'user root;' : ''));
  const child = spawn('taskset', ['-c', '0', '/usr/sbin/nginx', '-c', conf, '-p', folder], { stdio: 'inherit' });
  await until('nginx', async () => (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}' })).status === 200);
  const worker = execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).trim().split('\n').map(Number);
  return { child, port, pids: [child.pid, ...worker] };
}

async function load(port, connections, bytes, key, seconds) {
  const child = spawn('taskset', ['-c', '1', join(build, 'bench-load'), String(port), String(connections), String(seconds), String(bytes), key, '/v1/chat/completions'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (d) => (out += d));
  await new Promise((r) => child.once('close', r));
  const [requests, errors, took, p50, p99] = out.trim().split(' ').map(Number);
  if (errors || !requests) throw new Error(`load on port ${port}: ${out}`);
  return { requests, rps: requests / took, p50, p99 };
}

let sent = 0;
const { folder, remove } = temporaryFolder('bench');
const database = await sharedDatabase();
const admin = bootstrap(database);
const control = await startControl(database);
control.token = admin.admin_token;
const mock = await startMock();
const proxy = await startProxy(control, { workers: 1, args: ['--spool-size', '2GiB'] });
const { key } = await configure(control, `http://127.0.0.1:${mock.port}`, [proxy]);
await control.must('POST', '/configs', { name: 'cached', document: { cache: { mode: 'simple', max_age: 3600 }, provider: '@openai', model: 'gpt-4o' } });
const cached = await control.must('POST', '/keys', { name: 'cached', config: 'cached' });
await until('the proxy answers from its cache', async () => {
  const r = await proxy.chat(cached.secret, { model: 'gpt-4o', messages: [{ role: 'user', content: 'warm' }] });
  await r.text();
  if (r.status !== 401) sent++; // of a key that is known each request has its event
  return r.headers.get('x-weir-cache') === 'hit';
});
const nginx = await startNginx(mock.port, folder);
pin(control.program.pid, 1);
pin(proxy.program.pid, 0);
process.on('exit', () => {
  mock.child.kill();
  nginx.child.kill();
});

const targets = [
  { name: 'direct', port: mock.port, pids: [] },
  { name: 'nginx', port: nginx.port, pids: nginx.pids },
  { name: 'weir', port: Number(new URL(proxy.url).port), pids: [proxy.program.pid], ours: true },
  { name: 'hit', port: Number(new URL(proxy.url).port), pids: [proxy.program.pid], ours: true, key: cached.secret },
];
console.log(`CPU per request, one core each, ${ROUNDS} rounds of ${SECONDS} s; managed mode, spool on`);
console.log('body    | target | us/request (CPU) | requests/s | p50 us | p99 us | xcpu | xrps');
const summary = [], hits = [];
for (const [label, bytes, connections] of SIZES) {
  const seen = Object.fromEntries(targets.map((t) => [t.name, []]));
  for (const t of targets) {
    const r = await load(t.port, connections, bytes, t.key ?? key.secret, 0.5);
    if (t.ours) sent += r.requests;
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const t of targets) {
      const before = cpuNs(t.pids);
      if (t.ours) control.program.signal('SIGSTOP');
      const r = await load(t.port, connections, bytes, t.key ?? key.secret, SECONDS);
      // What the spool still holds is work of these requests too: it is let out before the clock is read.
      if (t.ours) {
        sent += r.requests;
        control.program.signal('SIGCONT');
        await until('the spool is empty', async () => /^weir_spool_records 0$/m.test(await (await fetch(`${proxy.opsUrl}/metrics`)).text()), 120000);
      }
      seen[t.name].push({ ...r, us: (cpuNs(t.pids) - before) / 1000 / r.requests });
    }
  }
  const ratio = (f) => median(seen.weir.map((_, i) => f(i)));
  const xcpu = ratio((i) => seen.nginx[i].us / seen.weir[i].us);
  const xrps = ratio((i) => seen.weir[i].rps / seen.nginx[i].rps);
  for (const t of targets) {
    const m = (k) => median(seen[t.name].map((r) => r[k]));
    console.log(`${label.padEnd(7)} | ${t.name.padEnd(6)} | ${m('us').toFixed(1).padStart(16)} | ${m('rps').toFixed(0).padStart(10)} | ${String(m('p50')).padStart(6)} | ${String(m('p99')).padStart(6)} |${t.name === 'weir' ? ` ${xcpu.toFixed(2)} | ${xrps.toFixed(2)}` : '      |'}`);
  }
  summary.push(`${label} ${xcpu.toFixed(2)}`);
  const us = (name) => median(seen[name].map((r) => r.us)).toFixed(1);
  hits.push(`${label} ${us('hit')} (${us('weir')}, ${us('nginx')})`);
}
const [{ n }] = await database.query('select count(*)::bigint n from usage_events where endpoint = $1', ['chat.completions']);
console.log(`events stored: ${n} of ${sent}`);
console.log(`us of CPU per cache hit (per miss, nginx), goal <= 60: ${hits.join('; ')}`);
console.log(`xcpu (nginx / Weir, goal >= 0.80): ${summary.join(', ')}`);
await proxy.end();
await control.end();
await database.drop();
mock.child.kill();
nginx.child.kill();
remove();
if (Number(n) !== sent) {
  console.log('events are missing or doubled');
  process.exit(1);
}
