// A standalone proxy's usage events, by the answers that they belong to.
import { readFileSync } from 'node:fs';
import { until } from './process.mjs';

export const events = (proxy) => readFileSync(proxy.eventsFile, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));

// answer: a fetch Response, its Headers, or the id itself
export function eventOf(proxy, answer) {
  const id = typeof answer === 'string' ? answer : (answer.headers ?? answer).get('x-weir-request-id');
  if (!id) throw new Error('the answer has no x-weir-request-id');
  return until(`the event of ${id}`, () => events(proxy).find((e) => e.id.replaceAll('-', '') === id.replace('req_', '')));
}

// { token_in: 16, … } of an event's attempt
export const quantities = (event, attempt = 0) => Object.fromEntries(event.attempts[attempt].quantities.map((q) => [q.unit, q.quantity]));
