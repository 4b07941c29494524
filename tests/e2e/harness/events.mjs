// A standalone proxy's usage events, by the answers that they belong to. The file is read on from where it was read to.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { until } from './process.mjs';

const known = new WeakMap();

function readOn(proxy) {
  let k = known.get(proxy);
  if (!k) known.set(proxy, (k = { at: 0, rest: '', events: new Map() }));
  const file = openSync(proxy.eventsFile);
  try {
    const piece = Buffer.alloc(fstatSync(file).size - k.at);
    k.at += readSync(file, piece, 0, piece.length, k.at);
    const lines = (k.rest + piece.toString('latin1')).split('\n');
    k.rest = lines.pop();
    for (const line of lines) {
      const e = JSON.parse(Buffer.from(line, 'latin1').toString('utf8'));
      k.events.set(e.id.replaceAll('-', ''), e);
    }
  } finally {
    closeSync(file);
  }
  return k.events;
}

// answer: a fetch Response, its Headers, or the id itself
export function eventOf(proxy, answer) {
  const id = typeof answer === 'string' ? answer : (answer.headers ?? answer).get('x-weir-request-id');
  if (!id) throw new Error('the answer has no x-weir-request-id');
  return until(`the event of ${id}`, () => readOn(proxy).get(id.replace('req_', '')));
}

// { token_in: 16, … } of an event's attempt
export const quantities = (event, attempt = 0) => Object.fromEntries(event.attempts[attempt].quantities.map((q) => [q.unit, q.quantity]));
