// Several providers of any dialect behind one standalone proxy: what the tests of routing configs start, ask and look into.
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { eventOf } from './events.mjs';
import { fakeProvider } from './fake_provider.mjs';
import { startStandalone } from './planes.mjs';

export const KEY = 'wk-fleet-key';
export const up = (name) => `sk-up-${name}-secret`;

// spec: name → kind ("openai"), or { kind, …settings } whose `keys` are api_keys. extra: further YAML. Every target answers well until told
// otherwise (set its `handler`).
export async function startFleet(spec, { extra = '', keys = '', args = [], workers = 1, models = '' } = {}) {
  const fleet = { at: {}, names: Object.keys(spec) };
  const lines = [];
  for (const [name, given] of Object.entries(spec)) {
    const { kind, path, keys: several, ...settings } = typeof given === 'string' ? { kind: given } : given;
    const p = (fleet.at[name] = await fakeProvider());
    const base = path ?? (kind === 'openai' ? '/v1' : '');
    const credential = several ? { api_keys: several } : kind === 'bedrock' ? {} : { api_key: up(name) };
    lines.push(`  - ${JSON.stringify({ name, kind, base_url: `${p.url}${base}`, ...credential, ...settings })}`);
  }
  const yaml = `version: 1
providers:
${lines.join('\n')}
models:
${models || `  - {name: plain, targets: [{provider: ${fleet.names[0]}, model: m-plain}]}`}
keys:
  - {name: dev, secret: "${KEY}"}
${keys}
${extra}
`.replace(/URL_OF_([A-Z]+)/g, (all, name) => fleet.at[name.toLowerCase()].url);
  fleet.yaml = yaml;
  try {
    fleet.proxy = await startStandalone(yaml, { workers, args });
  } catch (e) {
    await Promise.all(Object.values(fleet.at).map((p) => p.close()));
    throw e;
  }
  fleet.reset = () => {
    generation++;
    for (const p of Object.values(fleet.at)) {
      p.handler = () => false;
      p.calls.length = p.gone = 0;
      p.test = generation;
    }
  };
  fleet.calls = () => Object.fromEntries(fleet.names.map((n) => [n, fleet.at[n].calls.length]).filter(([, c]) => c));
  fleet.log = () => readFileSync(fleet.proxy.program.logPath, 'utf8');
  fleet.event = (answer) => eventOf(fleet.proxy, answer);
  fleet.post = (path, body, { config, headers = {}, key = KEY, signal } = {}) =>
    fetch(`${fleet.proxy.url}${path}`, {
      method: 'POST', signal,
      headers: {
        'content-type': 'application/json', authorization: `Bearer ${key}`,
        ...(config ? { 'x-weir-config': typeof config === 'string' ? config : JSON.stringify(config) } : {}), ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  // One chat, read to its end: { status, json, text, clean, by (provider that answered), headers, event() }
  fleet.chat = async (config, body = {}, options = {}) =>
    fleet.read(await fleet.post('/v1/chat/completions', { model: 'any', messages: [{ role: 'user', content: 'Hi' }], ...body }, { config, ...options }));
  fleet.read = async (r, onPiece) => {
    let text = '', clean = true;
    const pieces = [];
    try {
      for await (const d of r.body) {
        pieces.push(Buffer.from(d));
        onPiece?.(Buffer.concat(pieces));
      }
    } catch {
      clean = false;
    }
    const raw = Buffer.concat(pieces);
    text = raw.toString('utf8');
    let json;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: r.status, headers: r.headers, text, raw, json, clean, by: r.headers.get('x-weir-provider'), id: r.headers.get('x-weir-request-id'), event: () => fleet.event(r) };
  };
  fleet.end = async () => {
    let log = '';
    try {
      log = fleet.proxy?.program ? fleet.log() : '';
      await fleet.proxy?.end();
    } finally {
      await Promise.all(Object.values(fleet.at).map((p) => p.close()));
    }
    for (const name of fleet.names) assert.ok(!log.includes(up(name)), `the log holds the key of ${name}`);
  };
  return fleet;
}

// A leaf on a provider of the fleet. What a proxy learns of a target it keeps, so each test has models of its own.
let generation = 0;
export const M = (name) => `m-${name}.${generation}`;
export const T = (name, more = {}) => ({ provider: `@${name}`, model: M(name), name, ...more });

// ---- behaviours ----

export const fails = (status, { headers = {}, message = `no luck (${status})`, body } = {}) => (call, res) => {
  res.writeHead(status, { 'content-type': 'application/json', ...headers });
  res.end(body ?? JSON.stringify({ error: { message, type: 'server_error', code: null, param: null } }));
};
// `gone` counts those that were given up.
export const hangs = () => (call, res, p) => {
  const test = p.test; // what an earlier test left may end late
  res.once('close', () => (p.gone += test === p.test));
  return true;
};
export const after = (ms, then) => async (call, res, p) => {
  await new Promise((r) => setTimeout(r, ms));
  return res.destroyed ? true : then ? then(call, res, p) : false;
};
// The nth call by the nth of the list, the last for all further ones.
export const inTurn = (...list) => {
  let n = 0;
  return (call, res, p) => list[Math.min(n++, list.length - 1)](call, res, p);
};
export const well = () => false;
export const breaks = () => (call, res) => void res.destroy();

// A stream by pieces, which ends properly, is cut (destroyed) or hangs after the last.
// A piece may be a function: it is waited for.
export const streams = (pieces, { type = 'text/event-stream', end = 'end', headers = {} } = {}) => async (call, res) => {
  res.writeHead(200, { 'content-type': type, ...headers });
  res.flushHeaders();
  for (const p of pieces) {
    if (res.destroyed) return;
    if (typeof p === 'function') {
      await p();
      continue;
    }
    await new Promise((r) => res.write(p, () => r()));
    await new Promise((r) => setImmediate(r));
  }
  if (end === 'end') res.end();
  if (end === 'cut') setImmediate(() => res.destroy());
};
