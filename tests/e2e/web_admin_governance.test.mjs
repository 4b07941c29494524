// Governance in a browser: an owner makes a team, a budget and a key that spends it, rotates the key, makes a role, reads the
// audit log; a viewer is offered none of it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, configure, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { root, temporaryFolder, until } from './harness/process.mjs';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const PASSWORD = 'a long enough password';

let admin, browser, control, database, folder, page, provider, proxy;
const complaints = []; // what the browser's console said, and what the content security policy refused

const dialog = () => page.getByRole('dialog');
const rowOf = (table, text) => page.getByRole('table', { name: table, exact: true }).getByRole('row').filter({ hasText: text });

async function signIn(view, email) {
  await view.goto(`${control.url}/`);
  await view.getByLabel('E-mail').fill(email);
  await view.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  await view.getByRole('button', { name: 'Sign in', exact: true }).click();
  await view.getByRole('heading', { name: 'Home' }).waitFor();
}

async function member(email, role, workspace) {
  const user = await control.must('POST', '/users', { email, password: PASSWORD });
  await control.must('POST', '/memberships', { user_id: user.id, role, ...(workspace && { workspace }) });
  return user;
}

async function ask(secret) {
  const answer = await proxy.chat(secret, { model: 'gpt-4o', max_tokens: 16, messages: [{ role: 'user', content: 'Hi' }] });
  await answer.arrayBuffer();
  return answer;
}

before(async () => {
  assert.ok(existsSync(join(root, 'web-admin/dist/index.html')), 'web-admin/dist is not built');
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database, { args: ['--web-admin-folder', join(root, 'web-admin/dist')] });
  control.token = admin.admin_token;
  proxy = await startProxy(control);
  provider = await fakeProvider();
  await control.must('POST', '/catalogue-overrides', { provider: 'openai', model: 'gpt-4o', entry: { price: { token_in: 2500000, token_out: 10000000 } } });
  await configure(control, provider.url, [proxy]);
  await member('owner@example.test', 'owner');
  await member('viewer@example.test', 'viewer', 'main');
  folder = temporaryFolder('chromium');
  browser = await chromium.launchPersistentContext(folder.folder, { executablePath: '/usr/bin/chromium', args: FLAGS });
  await browser.exposeBinding('reportRefusal', (_, what) => complaints.push(what));
  await browser.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => window.reportRefusal(`policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`));
  });
  page = browser.pages()[0] ?? (await browser.newPage());
  page.setDefaultTimeout(15000);
  page.on('pageerror', (e) => complaints.push(`page: ${e.stack}`));
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && complaints.push(`console: ${m.text()} (${m.location().url})`));
  await signIn(page, 'owner@example.test');
});

after(async () => {
  await browser?.close();
  folder?.remove();
  await proxy?.end();
  await control?.end();
  await provider?.close();
  await database?.drop();
});

test('an owner makes a team and puts somebody in', async () => {
  await page.getByRole('link', { name: 'Teams' }).click();
  await page.getByRole('button', { name: 'New team' }).first().click();
  await dialog().getByLabel('Name', { exact: true }).fill('interns');
  await dialog().getByRole('button', { name: 'Make team' }).click();
  await dialog().waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Members of interns' }).click();
  await dialog().getByLabel('Person').selectOption({ label: 'viewer@example.test' });
  await dialog().getByRole('button', { name: 'Add' }).click();
  await dialog().getByRole('row').filter({ hasText: 'viewer@example.test' }).waitFor();
  const [team] = (await control.must('GET', '/teams')).data;
  assert.equal((await control.must('GET', `/teams/${team.id}/members`)).data.length, 1);
});

test('a budget for the team is made; what is wrong is told at its field', async () => {
  await page.goto(`${control.url}/budgets?new=true`);
  await dialog().getByLabel('Name', { exact: true }).fill('interns-monthly');
  await dialog().getByLabel('Amount').fill('a lot');
  await dialog().getByRole('button', { name: 'Add a part' }).click();
  await dialog().getByLabel('Value 1').fill('nobody');
  await dialog().getByRole('button', { name: 'Make budget' }).click();
  await dialog().getByText('An amount such as').waitFor();
  await dialog().getByLabel('Amount').fill('0.10');
  const before = complaints.length;
  await dialog().getByRole('button', { name: 'Make budget' }).click();
  await dialog().getByText('names no team').waitFor(); // the server's word, at scopes[0].value
  assert.equal(await dialog().getByLabel('Value 1').getAttribute('aria-invalid'), 'true');
  const noted = complaints.splice(before);
  assert.ok(noted.every((line) => /40[0-9]|422/.test(line)), noted.join('\n'));
  await dialog().getByLabel('Value 1').fill('interns');
  await dialog().getByRole('button', { name: 'Make budget' }).click();
  await dialog().waitFor({ state: 'detached' });
  const row = rowOf('Budgets', 'interns-monthly');
  assert.match(await row.textContent(), /team interns/);
  assert.match(await row.textContent(), /\$0\.10 a month/);
  const [budget] = (await control.must('GET', '/budgets')).data;
  assert.deepEqual([budget.amount.replace(/0+$/, ''), budget.mode, budget.alert_percents], ['0.1', 'hard', [50, 80, 100]]);
});

let secret;

test('a key of the team spends it, and the page shows how much', async () => {
  await page.getByRole('link', { name: 'Virtual keys' }).click();
  await page.getByRole('button', { name: 'Create key' }).first().click();
  await dialog().getByLabel('Name', { exact: true }).fill('spender');
  await dialog().getByText('Whose it is').click();
  await dialog().getByLabel('Team').selectOption({ label: 'interns' });
  await dialog().getByText('Budget and limits').click();
  await dialog().getByLabel('Requests a minute').fill('100');
  await dialog().getByRole('button', { name: 'Create key' }).click();
  secret = await dialog().getByLabel('Secret', { exact: true }).textContent();
  await dialog().getByRole('button', { name: 'I have stored it' }).click();
  await until('the proxy answers', async () => (await ask(secret)).status === 200, 8000);
  await page.getByRole('link', { name: 'Budgets' }).click();
  const row = rowOf('Budgets', 'interns-monthly');
  await until('the page shows what is spent', async () => {
    const spent = /\$([\d.]+) of \$0\.10/.exec(await row.textContent());
    if (spent && Number(spent[1]) > 0) return true;
    await page.reload();
    await row.waitFor();
    return false;
  });
  await page.getByRole('button', { name: 'Accounts of interns-monthly' }).click();
  await dialog().getByRole('meter').first().waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Rate limits' }).click();
  await rowOf('Rate limits', 'spender').getByText('100 requests a minute').waitFor();
});

test('a rotated key has another secret, and the former one is refused where no overlap is wanted', async () => {
  await page.getByRole('link', { name: 'Virtual keys' }).click();
  await page.getByRole('button', { name: 'Rotate spender' }).click();
  await dialog().getByLabel('The former secret holds').selectOption('0');
  await dialog().getByRole('button', { name: 'Rotate key' }).click();
  const next = await dialog().getByLabel('Secret', { exact: true }).textContent();
  assert.match(next, /^wr_live_/);
  assert.notEqual(next, secret);
  await dialog().getByRole('button', { name: 'I have stored it' }).click();
  await dialog().waitFor({ state: 'detached' });
  await until('the new secret is taken', async () => (await ask(next)).status === 200, 8000);
  await until('the former one is refused', async () => (await ask(secret)).status === 401, 8000);
  assert.ok(!(await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage }))).includes(next));
});

test('a blocked key is refused until it is unblocked', async () => {
  await page.getByRole('button', { name: 'Block spender' }).click();
  await page.getByRole('button', { name: 'Unblock spender' }).waitFor();
  assert.equal((await control.must('GET', '/keys?name=spender')).data[0].status, 'disabled');
  await page.getByRole('button', { name: 'Unblock spender' }).click();
  await page.getByRole('button', { name: 'Block spender' }).waitFor();
});

test('a role of its own is made and stands in the matrix', async () => {
  await page.getByRole('link', { name: 'Roles' }).click();
  await page.getByRole('button', { name: 'New role' }).first().click();
  await dialog().getByLabel('Name', { exact: true }).fill('key-keeper');
  await dialog().getByRole('checkbox', { name: 'key.read' }).check();
  await dialog().getByRole('checkbox', { name: 'key.write' }).check();
  await dialog().getByRole('button', { name: 'Make role' }).click();
  await dialog().waitFor({ state: 'detached' });
  await rowOf('Roles of this organization', 'key-keeper').getByText('key.write').waitFor();
  await page.getByRole('table', { name: 'Who may do what' }).getByRole('columnheader', { name: /key-keeper/ }).waitFor();
  const [role] = (await control.must('GET', '/roles')).data;
  assert.deepEqual([role.scope, [...role.permissions].sort()], ['workspace', ['key.read', 'key.write']]);
});

test('the audit log tells of it, with what was before and after, and is exported', async () => {
  await page.getByRole('link', { name: 'Audit log' }).click();
  await page.getByLabel('Kind').selectOption('role');
  await page.waitForURL(/kind=role/);
  const row = rowOf('Audit log', 'key-keeper');
  assert.match(await row.textContent(), /role\.create.*owner@example\.test/);
  await row.getByRole('button', { name: /Details/ }).click();
  await dialog().getByRole('row').filter({ hasText: 'permissions' }).getByText('key.write').waitFor();
  await page.keyboard.press('Escape');
  const href = await page.getByRole('link', { name: 'Export' }).getAttribute('href');
  const text = await page.evaluate(async (address) => (await fetch(address)).text(), href);
  assert.ok(text.trim().split('\n').every((line) => JSON.parse(line)));
  assert.match(text, /role\.create/);
});

test('the other pages open', async () => {
  for (const [link, heading] of [['Usage', 'Usage'], ['Alerts', 'Alerts'], ['Price book', 'Price book'], ['Price groups', 'Price groups'], ['Statements', 'Statements'], ['Members', 'Members'],
    ['Service accounts', 'Service accounts'], ['Identity providers', 'Identity providers'], ['Secret references', 'Secret references']]) {
    await page.getByRole('link', { name: link, exact: true }).click();
    await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
    assert.equal(await page.getByRole('main').getByRole('alert').count(), 0, link);
  }
  await page.goto(`${control.url}/sessions`);
  await rowOf('Mine', 'this one').waitFor();
  await rowOf('Other people', 'owner').waitFor({ state: 'detached' });
});

test('a viewer sees, and is offered nothing that they may not', async () => {
  const second = await chromium.launchPersistentContext(join(folder.folder, 'second'), { executablePath: '/usr/bin/chromium', args: FLAGS });
  const view = second.pages()[0] ?? (await second.newPage());
  view.setDefaultTimeout(15000);
  try {
    await signIn(view, 'viewer@example.test');
    assert.equal(await view.getByRole('link', { name: 'Audit log' }).count(), 0);
    assert.equal(await view.getByRole('link', { name: 'Identity providers' }).count(), 0);
    await view.goto(`${control.url}/keys`);
    await view.getByRole('row').filter({ hasText: 'spender' }).waitFor();
    assert.equal(await view.getByRole('button', { name: /Create key|Many keys|^Change|^Rotate|^Block|^Revoke/ }).count(), 0);
    await view.getByRole('link', { name: 'Teams' }).click();
    await view.getByRole('row').filter({ hasText: 'interns' }).waitFor();
    assert.equal(await view.getByRole('button', { name: /New team|^Change|^Delete/ }).count(), 0);
    await view.getByRole('link', { name: 'Roles' }).click();
    await view.getByRole('table', { name: 'Who may do what' }).waitFor();
    assert.equal(await view.getByRole('button', { name: /New role/ }).count(), 0);
  } finally {
    await second.close();
  }
});

test('the browser complained of nothing', () => {
  assert.deepEqual(complaints, []);
});
