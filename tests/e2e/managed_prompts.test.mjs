// Stored prompts that a control plane holds, as their callers see them at two data planes: versions, labels and publishing, partials, their own
// model and config, and the version on what is accounted. Callers are Portkey's SDK and plain requests.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import OpenAI from 'openai';
import { Portkey } from 'portkey-ai';
import { fakeProvider } from './harness/fake_provider.mjs';
import { checkAnswers } from './harness/openapi.mjs';
import { bootstrap, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, root, temporaryFolder, until } from './harness/process.mjs';

let admin, control, database, faults, folder, key, main, provider, proxies;
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;
const user = (content) => ({ role: 'user', content });
const says = (text, more = {}) => ({ model: 'fast', messages: [user(text)], ...more });

before(async () => {
  folder = temporaryFolder('home');
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  faults = checkAnswers(control);
  proxies = [await startProxy(control, { name: 'proxy-1', workers: 1 }), await startProxy(control, { name: 'proxy-2', workers: 1 })];
  provider = await fakeProvider();
  main = (await control.must('GET', '/workspaces')).data[0];
  await control.must('POST', '/providers', { name: 'up', kind: 'openai', base_url: `${provider.url}/v1`, api_key: 'sk-up' });
  for (const name of ['fast', 'strong']) await control.must('POST', '/models', { name, targets: [{ provider: 'up', model: `gpt-${name}` }] });
  key = await control.must('POST', '/keys', { name: 'caller', workspace_id: main.id });
});
after(async () => {
  await provider?.close();
  for (const p of proxies ?? []) await p.end();
  await control?.end();
  await database?.drop();
  folder?.remove();
});
beforeEach(() => (provider.calls.length = 0));

// Every data plane serves what has been changed until now.
async function settled() {
  const [{ version }] = await database.query('select version from config_version');
  await until('the data planes serve it', async () =>
    (await control.must('GET', '/data-planes')).data.filter((p) => proxies.some((x) => x.planeName === p.name) && Number(p.config_version) >= Number(version)).length === proxies.length);
}
const makePrompt = (document, more = {}) => control.must('POST', '/prompts', { name: fresh('prompt'), document, ...more });
const next = (prompt, document, more = {}) => control.must('POST', `/prompts/${prompt.id}/versions`, { document, ...more });
const publish = (prompt, version) => control.must('POST', `/prompts/${prompt.id}/publish`, { version });
const portkey = (proxy, k = key) => new Portkey({ apiKey: k.secret, baseURL: `${proxy.url}/v1` });
async function post(proxy, path, body = {}, { as = key, headers = {} } = {}) {
  const r = await fetch(`${proxy.url}/v1/prompts/${path}`, { method: 'POST', headers: { authorization: `Bearer ${as.secret}`, 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
  const text = await r.text();
  return { status: r.status, text, json: JSON.parse(text), version: r.headers.get('x-weir-prompt-version'), id: r.headers.get('x-weir-request-id').replace(/^req_/, 'evt_'), headers: r.headers };
}
const rendered = async (proxy, reference, variables, options) => {
  const r = await post(proxy, `${reference}/render`, { variables }, options);
  return r.status === 200 ? r.json.data.messages.at(-1).content : r.json.error.code;
};
async function everywhere(fn) {
  for (const p of proxies) await fn(p);
}
const event = (id) => until(`the event ${id}`, async () => {
  const r = await control.call('GET', `/events/${id}`);
  return r.status === 200 && r.json;
});
async function weir(args, input = '') {
  const r = await new Promise((resolve, reject) => {
    const child = spawn(join(build, 'weir'), args, { cwd: root, env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: folder.folder, WEIR_URL: control.url, WEIR_TOKEN: admin.admin_token } });
    let out = '', err = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (err += d));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => (/Sanitizer|runtime error:/.test(err) ? reject(new Error(err)) : resolve({ code, out, err })));
  });
  assert.equal(r.code, 0, `weir ${args.join(' ')}: ${r.err}${r.out}`);
  return r.out;
}

test("Portkey's SDK reaches a prompt by id, name, version, latest and label, at each data plane", async () => {
  const prompt = await makePrompt(says('one {{x}}'), { labels: ['production'] });
  await next(prompt, says('two {{x}}'), { labels: ['staging', 'my-own_1'] });
  await next(prompt, says('three {{x}}'));
  await settled();
  const cases = { '': 'one', '@1': 'one', '@2': 'two', '@3': 'three', '@latest': 'three', '@production': 'one', '@staging': 'two', '@my-own_1': 'two' };
  const variables = { x: 'of "us"' };
  await everywhere(async (p) => {
    for (const [reference, text] of Object.entries(cases)) {
      for (const promptID of [prompt.id + reference, prompt.name + reference]) {
        const { data } = await portkey(p).prompts.render({ promptID, variables });
        assert.deepEqual(data.messages, [user(`${text} of "us"`)], promptID);
        const answer = await portkey(p).prompts.completions.create({ promptID, variables });
        assert.equal(answer.choices[0].message.content, 'Hello from fake');
        assert.deepEqual([provider.calls.at(-1).json.messages, provider.calls.at(-1).json.model], [[user(`${text} of "us"`)], 'gpt-fast'], promptID);
      }
    }
    for (const wrong of ['@4', '@nobody', '@0']) assert.equal(await rendered(p, prompt.name + wrong, variables), 'prompt_not_found', wrong);
    let streamed = '';
    for await (const c of await portkey(p).prompts.completions.create({ promptID: prompt.id, variables, stream: true })) streamed += c.choices?.[0]?.delta?.content ?? '';
    assert.equal(streamed, 'Hello from fake');
  });
});

test('publishing, rolling back and moving labels reach both data planes within a second', async () => {
  const prompt = await makePrompt(says('one'), { labels: ['production'] });
  await settled();
  const goes = async (reference, text) => {
    const began = Date.now();
    await Promise.all(proxies.map((p) => until(`${reference} says ${text}`, async () => (await rendered(p, reference)) === text, 1000)));
    assert.ok(Date.now() - began < 1000);
  };
  await goes(prompt.name, 'one');
  await next(prompt, says('two'));
  await goes(`${prompt.name}@latest`, 'two');
  await everywhere(async (p) => assert.equal(await rendered(p, prompt.name), 'one', 'what is not published is not used by the bare name'));
  await publish(prompt, 2);
  await goes(prompt.name, 'two');
  await everywhere(async (p) => assert.equal(await rendered(p, `${prompt.id}@production`), 'one'));
  await control.must('PUT', `/prompts/${prompt.id}/labels/production`, { version: 2 });
  await goes(`${prompt.id}@production`, 'two');
  await publish(prompt, 1);
  await goes(prompt.id, 'one');
  assert.equal((await control.call('DELETE', `/prompts/${prompt.id}/labels/production`)).status, 204);
  await goes(`${prompt.id}@production`, 'prompt_not_found');
  const renamed = fresh('renamed');
  await control.must('PATCH', `/prompts/${prompt.id}`, { name: renamed }, { 'if-match': '*' });
  await goes(renamed, 'one');
  assert.equal((await control.call('DELETE', `/prompts/${prompt.id}`)).status, 204);
  await goes(prompt.id, 'prompt_not_found');
});

test('a draft is nobody\'s until it is published', async () => {
  const prompt = await makePrompt(says('draft'), { publish: false });
  await settled();
  const r = await post(proxies[0], `${prompt.name}/completions`);
  assert.deepEqual([r.status, r.json.error.code, r.json.error.param], [404, 'prompt_not_found', 'prompt']);
  assert.match(r.json.error.message, /published/);
  assert.equal(await rendered(proxies[0], `${prompt.name}@1`), 'draft');
});

test('partials are put in, by label too, and a new version of one shows in what holds it', async () => {
  const inner = await makePrompt({ text: 'in {{language}}' }, { partial: true, labels: ['production'] });
  const outer = await makePrompt('Answer {{>' + inner.name + '}}.', { partial: true });
  const prompt = await makePrompt(says(`{{q}} {{>${outer.name}}} {{>${inner.name}@production}} {{>*which}}`));
  await settled();
  const variables = { q: 'Why?', language: 'French', which: inner.name };
  await everywhere(async (p) => assert.equal(await rendered(p, prompt.name, variables), 'Why? Answer in French. in French in French'));
  await next(inner, { text: 'auf {{language}}' }, { publish: true });
  await everywhere((p) => until('the partial has changed', async () => (await rendered(p, prompt.name, variables)) === 'Why? Answer auf French. in French auf French', 1000));
  await everywhere(async (p) => assert.equal(await rendered(p, outer.name, variables), 'prompt_not_found', 'a partial is no prompt'));
  await control.call('DELETE', `/prompts/${inner.id}`);
  await settled();
  const r = await post(proxies[0], `${prompt.name}/render`, { variables });
  assert.deepEqual([r.status, r.json.error.code, r.json.error.param], [400, 'invalid_field', `partials.${inner.name}`]);
});

test("a prompt's model and config hold where the request and its key say nothing", async () => {
  const config = await control.must('POST', '/configs', { name: fresh('config'), document: { provider: '@up', override_params: { model: 'of-prompt', temperature: 0 } }, labels: ['production'] });
  const other = await control.must('POST', '/configs', { name: fresh('config'), document: { provider: '@up', override_params: { model: 'of-other' } } });
  const plain = await makePrompt(says('x', { parameters: { temperature: 0.5, max_tokens: 9 } }));
  const prompt = await makePrompt(says('x', { config: `${config.name}@production` }));
  const [bound, locked] = [await control.must('POST', '/keys', { name: fresh('key'), config: other.name }), await control.must('POST', '/keys', { name: fresh('key'), config: other.name, config_locked: true })];
  const missing = await makePrompt(says('x', { config: 'nobody' }));
  await settled();
  await everywhere(async (p) => {
    const asked = async (reference, body, options) => {
      const r = await post(p, `${reference}/completions`, body, options);
      assert.equal(r.status, 200, r.text);
      return provider.calls.at(-1).json;
    };
    const sent = await asked(plain.name, {});
    assert.deepEqual([sent.model, sent.temperature, sent.max_tokens], ['gpt-fast', 0.5, 9]);
    assert.deepEqual([(await asked(plain.name, { model: 'strong', temperature: 1 })).model, provider.calls.at(-1).json.temperature], ['gpt-strong', 1]);
    assert.deepEqual([(await asked(prompt.id, {})).model, provider.calls.at(-1).json.temperature], ['of-prompt', 0]);
    assert.equal((await asked(prompt.id, {}, { headers: { 'x-weir-config': other.id } })).model, 'of-other', "the header's goes before");
    assert.equal((await asked(prompt.id, {}, { as: bound })).model, 'of-other', "and the key's");
    assert.equal((await asked(prompt.id, {}, { as: locked })).model, 'of-other');
    const explained = await control.must('POST', '/explain', { key: key.id, path: `/v1/prompts/${prompt.name}/completions`, body: {} });
    assert.deepEqual([explained.config.source, explained.config.name, explained.prompt.id], ['prompt', config.name, prompt.id]);
  });
  const r = await post(proxies[0], `${missing.name}/completions`);
  assert.deepEqual([r.status, r.json.error.code, r.json.error.param], [400, 'config_not_found', 'config'], 'it is never passed over');
});

test('the version stands on the answer, the event and the sums', async () => {
  const prompt = await makePrompt(says('one'));
  await next(prompt, says('two'), { publish: true });
  await settled();
  const first = await post(proxies[0], `${prompt.name}@1/completions`), second = await post(proxies[1], `${prompt.id}/completions`), shown = await post(proxies[1], `${prompt.id}/render`);
  assert.deepEqual([first.version, second.version, shown.version], ['1', '2', '2']);
  const [a, b, c] = [await event(first.id), await event(second.id), await event(shown.id)];
  assert.deepEqual([a, b, c].map((e) => [e.prompt_id, e.prompt_version, e.endpoint, e.model, e.outcome, e.attempts.length]), [
    [prompt.id, 1, 'prompts.completions', 'fast', 'ok', 1], [prompt.id, 2, 'prompts.completions', 'fast', 'ok', 1], [prompt.id, 2, 'prompts.render', 'fast', 'ok', 0]]);
  assert.equal(c.cost_nanousd, 0);
  assert.deepEqual((await control.must('GET', `/events?prompt_id=${prompt.id}`)).data.map((e) => e.id).sort(), [a.id, b.id, c.id].sort());
  const sums = await control.must('GET', `/usage/summary?group_by=prompt_id&prompt_id=${prompt.id}`);
  assert.deepEqual([sums.total.requests, sums.groups.map((g) => [g.group, g.requests])], [3, [[prompt.id, 3]]]);
  assert.equal((await control.call('GET', '/events?prompt_id=x')).json.error.param, 'prompt_id');
  const none = await fetch(`${proxies[0].url}/v1/chat/completions`, { method: 'POST', headers: { authorization: `Bearer ${key.secret}`, 'content-type': 'application/json' }, body: JSON.stringify(says('plain')) });
  await none.text();
  const e = await event(none.headers.get('x-weir-request-id').replace(/^req_/, 'evt_'));
  assert.deepEqual([e.prompt_id, e.prompt_version, none.headers.get('x-weir-prompt-version')], [null, 0, null]);
});

test('an expanded prompt is cached as what it expands to, and a new version is another request', async () => {
  const prompt = await makePrompt(says('cached {{x}}'));
  await settled();
  const cache = { headers: { 'x-weir-cache': 'on' } };
  const status = async (variables) => (await post(proxies[0], `${prompt.name}/completions`, { variables }, cache)).headers.get('x-weir-cache');
  assert.deepEqual([await status({ x: 'a' }), await status({ x: 'a' }), await status({ x: 'b' })], ['miss', 'hit', 'miss']);
  await next(prompt, says('cached anew {{x}}'), { publish: true });
  await settled();
  assert.deepEqual([await status({ x: 'a' }), await status({ x: 'a' })], ['miss', 'hit']);
});

test("a workspace's own prompt shadows its organization's; another workspace's and another tenant's are not there", async () => {
  const name = fresh('shadowed');
  const beside = await control.must('POST', '/workspaces', { name: fresh('beside') });
  await control.must('POST', '/prompts', { name, document: says("organization's") });
  const own = await control.must('POST', '/prompts', { name, document: says("main's"), workspace_id: main.id });
  const there = await control.must('POST', '/keys', { name: fresh('key'), workspace_id: beside.id });
  const other = await control.must('POST', '/organizations', { name: fresh('tenant') });
  const at = { 'x-weir-organization': other.id };
  await control.must('POST', '/workspaces', { name: 'w' }, at);
  const foreign = await control.must('POST', '/keys', { name: 'k' }, at);
  await settled();
  await everywhere(async (p) => {
    assert.equal(await rendered(p, name), "main's");
    assert.equal(await rendered(p, name, {}, { as: there }), "organization's");
    assert.equal(await rendered(p, own.id, {}, { as: there }), 'prompt_not_found');
    for (const reference of [name, own.id]) assert.equal(await rendered(p, reference, {}, { as: foreign }), 'prompt_not_found');
  });
  await control.must('POST', `/keys/${foreign.id}/revoke`, undefined, at);
  await control.must('DELETE', `/organizations/${other.id}`, undefined, { 'if-match': '*' });
});

test('data planes keep prompts through a restart without a control plane', async () => {
  const part = await makePrompt({ text: 'kept' }, { partial: true });
  const prompt = await makePrompt(says(`{{x}} {{>${part.name}}}`), { labels: ['production'] });
  await next(prompt, says('second'));
  await settled();
  await control.stop();
  try {
    await everywhere(async (p) => {
      await p.stop();
      await p.start();
      assert.equal(await rendered(p, `${prompt.name}@production`, { x: 'well' }), 'well kept');
      assert.equal(await rendered(p, `${prompt.id}@latest`), 'second');
    });
  } finally {
    await control.start();
  }
  await settled();
});

test('what a rendered prompt says is a request for any client', async () => {
  const prompt = await makePrompt(says('Use {{tool}}', { tools: [{ type: 'function', function: { name: 'look', description: 'Looks into {{tool}}', parameters: { type: 'object', properties: {} } } }], response_format: { type: 'json_object' } }));
  await settled();
  const { data } = await portkey(proxies[1]).prompts.render({ promptID: prompt.id, variables: { tool: 'this' } });
  const client = new OpenAI({ baseURL: `${proxies[0].url}/v1`, apiKey: key.secret });
  await client.chat.completions.create(data);
  const sent = provider.calls.at(-1).json;
  assert.deepEqual([sent.messages, sent.tools[0].function.description, sent.response_format], [[user('Use this')], 'Looks into this', { type: 'json_object' }]);
});

test('validate tells the variables, and what is wrong', async () => {
  const yes = await control.must('POST', '/prompts/validate', { document: says('{{a}} {{#b}}{{c}}{{/b}} {{>nothing}}', { variables: { d: { default: 1 } } }) });
  assert.deepEqual([yes.valid, yes.error], [true, null]);
  for (const name of ['a', 'b', 'd']) assert.ok(JSON.stringify(yes.variables).includes(`"${name}"`), JSON.stringify(yes));
  const no = await control.must('POST', '/prompts/validate', { document: says('{{#a}}') });
  assert.deepEqual([no.valid, no.error.param], [false, 'messages[0].content']);
  assert.equal((await control.must('POST', '/prompts/validate', { document: { text: '{{x}}' }, partial: true })).valid, true);
});

test('the command line makes, publishes, labels and rolls back what data planes expand', async () => {
  const name = fresh('by-hand');
  const goes = (reference, text) => everywhere((p) => until(`${reference} says ${text}`, async () => (await rendered(p, reference)) === text));
  await weir(['prompt', 'create', `${name}-part`, '-f', '-', '--partial'], '{"text": "part"}');
  await weir(['prompt', 'create', name, '-f', '-', '--label', 'production'], `model: fast\nmessages:\n  - {role: user, content: "one {{>${name}-part}}"}\n`);
  await goes(name, 'one part');
  await weir(['prompt', 'publish', name, '-f', '-'], JSON.stringify(says('two')));
  await goes(name, 'two');
  await goes(`${name}@production`, 'one part');
  await weir(['prompt', 'label', `${name}@2`, 'production']);
  await goes(`${name}@production`, 'two');
  await weir(['prompt', 'publish', `${name}@1`]);
  await goes(name, 'one part');
  assert.match(await weir(['prompt', 'list']), new RegExp(`${name} +1 +2`));
  assert.match(await weir(['explain', '--key', 'caller', '--model', 'fast', '--path', `/v1/prompts/${name}/completions`]), /prompts\.completions/);
});

test('every answer of the admin API was as docs/openapi.json has it', () => {
  assert.deepEqual(faults, []);
});
