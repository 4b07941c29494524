// Golden cases: tests/golden/<dialect>/<case>/{client_request,upstream_request,upstream_response,client_response}.
// Each file is a start line, header lines, a blank line, and the body. A proxy with <dialect>/weir.yaml gets the client's request; what reaches the
// provider and what comes back must have the same start line, at least the headers that the expectation names (a line "-name" says that
// a header must be absent), and the same body, byte for byte. <id> in an expectation stands for a request id.
// A case without upstream files never reaches the provider.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startStandalone } from '../e2e/harness/planes.mjs';

const here = new URL('.', import.meta.url).pathname;

function parse(bytes) {
  const text = bytes.toString('latin1');
  const end = text.search(/\r?\n\r?\n/);
  const head = text.slice(0, end).split(/\r?\n/);
  const body = text.slice(end).replace(/^\r?\n\r?\n/, '');
  const headers = head.slice(1).filter((l) => !l.startsWith('-')).map((l) => [l.slice(0, l.indexOf(':')).toLowerCase(), l.slice(l.indexOf(':') + 1).trim()]);
  return { start: head[0], headers, absent: head.slice(1).filter((l) => l.startsWith('-')).map((l) => l.slice(1).toLowerCase()), body };
}

const read = (folder, name) => (existsSync(join(folder, name)) ? parse(readFileSync(join(folder, name))) : undefined);
const escape = (s) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

// One message off a socket, whole: by content-length, chunked, or until close.
function readMessage(socket, isResponse) {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const look = (closed) => {
      const text = bytes.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return closed && reject(new Error(`cut: ${text}`));
      const message = parse(Buffer.from(text.slice(0, end + 4), 'latin1'));
      const rest = text.slice(end + 4);
      const header = (n) => message.headers.find(([k]) => k === n)?.[1];
      const done = (body, clean = true) => resolve({ ...message, body, clean });
      if (header('transfer-encoding') === 'chunked') {
        let at = 0, body = '';
        for (;;) {
          const eol = rest.indexOf('\r\n', at);
          const n = eol < 0 ? NaN : parseInt(rest.slice(at, eol), 16);
          if (Number.isNaN(n) || rest.length < eol + 2 + n + 2) return closed && done(body, false);
          if (n === 0) return done(body);
          body += rest.slice(eol + 2, eol + 2 + n);
          at = eol + 2 + n + 2;
        }
      }
      const length = header('content-length') ?? (isResponse ? undefined : '0');
      if (length !== undefined ? rest.length >= Number(length) : closed) done(rest.slice(0, length === undefined ? undefined : Number(length)));
      else if (closed) done(rest, false);
    };
    socket.on('data', (d) => {
      bytes = Buffer.concat([bytes, d]);
      look(false);
    });
    socket.on('close', () => look(true));
    socket.on('error', () => {});
  });
}

function expectMessage(got, want, what) {
  const pattern = (s) => new RegExp(`^${escape(s).replaceAll('<id>', 'req_[0-9a-f]{32}')}$`, 's');
  assert.match(got.start, pattern(want.start), `${what}: start line`);
  for (const [name, value] of want.headers) {
    assert.match(got.headers.find(([k]) => k === name)?.[1] ?? '(absent)', pattern(value), `${what}: header ${name}`);
  }
  for (const name of want.absent) assert.ok(!got.headers.some(([k]) => k === name), `${what}: header ${name} is present`);
  if (want.body.includes('<id>')) assert.match(got.body, pattern(want.body), `${what}: body`);
  else assert.equal(got.body, want.body, `${what}: body`);
}

for (const dialect of readdirSync(here, { withFileTypes: true }).filter((d) => d.isDirectory()).map((d) => d.name)) {
  describe(dialect, () => {
    let proxy, upstream, respond;
    before(async () => {
      upstream = net.createServer((s) => respond(s));
      await new Promise((r) => upstream.listen(0, '127.0.0.1', r));
      proxy = await startStandalone(readFileSync(join(here, dialect, 'weir.yaml'), 'utf8').replaceAll('${UPSTREAM}', `http://127.0.0.1:${upstream.address().port}`), { workers: 1 });
    });
    after(async () => {
      upstream.close();
      await proxy?.end();
    });
    for (const name of readdirSync(join(here, dialect), { withFileTypes: true }).filter((d) => d.isDirectory()).map((d) => d.name)) {
      test(name, async () => {
        const folder = join(here, dialect, name);
        const request = read(folder, 'client_request');
        const upstreamRequest = read(folder, 'upstream_request');
        let reached = 0, seen;
        respond = (socket) => {
          reached++;
          seen = readMessage(socket, false).then((message) => {
            const answer = read(folder, 'upstream_response');
            // one byte-exact answer, in small pieces so that no test depends on how the bytes are split
            const cut = answer.start.endsWith(' CUT');
            const head = `${answer.start.replace(/ CUT$/, '')}\r\n${answer.headers.map(([k, v]) => `${k}: ${v}\r\n`).join('')}${cut ? '' : `content-length: ${answer.body.length}\r\n`}connection: close\r\n\r\n`;
            const all = Buffer.from(head + answer.body, 'latin1');
            let at = 0;
            const next = () => {
              if (at >= all.length) return cut ? socket.destroy() : socket.end();
              socket.write(all.subarray(at, at + 97), () => setImmediate(next));
              at += 97;
            };
            socket.setNoDelay(true);
            next();
            return message;
          });
        };
        const socket = net.connect(Number(new URL(proxy.url).port), '127.0.0.1');
        const answered = readMessage(socket, true);
        socket.write(Buffer.from(`${request.start}\r\nhost: golden\r\n${request.headers.map(([k, v]) => `${k}: ${v}\r\n`).join('')}content-length: ${request.body.length}\r\n\r\n${request.body}`, 'latin1'));
        const got = await answered;
        socket.destroy();
        const want = read(folder, 'client_response');
        expectMessage(got, want, 'client response');
        if (upstreamRequest) expectMessage(await seen, upstreamRequest, 'upstream request');
        else assert.equal(reached, 0, 'the provider was called');
      });
    }
  });
}
