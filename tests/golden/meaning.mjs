// Holds what a case's two sides got against what its scenario means (scenarios.mjs).
import assert from 'node:assert/strict';
import { ANSWERS, ERRORS, RATE_LIMITED, REQUESTS, SCENARIOS, TARGETS, meant } from './scenarios.mjs';
import { eventsOf, header, jsonOf } from './wire.mjs';

export function partsOf(name) {
  const target = Object.keys(TARGETS).filter((t) => name.startsWith(`to_${t}_`)).sort((a, b) => b.length - a.length).find((t) => SCENARIOS[name.slice(t.length + 4)]);
  return target && { target, scenario: name.slice(target.length + 4) };
}

const listed = (message) => (header(message, 'x-weir-dropped-params') ?? '').split(',').map((s) => s.trim()).filter(Boolean);

function checkRequest(scenario, dialect, json, dropped) {
  const { ask } = SCENARIOS[scenario];
  const got = REQUESTS[dialect](json), want = meant(scenario);
  assert.equal(got.system, want.system, 'the provider gets the system text');
  assert.deepEqual(got.turns, want.turns, 'the provider gets the conversation');
  assert.deepEqual(got.tools.filter((t) => t !== got.schemaTool), want.tools, 'the provider gets the tools');
  assert.ok(got.max >= want.max, `the provider gets max tokens: ${got.max}`);
  if (ask.schema) assert.deepEqual({ type: got.schema?.type?.toLowerCase(), names: Object.keys(got.schema?.properties ?? {}), required: got.schema?.required }, { type: 'object', names: ['degrees'], required: ['degrees'] }, 'the provider gets the schema');
  if (ask.effort) assert.ok(got.effort || dropped.length, 'reasoning is asked for, or named as dropped');
  else assert.deepEqual(dropped, [], 'nothing is named as dropped');
}

// A schema is asked for by a forced tool where the provider has no other way: then its call is the text.
function checkAnswer(scenario, dialect, target, client) {
  const { ask, answer } = SCENARIOS[scenario];
  const events = eventsOf(client);
  if (answer.status) {
    const e = ERRORS[dialect](jsonOf(client), Object.fromEntries(client.headers));
    assert.match(e.message, /no luck \(429\)/);
    assert.equal(e.kind, RATE_LIMITED[dialect]);
    assert.match(client.start, / 429 /);
    assert.equal(header(client, 'retry-after'), '7');
    return;
  }
  const got = ANSWERS[dialect](events ? undefined : jsonOf(client), events);
  if (answer.cut) {
    assert.ok(got.error, 'a cut stream does not look whole');
    assert.equal(client.clean, false, 'nor does its transport');
    return;
  }
  assert.equal(got.error, undefined);
  assert.equal(got.text, answer.text, 'the text');
  assert.deepEqual(got.calls, answer.calls.map((c) => ({ name: c.name, args: c.args })), 'the calls');
  if (answer.refuse) assert.ok(got.finish === 'refused' || ['cohere', 'ollama'].includes(TARGETS[target].dialect), `a refusal is told: ${got.finish}`);
  else assert.equal(got.finish, answer.calls.length ? 'calls' : 'stop');
  if (answer.think) assert.equal(got.think, 'Let me see.', 'the thoughts');
  assert.equal(got.input, 20, 'input tokens');
  assert.ok(got.output === 9 || (answer.refuse && got.output === 0), `output tokens: ${got.output}`);
  void ask;
}

export function checkMeaning(dialect, name, client, upstream) {
  const parts = partsOf(name);
  if (!parts) return;
  checkRequest(parts.scenario, TARGETS[parts.target].dialect, jsonOf(upstream), listed(client));
  checkAnswer(parts.scenario, dialect, parts.target, client);
}
