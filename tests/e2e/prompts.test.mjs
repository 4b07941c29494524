// Stored prompts, as their callers see them: Portkey's SDK and plain requests, through a proxy on a file.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { Portkey } from 'portkey-ai';
import { eventOf } from './harness/events.mjs';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';

const KEY = 'a-key-for-prompts';
let proxy, provider;

before(async () => {
  provider = await fakeProvider();
  proxy = await startStandalone(`
version: 1
providers: [{name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: sk-x}]
models:
  - {name: fast, targets: [{provider: openai, model: gpt-4o-mini}]}
  - {name: strong, targets: [{provider: openai, model: gpt-4o}]}
keys: [{name: dev, secret: ${KEY}}]
prompts:
  - name: house-rules
    partial: true
    document: {text: "Answer in {{language}}{{^language}}English{{/language}}."}
  - name: support
    labels: [production]
    document:
      model: fast
      parameters: {temperature: 0.2, max_tokens: 100}
      variables:
        product: {required: true}
        tone: {default: kind}
      messages:
        - {role: system, content: "You are a {{tone}} helper for {{product}}. {{>house-rules}}"}
        - "{{history}}"
        - role: user
          content: "{{question}}{{#tags}} #{{.}}{{/tags}}"
  - name: as-text
    document:
      model: strong
      messages: '[{{#rules}}{"role":"system","content":"{{.}}"},{{/rules}}{{history}},{"role":"user","content":"{{q}}"}]'
`);
});

after(async () => {
  await proxy?.end();
  await provider?.close();
});

const post = (path, body) => fetch(`${proxy.url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
const portkey = () => new Portkey({ apiKey: KEY, baseURL: `${proxy.url}/v1` });
const sent = () => JSON.parse(provider.calls.at(-1).body);
const variables = { product: 'Weir "2"', question: 'Why?', tags: ['a', 'b'], history: [{ role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello' }] };
const expanded = [
  { role: 'system', content: 'You are a kind helper for Weir "2". Answer in English.' },
  { role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello' },
  { role: 'user', content: 'Why? #a #b' },
];

test("Portkey's SDK completes a stored prompt, and what it says besides the variables overrides", async () => {
  const answer = await portkey().prompts.completions.create({ promptID: 'support@production', variables, max_tokens: 7 });
  assert.equal(answer.choices[0].message.content, 'Hello from fake');
  const { messages, ...rest } = sent();
  assert.deepEqual(messages, expanded);
  assert.equal(rest.model, 'gpt-4o-mini');
  assert.equal(rest.temperature, 0.2);
  assert.equal(rest.max_tokens, 7);
  for (const ours of ['variables', 'promptID', 'prompt_id']) assert.ok(!(ours in rest), ours);
});

test("Portkey's SDK streams one", async () => {
  let text = '';
  for await (const c of await portkey().prompts.completions.create({ promptID: 'support', variables, stream: true })) text += c.choices?.[0]?.delta?.content ?? '';
  assert.equal(text, 'Hello from fake');
});

test("Portkey's SDK renders one without a call, and the result is a request for any client", async () => {
  const calls = provider.calls.length;
  const { success, data } = await portkey().prompts.render({ promptID: 'support', variables: { ...variables, language: 'French' }, temperature: 1 });
  assert.equal(success, true);
  assert.equal(data.messages[0].content, 'You are a kind helper for Weir "2". Answer in French.');
  assert.equal(data.temperature, 1);
  assert.equal(provider.calls.length, calls);
  const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY });
  await client.chat.completions.create(data);
  assert.deepEqual(sent().messages, data.messages);
});

test('the version is told, and stands on the event', async () => {
  const answer = await post('/v1/prompts/support@1/completions', { variables });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('x-weir-prompt-version'), '1');
  await answer.text();
  const event = await eventOf(proxy, answer);
  assert.equal(event.endpoint, 'prompts.completions');
  assert.equal(event.model, 'fast');
  assert.equal(event.prompt_version, 1);
  assert.match(event.prompt_id, /^prm_[0-9a-f]{32}$|^[0-9a-f-]{36}$/);
  const rendered = await post('/v1/prompts/support/render', { variables });
  await rendered.text();
  const second = await eventOf(proxy, rendered);
  assert.equal(second.endpoint, 'prompts.render');
  assert.equal(second.outcome, 'ok');
  assert.deepEqual(second.attempts ?? [], []);
});

test('a template of the whole list is read when it is rendered', async () => {
  const render = async (values) => (await (await post('/v1/prompts/as-text/render', { variables: values })).json()).data.messages;
  assert.deepEqual(await render({ rules: ['Be "brief"', 'Be\nkind'], history: variables.history, q: '{"x":1}' }), [
    { role: 'system', content: 'Be "brief"' }, { role: 'system', content: 'Be\nkind' }, ...variables.history, { role: 'user', content: '{"x":1}' },
  ]);
});

test('what is missing or wrong is named', async () => {
  const refused = async (path, body) => {
    const answer = await post(path, body);
    const { error } = await answer.json();
    return [answer.status, error.code, error.param];
  };
  assert.deepEqual(await refused('/v1/prompts/nobody/completions', {}), [404, 'prompt_not_found', 'prompt']);
  assert.deepEqual(await refused('/v1/prompts/support@staging/completions', { variables }), [404, 'prompt_not_found', 'prompt']);
  assert.deepEqual(await refused('/v1/prompts/support@2/render', { variables }), [404, 'prompt_not_found', 'prompt']);
  assert.deepEqual(await refused('/v1/prompts/house-rules/completions', {}), [404, 'prompt_not_found', 'prompt']);
  assert.deepEqual(await refused('/v1/prompts/support/completions', { variables: {} }), [400, 'invalid_field', 'variables.product']);
  assert.deepEqual(await refused('/v1/prompts/support/completions', { variables: { ...variables, history: 'x' } }), [400, 'invalid_field', 'messages[1]']);
  assert.deepEqual(await refused('/v1/prompts/support/completions', { variables, model: 'none' }), [404, 'model_not_found', 'model']);
});
