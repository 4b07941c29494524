// Messages as golden cases hold them, and one exchange of a case with a proxy and a provider, byte for byte.
//
// A message is a start line, header lines, a blank line, and the body. AWS event streams, which are binary, are written as lines: the
// event's type and its payload ("!type" for an exception); a frame is made of each on the wire.
import { existsSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { event, exception, frames } from '../e2e/harness/aws_event.mjs';

export function parse(bytes) {
  const text = bytes.toString('latin1');
  const end = text.search(/\r?\n\r?\n/);
  const head = text.slice(0, end).split(/\r?\n/);
  const body = text.slice(end).replace(/^\r?\n\r?\n/, '');
  const headers = head.slice(1).filter((l) => !l.startsWith('-')).map((l) => [l.slice(0, l.indexOf(':')).toLowerCase(), l.slice(l.indexOf(':') + 1).trim()]);
  return { start: head[0], headers, absent: head.slice(1).filter((l) => l.startsWith('-')).map((l) => l.slice(1).toLowerCase()), body };
}

export const read = (folder, name) => (existsSync(join(folder, name)) ? parse(readFileSync(join(folder, name))) : undefined);
export const escape = (s) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

// One message off a socket, whole: by content-length, chunked, or until close.
export function readMessage(socket, isResponse) {
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

export const AWS = 'application/vnd.amazon.eventstream';
export const header = (message, name) => message.headers.find(([k]) => k === name)?.[1];
const utf8 = (latin1) => Buffer.from(latin1, 'latin1').toString('utf8');

// What goes over the wire for a message that a case holds, and the reverse.
export function wireBody(message) {
  if (header(message, 'content-type') !== AWS) return Buffer.from(message.body, 'latin1');
  return Buffer.concat(utf8(message.body).split('\n').filter(Boolean).map((line) => {
    const [, type, payload] = /^(\S+) (.*)$/s.exec(line);
    return type.startsWith('!') ? exception(type.slice(1), payload) : event(type, payload);
  }));
}
export function caseBody(message) {
  if (header(message, 'content-type') !== AWS) return message.body;
  return frames(Buffer.from(message.body, 'latin1')).map((f) => Buffer.from(`${f.exception ? '!' : ''}${f.type} ${f.payload}\n`).toString('latin1')).join('');
}

// A body's events: [{ event, exception, data }], data parsed where it is JSON; undefined for a body that is no stream.
export function eventsOf(message) {
  const type = header(message, 'content-type') ?? '';
  const text = utf8(message.body);
  const parsed = (s) => {
    try {
      return JSON.parse(s);
    } catch {
      return s;
    }
  };
  if (type === AWS) {
    return text.split('\n').filter(Boolean).map((line) => {
      const [, name, payload] = /^(\S+) (.*)$/s.exec(line);
      return { event: name.replace('!', ''), exception: name.startsWith('!'), data: parsed(payload) };
    });
  }
  if (type.startsWith('application/x-ndjson')) return text.split('\n').filter(Boolean).map((line) => ({ data: parsed(line) }));
  if (!type.startsWith('text/event-stream')) return undefined;
  return text.split(/\r?\n\r?\n/).filter((e) => e.trim() && !e.startsWith(':')).map((e) => {
    const lines = e.split(/\r?\n/);
    return { event: lines.find((l) => l.startsWith('event:'))?.slice(6).trim(), data: parsed(lines.filter((l) => l.startsWith('data:')).map((l) => l.slice(5).replace(/^ /, '')).join('\n')) };
  });
}
export const jsonOf = (message) => JSON.parse(utf8(message.body));

// Sends the client's request to the proxy; `answer` is what the provider says, in pieces of 97 bytes so that no case depends on how bytes
// are split. Resolves to what each side got.
export async function exchange(proxyUrl, upstream, request, answer) {
  const result = { reached: 0 };
  let seen;
  upstream.respond = (socket) => {
    result.reached++;
    seen = readMessage(socket, false).then((message) => {
      const said = typeof answer === 'function' ? answer(message) : answer;
      const body = wireBody(said);
      const cut = said.start.endsWith(' CUT');
      const head = `${said.start.replace(/ CUT$/, '')}\r\n${said.headers.map(([k, v]) => `${k}: ${v}\r\n`).join('')}${cut ? '' : `content-length: ${body.length}\r\n`}connection: close\r\n\r\n`;
      const all = Buffer.concat([Buffer.from(head, 'latin1'), body]);
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
  const socket = net.connect(Number(new URL(proxyUrl).port), '127.0.0.1');
  const answered = readMessage(socket, true);
  socket.write(Buffer.from(`${request.start}\r\nhost: golden\r\n${request.headers.map(([k, v]) => `${k}: ${v}\r\n`).join('')}content-length: ${request.body.length}\r\n\r\n${request.body}`, 'latin1'));
  const got = await answered;
  socket.destroy();
  result.client = { ...got, body: caseBody(got) };
  result.upstream = result.reached ? await seen : undefined;
  return result;
}

export async function listen() {
  const upstream = net.createServer((s) => upstream.respond(s));
  await new Promise((r) => upstream.listen(0, '127.0.0.1', r));
  upstream.url = `http://127.0.0.1:${upstream.address().port}`;
  return upstream;
}
