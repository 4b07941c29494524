// The web admin in a browser, under a base path of its own: sign in, see the data plane, make a key, use it, see the request.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, configure, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { root, temporaryFolder, until } from './harness/process.mjs';

const BASE = process.env.WEIR_TEST_BASE_PATH || '/weir/';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

let admin, browser, control, database, folder, page, provider, proxy;
const complaints = []; // what the browser's console said, and what the content security policy refused

async function openBrowser() {
  folder = temporaryFolder('chromium');
  browser = await chromium.launchPersistentContext(folder.folder, { executablePath: '/usr/bin/chromium', args: FLAGS });
  await browser.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(control.url).origin });
  await browser.exposeBinding('reportRefusal', (_, what) => complaints.push(what));
  await browser.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => window.reportRefusal(`policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`));
  });
  page = browser.pages()[0] ?? (await browser.newPage());
  page.setDefaultTimeout(20000);
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && complaints.push(`console: ${m.text()} (${m.location().url})`));
  page.on('pageerror', (e) => complaints.push(`page: ${e.stack}`));
}

// Another key, which the proxy knows already.
async function newKey() {
  const key = (await control.must('POST', '/keys', { name: `key-${Date.now()}` })).secret;
  await until('the proxy takes the key', async () => (await fetch(`${proxy.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status === 200);
  return key;
}

// Calls of the harness go below the base path too; health answers at both.
function standBelow(control) {
  control.url += BASE.replace(/\/$/, '');
  return control;
}

async function signIn(password) {
  await page.getByLabel('E-mail').fill(admin.email);
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

before(async () => {
  assert.ok(existsSync(join(root, 'web-admin/dist/index.html')), 'web-admin/dist is not built');
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = standBelow(await startControl(database, { args: ['--web-admin-folder', join(root, 'web-admin/dist'), '--base-path', BASE.replace(/(.)\/$/, '$1')] }));
  control.token = admin.admin_token;
  proxy = await startProxy(control);
  provider = await fakeProvider();
  await configure(control, provider.url, [proxy]);
  await openBrowser();
});

after(async () => {
  await browser?.close();
  folder?.remove();
  await proxy?.end();
  await control?.end();
  await provider?.close();
  await database?.drop();
});

test('a stranger gets the sign-in page for every address, and no data', async () => {
  await page.goto(`${control.url}/keys`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.equal(new URL(page.url()).pathname, `${BASE}sign-in`);
  assert.equal(await page.getByRole('table').count(), 0);
});

test('a wrong password is told as such', async () => {
  const before = complaints.length;
  await signIn('not the password');
  await page.getByRole('alert').getByText('That did not match').waitFor();
  // the browser itself notes every answer of 401 in its console
  const noted = complaints.splice(before);
  assert.ok(noted.every((line) => /401/.test(line)), noted.join('\n'));
});

test('the administrator signs in and comes to where they wanted to go', async () => {
  await signIn(admin.password);
  await page.getByRole('heading', { name: 'Virtual keys' }).waitFor();
  assert.equal(new URL(page.url()).pathname, `${BASE}keys`);
});

test('home shows the data plane connected and up to date', async () => {
  await page.getByRole('link', { name: 'Home' }).click();
  const row = page.getByRole('table', { name: 'Data planes' }).getByRole('row').filter({ hasText: proxy.planeName });
  await row.getByText('Connected').waitFor();
  await row.getByText('Up to date').waitFor();
});

let secret;

test('a new key is shown once, can be copied, and works', async () => {
  await page.getByRole('link', { name: 'Virtual keys' }).click();
  await page.getByRole('button', { name: 'Create key' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('from-the-browser');
  await page.keyboard.press('Enter');
  await dialog.getByRole('button', { name: 'Copy secret' }).click();
  await dialog.getByText('Copied').waitFor();
  secret = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(secret, /^wr_live_/);
  assert.equal(await dialog.getByLabel('Secret', { exact: true }).textContent(), secret);
  assert.ok((await dialog.getByLabel('Try it').textContent()).includes(`Bearer ${secret}`));
  const answer = await until('the proxy takes the key', async () => {
    const r = await proxy.chat(secret, { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] });
    return r.status === 200 && (await r.json());
  }, 5000);
  assert.equal(answer.choices[0].message.content, 'Hello from fake');
  await dialog.getByRole('button', { name: 'I have stored it' }).click();
  await dialog.waitFor({ state: 'detached' });
});

test('the request appears on Home by itself', async () => {
  await page.getByRole('link', { name: 'Home' }).click();
  const row = page.getByRole('table', { name: 'Last requests' }).getByRole('row').filter({ hasText: 'from-the-browser' }).filter({ hasText: '200' });
  await row.first().waitFor();
  const cells = await row.first().getByRole('cell').allTextContents();
  const [, key, model, name, status, outcome, tokensIn, tokensOut, duration] = cells.map((text) => text.trim());
  assert.deepEqual([key, model, name, status, outcome, tokensIn, tokensOut], ['from-the-browser', 'gpt-4o', 'openai', '200', 'Answered', '9', '12']);
  assert.match(duration, /^[\d.]+ (µs|ms|s)$/);
});

test('after a reload the secret is nowhere', async () => {
  await page.getByRole('link', { name: 'Virtual keys' }).click();
  const list = page.getByRole('table', { name: 'Virtual keys' });
  await list.getByRole('row').filter({ hasText: 'from-the-browser' }).waitFor();
  await page.reload();
  await list.getByRole('row').filter({ hasText: 'from-the-browser' }).waitFor();
  assert.equal(await page.getByRole('dialog').count(), 0);
  const kept = await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert.ok(!kept.includes(secret));
});

test('a provider is tested from a data plane', async () => {
  await page.getByRole('link', { name: 'Providers', exact: true }).click();
  await page.getByRole('button', { name: 'Test openai' }).click();
  await page.getByText(/Answered in \d+ ms, 1 model/).waitFor();
});

test('a provider of another kind is added with the fields that its kind has, and listed without its secrets', async () => {
  await page.getByRole('link', { name: 'Providers', exact: true }).click();
  await page.getByRole('button', { name: 'Add provider' }).first().click();
  const dialog = page.getByRole('dialog');
  assert.equal(await dialog.getByLabel('Region').count(), 0); // not of the kind that is chosen first
  await dialog.getByLabel('Name', { exact: true }).fill('from-aws');
  await dialog.getByRole('combobox', { name: 'Kind' }).fill('bedrock');
  await page.getByRole('option', { name: 'Amazon Bedrock', exact: true }).click();
  assert.equal(await dialog.getByLabel('Organization').count(), 0); // and that one's are gone
  for (const [label, type] of [['AWS access key id', null], ['AWS secret access key', 'password'], ['AWS session token', 'password']]) assert.equal(await dialog.getByRole('textbox', { name: label }).getAttribute('type'), type, label);
  await dialog.getByRole('textbox', { name: 'AWS access key id' }).fill('AKIDWEB');
  await dialog.getByRole('textbox', { name: 'AWS secret access key' }).fill('web-secret-access-key');
  const before = complaints.length;
  await dialog.getByRole('button', { name: 'Add provider' }).click();
  await dialog.getByText('region is required').waitFor(); // what is missing is told at its field
  assert.equal(await dialog.getByRole('textbox', { name: 'Region' }).getAttribute('aria-invalid'), 'true');
  const noted = complaints.splice(before);
  assert.ok(noted.every((line) => /400/.test(line)), noted.join('\n'));
  await dialog.getByRole('textbox', { name: 'Region' }).fill('eu-west-1');
  await dialog.getByRole('button', { name: 'Add provider' }).click();
  await dialog.waitFor({ state: 'detached' });
  const row = page.getByRole('table', { name: 'Providers' }).getByRole('row').filter({ hasText: 'from-aws' });
  await row.waitFor();
  assert.match(await row.textContent(), /bedrock/i);
  const { data } = await control.must('GET', '/providers?name=from-aws');
  assert.deepEqual([data[0].kind, data[0].region, data[0].aws_access_key_id, data[0].secrets], ['bedrock', 'eu-west-1', 'AKIDWEB', ['aws_secret_access_key']]);
  await page.reload();
  await row.waitFor();
  assert.ok(!(await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage }))).includes('web-secret-access-key'));
});

test('the catalogue is searched, narrowed to a provider, and given a price of our own', async () => {
  await page.getByRole('link', { name: 'Catalogue' }).click();
  const table = page.getByRole('table', { name: 'Catalogue' });
  await table.getByRole('row').nth(10).waitFor();
  await page.getByLabel('Search').fill('gpt-4o-mini');
  await page.getByRole('combobox', { name: 'Provider' }).selectOption('openai');
  await page.waitForURL(/provider=openai/);
  await page.waitForURL(/q=gpt-4o-mini/);
  const row = table.getByRole('row').filter({ has: page.getByRole('button', { name: 'Edit gpt-4o-mini', exact: true }) });
  await row.waitFor();
  await until('only what was sought is shown', async () => (await table.getByRole('row').allTextContents()).slice(1).every((text) => text.includes('gpt-4o-mini') && text.includes('openai')));
  assert.match(await row.textContent(), /0\.15.*0\.6/);
  await row.getByRole('button', { name: 'Edit gpt-4o-mini' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Input', { exact: true }).fill('a lot');
  await dialog.getByRole('button', { name: 'Save override' }).click();
  await dialog.getByText('Give an amount such as').waitFor();
  await dialog.getByLabel('Input', { exact: true }).fill('0.123456');
  await dialog.getByRole('button', { name: 'Save override' }).click();
  await dialog.waitFor({ state: 'detached' });
  await row.getByText('our price').waitFor();
  assert.match(await row.textContent(), /0\.123456/);
  const [made] = (await control.must('GET', '/catalogue-overrides')).data;
  assert.deepEqual([made.model, made.entry.price.token_in, made.entry.price.token_out, made.owned_by], ['gpt-4o-mini', 123456, 600000, 'ui']);
  await row.getByRole('button', { name: 'Edit gpt-4o-mini' }).click();
  await dialog.getByRole('button', { name: 'Remove override' }).click();
  await dialog.waitFor({ state: 'detached' });
  await row.getByText('0.15', { exact: true }).waitFor();
  await page.getByLabel('Search').fill('no such model at all');
  await page.getByText('No model in the catalogue is named like that.').waitFor();
});

test('who may not set prices is offered none', async () => {
  const password = 'a long enough password';
  const user = await control.must('POST', '/users', { email: 'auditor@example.test', password });
  await control.must('POST', '/memberships', { user_id: user.id, role: 'auditor' });
  const second = await chromium.launchPersistentContext(join(folder.folder, 'second'), { executablePath: '/usr/bin/chromium', args: FLAGS });
  const view = second.pages()[0] ?? (await second.newPage());
  try {
    await view.goto(`${control.url}/catalogue`);
    await view.getByLabel('E-mail').fill(user.email);
    await view.getByRole('textbox', { name: 'Password' }).fill(password);
    await view.getByRole('button', { name: 'Sign in' }).click();
    await view.getByRole('table', { name: 'Catalogue' }).getByRole('row').nth(10).waitFor();
    assert.equal(await view.getByRole('button', { name: /^Edit/ }).count(), 0);
  } finally {
    await second.close();
  }
});

test('a model is named, served, and deleted', async () => {
  const served = async () => (await (await fetch(`${proxy.url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } })).json()).data.map((m) => m.id);
  await page.getByRole('link', { name: 'Models' }).click();
  await page.getByRole('button', { name: 'Add model' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('house-model');
  await dialog.getByLabel('The provider’s name for it').fill('gpt-4o');
  await page.keyboard.press('Enter');
  await page.getByRole('table', { name: 'Models' }).getByRole('row').filter({ hasText: 'house-model' }).getByText('openai/gpt-4o').waitFor();
  await until('the proxy serves it', async () => (await served()).includes('house-model'), 5000);
  await page.getByRole('button', { name: 'Delete house-model' }).click();
  await dialog.getByRole('button', { name: 'Delete model' }).click();
  await until('the proxy no longer serves it', async () => !(await served()).includes('house-model'), 5000);
});

// The editor takes what is typed into it as any editable text.
async function write(field, document) {
  await field.fill(typeof document === 'string' ? document : JSON.stringify(document));
}

const document = () => page.getByRole('textbox', { name: 'Document', exact: true });
const versions = () => page.getByRole('table', { name: 'Versions' });
const leaf = { provider: '@openai', override_params: { model: 'gpt-4o' } };

test('a routing config with an error is told its place, and saved once that is mended', async () => {
  await page.getByRole('link', { name: 'Routing configs' }).click();
  await page.getByRole('link', { name: 'New config' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('from-the-browser');
  const create = page.getByRole('button', { name: 'Create and publish' });
  await write(document(), '{"targets": [,]}');
  await page.getByText('a value is expected here').waitFor();
  assert.ok(await create.isDisabled());
  await write(document(), { strategy: { mode: 'fallback' }, retry: { attempts: 99 }, targets: [leaf] });
  await page.getByText('line 1, config.retry.attempts').waitFor();
  await page.getByRole('status').getByText('must be from 0 to 10, not 99').waitFor();
  assert.ok(await create.isDisabled());
  await page.getByRole('button', { name: 'Format' }).click();
  await page.getByText('line 6, config.retry.attempts').waitFor(); // it is marked where it stands
  await until('the place is underlined', async () => (await page.locator('.cm-lintRange-error').textContent()) === '99');
  await write(document(), { strategy: { mode: 'fallback' }, retry: { attempts: 2 }, targets: [leaf] });
  await page.getByText('Valid', { exact: true }).waitFor();
  await page.getByRole('list', { name: 'Strategy' }).getByText('retry 2×').waitFor();
  await create.click();
  await page.getByRole('heading', { name: 'from-the-browser' }).waitFor();
  const { data } = await control.must('GET', '/configs?name=from-the-browser');
  assert.deepEqual([data[0].published_version, data[0].document.retry], [1, { attempts: 2 }]);
});

test('version 2 is published, compared with the first, labelled, and rolled back', async () => {
  await document().waitFor();
  await write(document(), { targets: [leaf], cache: { mode: 'simple', max_age: 60 } });
  await page.getByLabel('Note').fill('one target, with a cache');
  await page.getByRole('button', { name: 'Save and publish' }).click();
  await page.waitForURL(/version=2/);
  const row = (n) => versions().getByRole('row').filter({ has: page.getByRole('cell', { name: String(n), exact: true }) });
  await row(2).getByText('Published').waitFor();
  await row(2).getByText('one target, with a cache').waitFor();
  const published = async () => (await control.must('GET', '/configs?name=from-the-browser')).data[0];
  assert.equal((await published()).published_version, 2);

  await page.getByRole('button', { name: 'Compare version 1' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Version 1' }).getByText('fallback').waitFor();
  await dialog.getByRole('textbox', { name: 'Version 2' }).getByText('max_age').waitFor();
  assert.ok((await dialog.locator('.cm-changedText, .cm-changedLine').count()) > 0);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });

  await page.getByRole('button', { name: 'Labels of version 2' }).click();
  await dialog.getByLabel('Add or move a label here').fill('staging');
  await page.keyboard.press('Enter');
  await dialog.getByRole('button', { name: 'Remove staging' }).waitFor();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await dialog.waitFor({ state: 'detached' });

  await page.getByRole('button', { name: 'Roll back to version 1' }).click();
  await dialog.getByRole('button', { name: 'Roll back' }).click();
  await dialog.waitFor({ state: 'detached' });
  await row(1).getByText('Published').waitFor();
  const { published_version, latest_version, labels } = await published();
  assert.deepEqual([published_version, latest_version, labels], [1, 2, { staging: 2 }]);
});

test('a draft is not lost unasked', async () => {
  await write(document(), '{}');
  await page.getByRole('link', { name: 'Home' }).click();
  const dialog = page.getByRole('dialog', { name: 'Leave without saving?' });
  await dialog.getByRole('button', { name: 'Stay' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Undo all changes' }).click();
  await page.getByRole('link', { name: 'Home' }).click();
  await page.getByRole('table', { name: 'Last requests' }).waitFor();
});

test('a key goes by the config, and its request tells so', async () => {
  await page.getByRole('link', { name: 'Virtual keys' }).click();
  await page.getByRole('button', { name: 'Change from-the-browser' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Routing and tags').click();
  await dialog.getByRole('combobox', { name: 'Routing config', exact: true }).fill('from-the-browser@staging');
  await dialog.getByLabel('Tags').fill('gold');
  await page.keyboard.press('Enter');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('row').filter({ hasText: 'from-the-browser@staging' }).getByText('gold').waitFor();
  await until('the cache of that config answers', async () => {
    const r = await proxy.chat(secret, { model: 'gpt-4o', messages: [{ role: 'user', content: 'Cache me' }] });
    await r.arrayBuffer();
    return r.headers.get('x-weir-cache') === 'hit';
  }, 8000);
  await page.getByRole('link', { name: 'Home' }).click();
  const row = page.getByRole('table', { name: 'Last requests' }).getByRole('row').filter({ hasText: 'from the cache' }).first();
  await row.getByRole('link').click();
  await dialog.getByText('answered from it').waitFor();
  await dialog.getByRole('link', { name: 'version 2' }).click();
  await page.waitForURL(/configs\/cfg_[0-9a-f]+\?version=2/);
});

test('the targets page shows a target that has tripped', async () => {
  await control.must('POST', '/providers', { name: 'unreachable', kind: 'openai', base_url: 'http://127.0.0.1:1/v1', api_key: 'sk' });
  // of the organization's own word: a caller's breakers are not told of
  await control.must('POST', '/configs', {
    name: 'tripping',
    document: { strategy: { mode: 'fallback' }, circuit_breaker: { threshold: 2, minimum_requests: 2, cooldown_ms: 600000 }, targets: [{ provider: '@unreachable', override_params: { model: 'gpt-4o' } }, leaf] },
  });
  const key = await newKey();
  await until('the breaker opens', async () => {
    const r = await proxy.chat(key, { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] }, { 'x-weir-config': 'tripping' });
    await r.arrayBuffer();
    const { data_planes } = await control.must('GET', '/targets');
    return data_planes[0].targets.some((t) => t.provider === 'unreachable' && t.state === 'open');
  });
  await page.getByRole('link', { name: 'Targets' }).click();
  const table = page.getByRole('table', { name: 'Targets' });
  const row = table.getByRole('row').filter({ hasText: 'unreachable' });
  await row.getByText('Open', { exact: true }).waitFor();
  assert.match(await row.textContent(), /tried in \d+ s.*failed/);
  assert.ok((await table.getByRole('row').nth(1).textContent()).includes('unreachable')); // before what is well
  await page.getByLabel('State').selectOption('closed');
  await page.waitForURL(/state=closed/);
  await row.waitFor({ state: 'detached' });
  await table.getByRole('row').filter({ hasText: 'openai' }).first().waitFor();
});

test('explain shows the decisions that a request would meet, and sends none', async () => {
  const before = (await control.must('GET', '/targets')).data_planes[0].targets.reduce((n, t) => n + t.total_requests, 0);
  await page.getByRole('link', { name: 'Explain', exact: true }).click();
  await page.getByLabel('Whose request').selectOption({ label: await page.getByRole('option', { name: /^from-the-browser/ }).textContent() });
  await page.getByLabel('Header fields').fill('x-weir-metadata: {"plan": "pro"}');
  await page.getByRole('combobox', { name: 'Routing config', exact: true }).selectOption('proposed');
  await write(page.getByRole('textbox', { name: 'Proposed document' }), {
    strategy: { mode: 'conditional', default: 'cheap', conditions: [{ query: { 'metadata.plan': { $eq: 'pro' } }, then: 'best' }] },
    targets: [{ name: 'best', strategy: { mode: 'fallback' }, targets: [{ provider: '@unreachable', override_params: { model: 'gpt-4o' } }, leaf] }, { name: 'cheap', ...leaf }],
  });
  await page.getByRole('button', { name: 'Explain', exact: true }).click();
  await page.getByRole('status').getByText('It would be sent to openai, model gpt-4o').waitFor();
  const condition = page.getByRole('list', { name: 'Conditions' }).getByRole('listitem');
  assert.match(await condition.textContent(), /Holds.*metadata\.plan = "pro".*it saw metadata\.plan = "pro"/);
  const inner = page.getByRole('table', { name: 'config.targets[0]: fallback' });
  await inner.getByRole('row').filter({ hasText: 'config.targets[0].targets[0]' }).getByText('open', { exact: true }).waitFor();
  await inner.getByRole('row').filter({ hasText: 'config.targets[0].targets[1]' }).getByText('Chosen').waitFor();
  const after = (await control.must('GET', '/targets')).data_planes[0].targets.reduce((n, t) => n + t.total_requests, 0);
  assert.equal(after, before);
});

test('a prompt is written as messages, published, and expands as it was tried', async () => {
  await page.getByRole('link', { name: 'Prompts' }).click();
  await page.getByRole('link', { name: 'New prompt' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('greeting');
  await page.getByLabel('Text of message 1').fill('Be {{tone}}.');
  await page.getByLabel('Text of message 2').fill('{{question');
  await page.getByText(/is not closed/).waitFor();
  await page.getByLabel('Text of message 2').fill('{{question}}');
  await page.getByRole('table', { name: 'Variables' }).getByRole('row').filter({ hasText: 'question' }).waitFor();
  await page.getByRole('button', { name: 'Create and publish' }).click();
  await page.getByRole('heading', { name: 'greeting' }).waitFor();
  await page.getByRole('textbox', { name: 'tone' }).fill('kind');
  await page.getByRole('textbox', { name: 'question' }).fill('Why?');
  await page.getByLabel('With key').selectOption({ label: await page.getByRole('option', { name: /^from-the-browser/ }).textContent() });
  await until('the data plane has the prompt', async () => {
    await page.getByRole('button', { name: 'Explain the call' }).click();
    return page.getByText('It would be sent to openai, model gpt-4o').or(page.getByText('It would be answered from the cache')).isVisible();
  });
  const rendered = await fetch(`${proxy.url}/v1/prompts/greeting/render`, {
    method: 'POST', headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }, body: JSON.stringify({ variables: { tone: 'kind', question: 'Why?' } }),
  });
  assert.deepEqual((await rendered.json()).data.messages.map((m) => m.content), ['Be kind.', 'Why?']);
});

test('who may only read finds configs without a way to change them', async () => {
  const password = 'another long password';
  const user = await control.must('POST', '/users', { email: 'reader@example.test', password });
  await control.must('POST', '/memberships', { user_id: user.id, role: 'auditor' });
  const third = await chromium.launchPersistentContext(join(folder.folder, 'third'), { executablePath: '/usr/bin/chromium', args: FLAGS });
  const view = third.pages()[0] ?? (await third.newPage());
  try {
    await view.goto(`${control.url}/configs`);
    await view.getByLabel('E-mail').fill(user.email);
    await view.getByRole('textbox', { name: 'Password' }).fill(password);
    await view.getByRole('button', { name: 'Sign in' }).click();
    await view.getByRole('link', { name: 'from-the-browser' }).click();
    await view.getByText('Your role may read it, but not change it.').waitFor();
    await view.getByRole('button', { name: 'Compare version 1' }).waitFor();
    for (const name of [/^Save/, /^Roll back/, /^Publish/, /^Labels/, /^Delete/]) assert.equal(await view.getByRole('button', { name }).count(), 0, String(name));
    assert.equal(await view.getByRole('link', { name: 'Explain' }).count(), 0);
  } finally {
    await third.close();
  }
});

test('a token for a new data plane is shown once, with its command', async () => {
  await page.getByRole('link', { name: 'Data planes', exact: true }).click();
  await page.getByRole('button', { name: 'Add data plane' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Make an enrolment token' }).click();
  const command = await dialog.getByLabel('On the new machine').textContent();
  assert.match(command, /^weir-proxy --enrol wr_enr_\S+ --control [^\s:]+:\d+$/);
  await page.getByRole('button', { name: 'Close', exact: true }).last().click();
  await dialog.waitFor({ state: 'detached' });
});

test('a key is revoked by keyboard alone, and refused', async () => {
  await page.goto(`${control.url}/keys`);
  const revoke = page.getByRole('button', { name: 'Revoke from-the-browser' });
  await revoke.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByText('Revoke “from-the-browser”?').waitFor();
  await until('Cancel has the focus', () => page.evaluate(() => document.activeElement?.textContent === 'Cancel'));
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await revoke.waitFor({ state: 'detached' });
  await until('the proxy refuses it', async () => (await proxy.chat(secret, { model: 'gpt-4o', messages: [] })).status === 401, 5000);
});

// For whoever wants to look: WEIR_TEST_SCREENSHOTS names a folder.
if (process.env.WEIR_TEST_SCREENSHOTS) test('screenshots', async () => {
  for (const width of [1280, 700]) {
    await page.setViewportSize({ width, height: 900 });
    for (const [name, path] of [['providers', 'providers'], ['catalogue', 'catalogue?provider=openai']]) {
      await page.goto(`${control.url}/${path}`);
      await page.getByRole('table').first().getByRole('row').nth(1).waitFor();
      await page.screenshot({ path: join(process.env.WEIR_TEST_SCREENSHOTS, `${name}-${width}.png`) });
    }
    await page.getByRole('button', { name: /^Edit/ }).first().click();
    await page.getByRole('dialog').getByLabel('Input', { exact: true }).waitFor();
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(process.env.WEIR_TEST_SCREENSHOTS, `override-${width}.png`) });
    await page.goto(`${control.url}/providers`);
    await page.getByRole('button', { name: 'Add provider' }).first().click();
    await page.getByRole('dialog').getByRole('combobox', { name: 'Kind' }).fill('bedrock');
    await page.getByRole('option', { name: 'Amazon Bedrock', exact: true }).click();
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(process.env.WEIR_TEST_SCREENSHOTS, `provider-form-${width}.png`) });
    await page.keyboard.press('Escape');
  }
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('pages fit a screen of 360 pixels', async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  const { data } = await control.must('GET', '/configs?name=from-the-browser');
  for (const path of ['', 'keys', 'models', 'providers', 'data-planes', 'catalogue', 'configs', `configs/${data[0].id}`, 'prompts', 'targets']) {
    await page.goto(`${control.url}/${path}`);
    await page.getByRole('table').first().getByRole('row').nth(1).waitFor();
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, path);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('signing out ends the session', async () => {
  await page.getByRole('button', { name: admin.email }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.goto(`${control.url}/providers`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

test('the browser had nothing to complain of: no error, no warning, no breach of the policy', () => {
  assert.deepEqual(complaints, []);
});
