// A program under test: started with its own log, waited for by condition, and at the end checked for a clean exit and for
// sanitizer reports, so that every test is a crash test too.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import net from 'node:net';
import { after } from 'node:test';

export const root = new URL('../../../', import.meta.url).pathname;
export const build = process.env.WEIR_BUILD || join(root, 'build/dev');

const REPORT = /ERROR: AddressSanitizer|WARNING: ThreadSanitizer|LeakSanitizer|runtime error:|Assertion .* failed|double free|corrupted/;

export async function until(what, condition, timeoutMs = 15000) {
  const end = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      last = await condition();
      if (last) return last;
    } catch (e) {
      if (e.fatal) throw e;
      last = e;
    }
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}; last: ${last?.stack || last}`);
    await new Promise((r) => setTimeout(r, 20));
  }
}

// What must not outlive the tests (mounts, servers, programs): returns a function that ends it. Ended once: by that call, or when this
// process ends, also when a test or a fixture failed half way or the run was interrupted.
const pending = new Set();
export function atLatestAtExit(end) {
  const once = () => {
    if (pending.delete(once)) end();
  };
  pending.add(once);
  return once;
}
process.on('exit', () => {
  for (const end of [...pending].reverse()) {
    try {
      end();
    } catch (e) {
      console.error(e);
    }
  }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

// Once the tests are over, what a failed fixture left running must not keep this process from ending: `unref` lets go of it.
const unrefs = new Set();
export function letGoAfterTests(unref) {
  unrefs.add(unref);
  return () => unrefs.delete(unref);
}
after(() => {
  for (const unref of unrefs) unref();
});

export function temporaryFolder(prefix) {
  const folder = mkdtempSync(join(tmpdir(), `weir-${prefix}-`));
  chmodSync(folder, 0o755);
  return { folder, remove: atLatestAtExit(() => rmSync(folder, { recursive: true, force: true })) };
}

// Listens on the port: the server, or undefined when somebody else does.
const listen = (port) => new Promise((resolve) => {
  const s = net.createServer();
  s.once('error', () => resolve(undefined));
  s.listen(port, '127.0.0.1', () => resolve(s));
});

async function free(port) {
  const s = await listen(port);
  if (s) await new Promise((resolve) => s.close(resolve));
  return s !== undefined;
}

// Ports below the range that the kernel gives to outgoing connections, by the hundred. Files of tests run at once, and a port whose
// program is down for a moment must not go to another file's: whoever listens on the first of a hundred has the others, until it ends.
const FIRST_PORT = 12000, HUNDREDS = 199;
let hundred = process.pid % HUNDREDS, nextPort, lastPort;
async function takeHundred() {
  for (;;) {
    hundred = (hundred + 1) % HUNDREDS;
    const first = FIRST_PORT + hundred * 100;
    const s = await listen(first);
    if (!s) continue;
    s.unref();
    [nextPort, lastPort] = [first + 1, first + 99];
    return;
  }
}

// A run of `count` free ports.
let turn = Promise.resolve();
export function freePorts(count = 1) {
  turn = turn.then(async () => {
    for (;;) {
      if (nextPort === undefined || nextPort + count - 1 > lastPort) await takeHundred();
      const first = nextPort;
      nextPort += count;
      let ok = true;
      for (let i = 0; ok && i < count; i++) ok = await free(first + i);
      if (ok) return first;
    }
  });
  return turn;
}

export class Program {
  constructor(name, command, args, { env = {}, cwd, folder } = {}) {
    this.name = name;
    mkdirSync(folder, { recursive: true });
    this.logPath = join(folder, `${name}-${Date.now()}-${Math.trunc(Math.random() * 1e6)}.log`);
    const log = createWriteStream(this.logPath);
    this.child = spawn(command, args, {
      cwd: cwd || folder,
      env: {
        PATH: process.env.PATH,
        LANG: 'C.UTF-8',
        ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:exitcode=99',
        UBSAN_OPTIONS: 'print_stacktrace=1',
        LSAN_OPTIONS: `suppressions=${join(root, 'tests/lsan.supp')}:print_suppressions=0`,
        TSAN_OPTIONS: `suppressions=${join(root, 'tests/tsan.supp')}:second_deadlock_stack=1:history_size=5`,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout.pipe(log, { end: false });
    this.child.stderr.pipe(log, { end: false });
    const ended = [atLatestAtExit(() => this.signal('SIGKILL')), letGoAfterTests(() => this.handles().forEach((h) => h.unref()))];
    this.exited = new Promise((resolve) =>
      this.child.once('close', (code, signal) => {
        this.result = { code, signal };
        for (const f of ended) f();
        log.end(() => resolve(this.result));
      }),
    );
  }
  handles() {
    return [this.child, this.child.stdout, this.child.stderr];
  }
  get pid() {
    return this.child.pid;
  }
  log() {
    return readFileSync(this.logPath, 'utf8');
  }
  alive() {
    return this.result === undefined;
  }
  async ready(what, condition, timeoutMs = 60000) {
    await until(`${this.name}: ${what}`, async () => {
      if (!this.alive()) throw Object.assign(new Error(`${this.name} ended: ${this.log().slice(-2000)}`), { fatal: true });
      return condition();
    }, timeoutMs).catch((e) => {
      throw new Error(`${e.message}\n--- log of ${this.name} ---\n${this.log().slice(-3000)}`);
    });
  }
  signal(name) {
    if (this.alive()) this.child.kill(name);
  }
  // Resolves when the program has ended by itself or by a signal already sent.
  async wait() {
    this.handles().forEach((h) => h.ref());
    return this.exited;
  }
  async kill() {
    this.signal('SIGKILL');
    await this.wait();
    this.checkLog();
  }
  // SIGTERM, then a clean exit within the time.
  async stop(timeoutMs = 30000) {
    if (this.alive()) this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), timeoutMs);
    const { code, signal } = await this.wait();
    clearTimeout(timer);
    this.checkLog();
    if (code !== 0) throw new Error(`${this.name} ended with ${code ?? signal}\n${this.log().slice(-3000)}`);
  }
  checkLog() {
    const log = this.log();
    const hit = REPORT.exec(log);
    if (hit) throw new Error(`${this.name} reported:\n${log.slice(Math.max(0, hit.index - 200), hit.index + 5000)}`);
  }
}
