// Routing configs that a control plane holds, as two data planes follow them: by every reference, from within a second of a change and through
// restarts without it; their secrets; what the planes tell of targets and caches; what hits save; and who may do what.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { completion, fakeProvider } from './harness/fake_provider.mjs';
import { checkAnswers } from './harness/openapi.mjs';
import { bootstrap, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, root, temporaryFolder, until } from './harness/process.mjs';

const PASSWORD = 'correct horse battery staple';
const USAGE = { prompt_tokens: 1000, completion_tokens: 200, total_tokens: 1200 };
const COST = 1000 * 3 + 200 * 7; // nano-USD, by the prices below
const messages = [{ role: 'user', content: 'Hi' }];
const any = { 'if-match': '*' };
let acme, admin, control, database, faults, folder, main, provider, proxies;
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;
const T = (model, more = {}) => ({ provider: '@up', override_params: { model }, ...more });
const S = (mode, targets, more = {}) => ({ strategy: { mode, ...more }, targets });
const inline = (config) => ({ 'x-weir-config': typeof config === 'string' ? config : JSON.stringify(config) });

before(async () => {
  folder = temporaryFolder('home');
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  faults = checkAnswers(control);
  proxies = [await startProxy(control, { name: 'proxy-1' }), await startProxy(control, { name: 'proxy-2' })];
  provider = await fakeProvider();
  acme = (await control.must('GET', '/organizations')).data[0];
  main = (await control.must('GET', '/workspaces')).data[0];
  await control.must('POST', '/providers', { name: 'up', kind: 'openai', base_url: `${provider.url}/v1`, api_key: 'sk-of-up' });
  await control.must('POST', '/catalogue-overrides', { provider: 'openai', model: 'priced', entry: { price: { token_in: 3000, token_out: 7000 } } });
});

after(async () => {
  await provider?.close();
  for (const p of proxies ?? []) await p.end();
  await control?.end();
  await database?.drop();
  folder?.remove();
});

const good = (call, res) => {
  if (call.json?.stream) return false;
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify(completion(call.json?.model ?? 'none', 'Hello', USAGE)));
  return true;
};
const fails = (status, when = () => true) => (call, res) => {
  if (!when(call)) return good(call, res);
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end('{"error": {"message": "not now"}}');
  return true;
};
beforeEach(() => {
  provider.handler = good;
  provider.calls.length = 0;
});

// Every data plane serves what has been changed until now.
async function settled(within = 15000) {
  const [{ version }] = await database.query('select version from config_version');
  await until('the data planes serve it', async () =>
    (await control.must('GET', '/data-planes')).data.filter((p) => proxies.some((x) => x.planeName === p.name) && Number(p.config_version) >= Number(version)).length === proxies.length, within);
}
const makeKey = async (more = {}) => control.must('POST', '/keys', { name: fresh('key'), workspace: 'main', ...more });
const makeConfig = async (document, more = {}) => control.must('POST', '/configs', { name: fresh('config'), document, ...more });
const next = (config, document, more = {}) => control.must('POST', `/configs/${config.id}/versions`, { document, ...more });
const publish = (config, version) => control.must('POST', `/configs/${config.id}/publish`, { version });

// One chat: { status, error, model (that the provider was asked for), id, headers }
async function chat(proxy, key, headers = {}, body = {}) {
  const at = provider.calls.length;
  const r = await proxy.chat(key.secret, { model: 'anything', messages, ...body }, headers);
  const text = await r.text();
  const json = text.startsWith('{') ? JSON.parse(text) : undefined;
  return { status: r.status, error: json?.error, text, headers: r.headers, model: provider.calls[at]?.json?.model, call: provider.calls[at], id: r.headers.get('x-weir-request-id').replace(/^req_/, 'evt_') };
}
// By each data plane.
async function everywhere(fn) {
  for (const p of proxies) await fn(p);
}
async function event(id) {
  return until(`the event ${id}`, async () => {
    const r = await control.call('GET', `/events/${id}`);
    return r.status === 200 && r.json;
  });
}
// Somebody of that role, in a workspace or the organization.
async function somebody(role, workspace_id) {
  let who;
  if (workspace_id) {
    const user = await control.must('POST', '/users', { email: `${fresh(role)}@example.test`, password: PASSWORD });
    await control.must('POST', '/memberships', { user_id: user.id, role, workspace_id }, { 'x-weir-organization': acme.id });
    const r = await control.call('POST', '/session', { email: user.email, password: PASSWORD }, { authorization: '' });
    assert.equal(r.status, 201, r.text);
    who = { cookie: r.headers.get('set-cookie').split(';')[0], 'x-weir-csrf': r.json.csrf_token };
  } else {
    who = { authorization: `Bearer ${(await control.must('POST', '/admin-tokens', { name: fresh(role), role }, { 'x-weir-organization': acme.id })).secret}` };
  }
  const headers = { 'content-type': 'application/json', ...who };
  return async (method, path, body, more = {}) => {
    const a = await fetch(`${control.url}/api/v1${path}`, { method, headers: { ...headers, ...more }, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await a.text();
    return { status: a.status, text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
  };
}
const weir = (args, input = '') => new Promise((resolve, reject) => {
  const child = spawn(join(build, 'weir'), args, { cwd: root, env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: folder.folder, WEIR_URL: control.url, WEIR_TOKEN: admin.admin_token, WEIR_ORGANIZATION: 'acme' } });
  let out = '', err = '';
  child.stdout.on('data', (d) => (out += d));
  child.stderr.on('data', (d) => (err += d));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  child.once('error', reject);
  child.once('close', (code) => (/Sanitizer|runtime error:/.test(err) ? reject(new Error(err)) : resolve({ code, out, err })));
});

describe('references', () => {
  test('by id, name, version, label and latest, in either header, at each data plane', async () => {
    const config = await makeConfig(T('first'), { labels: ['production'] });
    await next(config, T('second'), { labels: ['staging'] });
    await next(config, T('third'));
    const key = await makeKey();
    await settled();
    const cases = { '': 'first', '@1': 'first', '@2': 'second', '@3': 'third', '@latest': 'third', '@production': 'first', '@staging': 'second' };
    await everywhere(async (p) => {
      for (const [reference, model] of Object.entries(cases)) {
        for (const name of [config.name, config.id]) {
          for (const header of ['x-weir-config', 'x-portkey-config']) assert.equal((await chat(p, key, { [header]: name + reference })).model, model, header + name + reference);
        }
      }
      for (const wrong of ['@4', '@0', '@nobody', '@']) {
        const r = await chat(p, key, inline(config.name + wrong));
        assert.deepEqual([r.status, r.error.code, r.error.param, r.call], [400, 'config_not_found', 'config', undefined], wrong + r.text);
      }
      for (const wrong of ['nobody', 'cfg_00000000000070008000000000000000', `cfg_${'x'.repeat(32)}`]) assert.equal((await chat(p, key, inline(wrong))).error.code, 'config_not_found', wrong);
    });
  });

  test('a draft is reached by its number and by latest, and by nothing else', async () => {
    const config = await makeConfig(T('draft'), { publish: false });
    const key = await makeKey();
    await settled();
    assert.equal((await chat(proxies[0], key, inline(config.name))).error.code, 'config_not_found');
    assert.equal((await chat(proxies[0], key, inline(`${config.name}@1`))).model, 'draft');
    assert.equal((await chat(proxies[0], key, inline(`${config.name}@latest`))).model, 'draft');
  });

  test("header, key and alias: the first that there is; a locked key's alone", async () => {
    const [h, k, a] = [await makeConfig(T('of-header')), await makeConfig(T('of-key')), await makeConfig(T('of-alias'))];
    const alias = await control.must('POST', '/models', { name: fresh('alias'), config: a.name });
    const plain = await control.must('POST', '/models', { name: fresh('plain'), targets: [{ provider: 'up', model: 'of-target' }] });
    const [free, bound] = [await makeKey(), await makeKey({ config: k.name })];
    const locked = await makeKey({ config: k.id, config_locked: true });
    await settled();
    await everywhere(async (p) => {
      const by = async (key, headers, model) => (await chat(p, key, headers, { model })).model;
      assert.equal(await by(free, {}, plain.name), 'of-target');
      assert.equal(await by(free, {}, alias.name), 'of-alias');
      assert.equal(await by(free, inline(h.name), alias.name), 'of-header');
      assert.equal(await by(bound, {}, alias.name), 'of-key');
      assert.equal(await by(bound, {}, plain.name), 'of-key');
      assert.equal(await by(bound, inline(h.name), alias.name), 'of-header');
      assert.equal(await by(bound, inline(T('inline')), alias.name), 'inline');
      assert.equal(await by(locked, {}, alias.name), 'of-key');
      for (const headers of [inline(h.name), inline(k.name), inline(T('inline')), { 'x-portkey-config': h.name }]) {
        const r = await chat(p, locked, headers, { model: alias.name });
        assert.deepEqual([r.status, r.error.code, r.call], [403, 'config_locked', undefined], r.text);
      }
    });
    await control.must('PATCH', `/keys/${locked.id}`, { config_locked: false }, any);
    await everywhere((p) => until('it is unlocked', async () => (await chat(p, locked, inline(h.name))).model === 'of-header', 1000));
    await control.must('PATCH', `/keys/${bound.id}`, { config: null }, any);
    await everywhere((p) => until('the key has none', async () => (await chat(p, bound, {}, { model: plain.name })).model === 'of-target', 1000));
  });

  test("a workspace's own config shadows its organization's, and is nobody else's", async () => {
    const name = fresh('shadowed');
    const beside = await control.must('POST', '/workspaces', { name: fresh('beside') });
    await control.must('POST', '/configs', { name, document: T('of-organization') });
    const own = await control.must('POST', '/configs', { name, document: T('of-main'), workspace_id: main.id });
    const [here, there] = [await makeKey(), await control.must('POST', '/keys', { name: fresh('key'), workspace_id: beside.id })];
    await settled();
    await everywhere(async (p) => {
      assert.equal((await chat(p, here, inline(name))).model, 'of-main');
      assert.equal((await chat(p, there, inline(name))).model, 'of-organization');
      assert.equal((await chat(p, there, inline(own.id))).error.code, 'config_not_found');
    });
  });

  test('which config, version and arm a request went by stands on its event, and can be asked for', async () => {
    const config = await makeConfig(S('split', [T('priced', { name: 'old', share: 0 }), T('priced', { name: 'new', share: 100 })]));
    const key = await makeKey();
    await settled();
    const r = await chat(proxies[1], key, inline(config.name));
    assert.equal(r.headers.get('x-weir-assignment'), 'new');
    const e = await event(r.id);
    assert.deepEqual([e.config_id, e.config_version_number, e.assignment, e.cost_nanousd, e.attempts[0].option], [config.id, 1, 'new', COST, 'config.targets[1]']);
    for (const query of [`config_id=${config.id}`, `assignment=new&key_id=${key.id}`]) assert.deepEqual((await control.must('GET', `/events?${query}`)).data.map((x) => x.id), [r.id], query);
    assert.deepEqual((await control.must('GET', `/events?config_id=${config.id}&assignment=old`)).data, []);
    const sums = await control.must('GET', `/usage/summary?config_id=${config.id}&group_by=assignment`);
    assert.deepEqual([sums.total.requests, sums.groups.map((g) => [g.group, g.requests, g.cost_nanousd])], [1, [['new', 1, COST]]]);
    assert.equal((await control.call('GET', '/usage/summary?group_by=nonsense')).json.error.param, 'group_by');
  });
});

describe('changes', () => {
  test('publishing, rolling back and moving a label reach both data planes within a second', async () => {
    const config = await makeConfig(T('one'), { labels: ['live'] });
    await next(config, T('two'));
    const [key, labelled] = [await makeKey({ config: config.name }), await makeKey({ config: `${config.name}@live` })];
    await settled();
    const goesTo = async (k, model, change) => {
      await change();
      const began = Date.now();
      await Promise.all(proxies.map((p) => until(`${p.planeName} goes to ${model}`, async () => (await proxyModel(p, k)) === model, 1000)));
      assert.ok(Date.now() - began < 1000);
    };
    const proxyModel = async (p, k) => {
      const r = await p.chat(k.secret, { model: 'x', messages });
      return (await r.json()).model;
    };
    await everywhere(async (p) => assert.equal(await proxyModel(p, key), 'one'));
    for (const [version, model] of [[2, 'two'], [1, 'one'], [2, 'two']]) {
      await goesTo(key, model, () => publish(config, version));
      await everywhere(async (p) => assert.equal(await proxyModel(p, labelled), 'one', 'a label stays where it is'));
    }
    await goesTo(labelled, 'two', () => control.must('PUT', `/configs/${config.id}/labels/live`, { version: 2 }));
    await goesTo(labelled, 'one', () => control.must('PUT', `/configs/${config.id}/labels/live`, { version: 1 }));
    await goesTo(key, 'three', () => next(config, T('three'), { publish: true }));
  });

  test('a request in flight keeps the version that it began with', async () => {
    const old = S('fallback', [T('held'), T('old-second')]), young = S('fallback', [T('new-first'), T('new-second')]);
    const config = await makeConfig(old);
    const key = await makeKey({ config: config.name });
    await next(config, young);
    await settled();
    for (const p of proxies) {
      let release, began = false;
      const held = new Promise((r) => (release = r));
      provider.handler = async (call, res) => {
        if (call.json.model !== 'held' || began) return good(call, res);
        began = true;
        await held;
        return fails(503)(call, res);
      };
      const running = chat(p, key);
      await until('it is with the provider', () => began);
      await publish(config, 2);
      await until('new requests go by the new version', async () => (await (await p.chat(key.secret, { model: 'x', messages })).json()).model === 'new-first', 1000);
      release();
      const r = await running;
      assert.equal(r.status, 200, r.text);
      assert.equal(JSON.parse(r.text).model, 'old-second');
      const e = await event(r.id);
      assert.deepEqual([e.config_version_number, e.attempts.map((a) => a.model)], [1, ['held', 'old-second']]);
      await publish(config, 1);
      await settled();
    }
  });

  test('what is deleted is gone from both data planes within a second', async () => {
    const config = await makeConfig(T('doomed'));
    const key = await makeKey();
    await settled();
    await everywhere(async (p) => assert.equal((await chat(p, key, inline(config.name))).model, 'doomed'));
    assert.equal((await control.call('DELETE', `/configs/${config.id}`)).status, 204);
    await everywhere((p) => until('it is gone', async () => (await chat(p, key, inline(config.id))).error?.code === 'config_not_found', 1000));
  });

  test('the command line makes, publishes, labels and rolls back what data planes follow', async () => {
    const name = fresh('by-hand');
    const key = await makeKey();
    const must = async (args, input) => {
      const r = await weir(args, input);
      assert.equal(r.code, 0, `weir ${args.join(' ')}: ${r.err}`);
      return r.out;
    };
    const goes = (reference, model) => everywhere((p) => until(`${reference} goes to ${model}`, async () => (await chat(p, key, inline(reference))).model === model));
    await must(['config', 'create', name, '-f', '-', '--label', 'production'], JSON.stringify(T('cli-1')));
    await goes(name, 'cli-1');
    await must(['config', 'publish', name, '-f', '-', '--note', 'second'], JSON.stringify(T('cli-2')));
    await goes(name, 'cli-2');
    await goes(`${name}@production`, 'cli-1');
    await must(['config', 'label', `${name}@2`, 'production']);
    await goes(`${name}@production`, 'cli-2');
    await must(['config', 'publish', `${name}@1`]);
    await goes(name, 'cli-1');
    assert.match(await must(['config', 'list']), new RegExp(`${name} +1 +2`));
    assert.deepEqual(JSON.parse(await must(['config', 'show', `${name}@2`, '--json'])).document, T('cli-2'));
  });
});

describe('what data planes tell', () => {
  const targetsOf = (r, model) => Object.fromEntries(r.data_planes.map((p) => [p.name, p.targets.filter((t) => t.model === model)]));

  test('a target that failed at one data plane is open there, and not at the other', async () => {
    const breaker = { circuit_breaker: { threshold: 3, minimum_requests: 1, cooldown_ms: 60000 } };
    const config = await makeConfig(S('fallback', [T('failing', breaker), T('standing')]));
    const key = await makeKey({ config: config.name });
    await settled();
    provider.handler = fails(500, (c) => c.json.model === 'failing');
    for (let i = 0; i < 5; i++) assert.equal((await chat(proxies[0], key)).status, 200);
    provider.handler = good;
    assert.equal((await chat(proxies[1], key)).model, 'failing');
    const r = await control.must('GET', '/targets');
    assert.deepEqual(r.data_planes.map((p) => [p.name, p.error, p.truncated]).sort(), proxies.map((p) => [p.planeName, null, false]).sort());
    const seen = targetsOf(r, 'failing');
    const [[one], [two]] = proxies.map((p) => seen[p.planeName]);
    assert.deepEqual([one.state, one.provider, one.total_requests, one.total_failures, one.in_flight], ['open', 'up', 3, 3, 0]);
    assert.ok(one.reopens_in_ms > 50000 && one.reopens_in_ms <= 60000, JSON.stringify(one));
    assert.deepEqual([two.state, two.total_requests, two.total_failures], ['closed', 1, 0]);
    assert.equal(targetsOf(r, 'standing')[proxies[0].planeName][0].total_requests, 5);
    const text = await weir(['targets']);
    assert.equal(text.code, 0, text.err);
    assert.match(text.out, /failing[^\n]*open/);
    assert.match(text.out, /failing[^\n]*closed/);
    for (const p of proxies) assert.ok(text.out.includes(p.planeName), text.out);
  });

  test('a purge clears both data planes, of one workspace or of all', async () => {
    const cached = { ...T('priced'), cache: { mode: 'simple', max_age: 600 } };
    const config = await makeConfig(cached);
    const other = await control.must('POST', '/workspaces', { name: fresh('caching') });
    const [here, there] = [await makeKey(), await control.must('POST', '/keys', { name: fresh('key'), workspace_id: other.id })];
    await settled();
    const status = async (p, key) => (await chat(p, key, inline(config.name))).headers.get('x-weir-cache');
    const fill = () => everywhere(async (p) => {
      for (const key of [here, there]) {
        await chat(p, key, inline(config.name));
        await until('it is kept', async () => (await status(p, key)) === 'hit');
      }
    });
    await fill();
    const one = await control.must('POST', '/cache/purge', { workspace_id: other.id });
    assert.deepEqual([one.data_planes, one.unreachable, one.entries], [2, 0, 2]);
    await everywhere(async (p) => assert.deepEqual([await status(p, here), await status(p, there)], ['hit', 'miss']));
    await fill();
    const named = await control.must('POST', '/cache/purge', { workspace: 'main' });
    assert.ok(named.entries >= 2, JSON.stringify(named));
    await everywhere(async (p) => assert.deepEqual([await status(p, here), await status(p, there)], ['miss', 'hit']));
    await fill();
    assert.ok((await control.must('POST', '/cache/purge')).entries >= 4);
    await everywhere(async (p) => assert.deepEqual([await status(p, here), await status(p, there)], ['miss', 'miss']));
    await fill();
    const cli = await weir(['cache', 'purge', '--workspace', other.name]);
    assert.match(cli.out, /^2 answers are purged in 2 data planes/, cli.err);
    assert.equal((await control.must('POST', '/cache/purge')).entries, 2);
    const audit = (await control.must('GET', '/audit?limit=200')).data.filter((row) => row.action === 'cache.purge');
    assert.ok(audit.length >= 4);
    assert.equal((await control.call('POST', '/cache/purge', { workspaces: [] })).json.error.param, 'workspaces');
  });

  test('what hits saved is what the calls cost that they stood for, on the events and in the sums', async () => {
    const config = await makeConfig({ ...T('priced'), cache: { mode: 'simple', max_age: 600 } });
    const key = await makeKey();
    await settled();
    const ids = [];
    await everywhere(async (p) => {
      for (const question of ['a', 'b']) {
        for (let i = 0; i < 4; i++) {
          const r = await chat(p, key, inline(config.name), { messages: [{ role: 'user', content: question }] });
          assert.equal(r.status, 200, r.text);
          assert.equal(r.headers.get('x-weir-cache'), i ? 'hit' : 'miss');
          if (i) assert.equal(Number(r.headers.get('x-weir-saved-usd')), COST / 1e9);
          ids.push(r.id);
        }
      }
    });
    const events = [];
    for (const id of ids) events.push(await event(id));
    const hits = events.filter((e) => e.cache_status === 'hit'), misses = events.filter((e) => e.cache_status === 'miss');
    assert.deepEqual([hits.length, misses.length], [12, 4]);
    for (const e of hits) assert.deepEqual([e.cost_nanousd, e.saved_nanousd, e.attempts, e.config_id], [0, COST, [], config.id]);
    for (const e of misses) assert.deepEqual([e.cost_nanousd, e.saved_nanousd, e.saved_us], [COST, 0, 0]);
    const { total, groups } = await control.must('GET', `/usage/summary?key_id=${key.id}&group_by=cache_status`);
    const sum = (list, field) => list.reduce((n, e) => n + e[field], 0);
    assert.deepEqual(total, { requests: 16, cache_hits: 12, cost_nanousd: 4 * COST, saved_nanousd: 12 * COST, saved_us: sum(events, 'saved_us') });
    assert.deepEqual(groups.map((g) => [g.group, g.requests, g.cost_nanousd, g.saved_nanousd]), [['hit', 12, 0, 12 * COST], ['miss', 4, 4 * COST, 0]]);
    assert.ok(sum(hits, 'saved_us') > 0);
  });
});

test('every role may do what the table of permissions says, and no more', async () => {
  const elsewhere = await control.must('POST', '/workspaces', { name: fresh('elsewhere') });
  const document = { configs: T('x'), prompts: { messages: [{ role: 'user', content: 'x' }] } };
  const make = async (what, workspace_id) => {
    const made = await control.must('POST', `/${what}`, { name: fresh('role'), document: document[what], workspace_id });
    await control.must('POST', `/${what}/${made.id}/versions`, { document: document[what] });
    return made;
  };
  const R = { read: ['owner', 'admin', 'auditor', 'ws admin', 'ws manager', 'ws developer', 'ws viewer'], write: ['owner', 'admin', 'ws admin', 'ws manager', 'ws developer'],
    publish: ['owner', 'admin', 'ws admin', 'ws manager'] };
  const own = {}, foreign = {}, shared = {};
  for (const what of ['configs', 'prompts']) {
    own[what] = await make(what, main.id);
    foreign[what] = await make(what, elsewhere.id);
    shared[what] = await make(what, null);
  }
  const calls = [['GET', '/targets', undefined, R.read], ['POST', '/cache/purge', { workspace_id: main.id }, R.publish]];
  for (const what of ['configs', 'prompts']) {
    const at = `/${what}/${own[what].id}`;
    calls.push(['GET', `/${what}`, undefined, R.read], ['GET', at, undefined, R.read], ['GET', `${at}/versions`, undefined, R.read], ['GET', `${at}/versions/2`, undefined, R.read],
      ['POST', `/${what}/validate`, { document: document[what] }, R.read], ['POST', `/${what}`, { document: document[what], workspace_id: main.id, publish: false }, R.write],
      ['POST', `${at}/versions`, { document: document[what] }, R.write], ['PATCH', at, { description: 'by a role' }, R.write],
      ['POST', `${at}/publish`, { version: 2 }, R.publish], ['PUT', `${at}/labels/tested`, { version: 1 }, R.publish], ['DELETE', `${at}/labels/tested`, undefined, R.publish]);
  }
  for (const role of ['owner', 'admin', 'billing', 'auditor', 'ws admin', 'ws manager', 'ws developer', 'ws viewer']) {
    const [bare, inside] = role.startsWith('ws ') ? [role.slice(3), main.id] : [role, undefined];
    const as = await somebody(bare, inside);
    for (const [method, path, body, allowed] of calls) {
      const named = method === 'POST' && /^\/(configs|prompts)$/.test(path) ? { ...body, name: fresh('made') } : body;
      if (method === 'DELETE') await control.must('PUT', path, { version: 1 });
      const r = await as(method, path, named, any);
      const what = `${role}: ${method} ${path}: ${r.status} ${r.text.slice(0, 200)}`;
      if (allowed.includes(role)) assert.ok(r.status < 300, what);
      else assert.deepEqual([r.status, r.json.error.code], [403, 'forbidden'], what);
    }
    // what publishes or labels as it is made needs more than leave to write
    for (const what of ['configs', 'prompts']) {
      for (const more of [{ publish: true }, { labels: ['production'] }]) {
        const r = await as('POST', `/${what}/${own[what].id}/versions`, { document: document[what], ...more });
        assert.equal(r.status, R.publish.includes(role) ? 201 : 403, `${role}: ${what} ${JSON.stringify(more)}: ${r.text}`);
      }
    }
    if (!inside) continue;
    for (const what of ['configs', 'prompts']) {
      const there = `/${what}/${foreign[what].id}`;
      for (const [method, path, body] of [['GET', there], ['GET', `${there}/versions`], ['POST', `${there}/publish`, { version: 2 }], ['POST', `${there}/versions`, { document: document[what] }],
        ['PUT', `${there}/labels/x`, { version: 1 }], ['PATCH', there, { description: 'x' }], ['DELETE', there]]) {
        const r = await as(method, path, body, any);
        assert.ok([403, 404].includes(r.status), `${role} elsewhere: ${method} ${path}: ${r.status} ${r.text}`);
      }
      const list = (await as('GET', `/${what}?limit=200`)).json.data.map((c) => c.id);
      assert.ok(list.includes(own[what].id) && list.includes(shared[what].id) && !list.includes(foreign[what].id), `${role} sees its workspace's and the organization's`);
      assert.equal((await as('POST', `/${what}/${shared[what].id}/publish`, { version: 2 })).status, 403, `${role}: what is the organization's is not a workspace's to publish`);
    }
    const purge = await as('POST', '/cache/purge', { workspace_id: elsewhere.id });
    assert.ok([400, 403, 404].includes(purge.status), `${role}: ${purge.text}`);
  }
});

test('keys in saved configs work at the data planes, also when these restart without a control plane, and are never shown', async () => {
  const secrets = ['sk-saved-in-a-config-1', 'sk-saved-in-a-config-2', 'sk-saved-in-a-config-3'];
  const config = await makeConfig(S('fallback', [T('secret-1', { api_key: secrets[0] }), { ...T('secret-2'), api_key: secrets[1] }]));
  const alone = await makeConfig({ ...T('secret-3'), api_key: secrets[2] });
  const key = await makeKey();
  await settled();
  const bearer = async (p, reference, model) => {
    provider.handler = fails(500, (c) => model === 'secret-2' && c.json.model === 'secret-1');
    const at = provider.calls.length;
    const r = await chat(p, key, inline(reference));
    assert.equal(r.status, 200, r.text);
    return provider.calls.slice(at).find((c) => c.json.model === model)?.headers.authorization;
  };
  const works = async () => everywhere(async (p) => {
    assert.equal(await bearer(p, config.name, 'secret-1'), `Bearer ${secrets[0]}`);
    assert.equal(await bearer(p, config.name, 'secret-2'), `Bearer ${secrets[1]}`);
    assert.equal(await bearer(p, alone.id, 'secret-3'), `Bearer ${secrets[2]}`);
  });
  await works();
  // a version that keeps one by its marker has it too
  const kept = await next(config, S('fallback', [T('kept', { api_key: config.document.targets[0].api_key })]), { labels: ['kept'] });
  assert.equal(kept.document.targets[0].api_key, config.document.targets[0].api_key);
  await settled();
  await everywhere(async (p) => assert.equal(await bearer(p, `${config.name}@kept`, 'kept'), `Bearer ${secrets[0]}`));

  const files = (dir) => readdirSync(dir).flatMap((n) => (statSync(join(dir, n)).isDirectory() ? files(join(dir, n)) : [join(dir, n)]));
  const shown = async () => {
    const list = [];
    for (const path of ['/configs?limit=200', `/configs/${config.id}`, `/configs/${config.id}/versions`, `/configs/${config.id}/versions/1`, `/configs/${alone.id}`, '/export', '/audit?limit=200', '/events?limit=200', '/targets']) {
      list.push([path, (await control.call('GET', path)).text]);
    }
    list.push(['explain', (await control.call('POST', '/explain', { key: key.id, body: { model: 'x', messages }, headers: inline(config.name) })).text]);
    for (const p of proxies) {
      list.push([`${p.planeName}'s metrics`, await (await fetch(`${p.opsUrl}/metrics`)).text()], [`${p.planeName}'s log`, p.program.log()]);
      for (const f of files(p.folder)) list.push([f, readFileSync(f, 'latin1')]);
    }
    list.push(['the log', control.program.log()], ['the database', JSON.stringify(await database.query(`select (select json_agg(d) from config_documents d) as a, (select json_agg(a) from audit_log a) as b, (select json_agg(e) from usage_events e) as c`))]);
    return list;
  };
  for (const [where, text] of await shown()) {
    for (const s of secrets) assert.ok(!text.includes(s) && !text.includes(Buffer.from(s).toString('hex')) && !text.includes(Buffer.from(s).toString('base64').slice(0, -4)), `${where} shows ${s}`);
  }
  // a caller is told nothing of it either
  provider.handler = (call, res) => {
    res.writeHead(401, { 'content-type': 'application/json' });
    res.end('{"error": {"message": "no such key"}}');
    return true;
  };
  const refused = await chat(proxies[0], key, inline(alone.name));
  assert.ok(refused.status >= 400 && !secrets.some((s) => refused.text.includes(s)), refused.text);

  await control.stop();
  for (const p of proxies) {
    await p.stop();
    await p.start();
  }
  await works();
  assert.equal((await chat(proxies[0], key, inline(`${config.name}@9`))).error.code, 'config_not_found');
  await control.start();
  await settled();
  await works();
});

test('every answer of the admin API was as docs/openapi.json has it', () => {
  assert.deepEqual(faults, []);
  const text = readFileSync(join(root, 'docs/openapi.json'), 'utf8');
  const names = text.slice(text.indexOf('"schemas": {')).match(/^ {6}"\w+": \{/gm);
  assert.deepEqual(names.filter((n, i) => names.indexOf(n) !== i), [], 'no schema hides another');
});
