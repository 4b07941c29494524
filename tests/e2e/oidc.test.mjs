// Identity providers: signing in with a real OpenID provider, signed tokens at the admin API and at the proxy, rotation of keys,
// and tokens of every kind that must not be taken.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import Provider from 'oidc-provider';
import { bootstrap, startControl } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { letGoAfterTests, until } from './harness/process.mjs';

const people = {
  ann: { email: 'ann@example.test', email_verified: true, name: 'Ann', groups: ['weir-dev', 'ml-team'] },
  bob: { email: 'bob@example.test', email_verified: true, name: 'Bob', groups: ['nobody'] },
  eve: { email: 'admin@example.test', email_verified: false, name: 'Eve', groups: ['weir-dev'] },
};
let database, control, second, admin, acme, provider, signer, issuer;

async function listen(handler) {
  const server = http.createServer(handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  letGoAfterTests(() => server.closeAllConnections());
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

// A real OpenID provider in this process; whoever comes is whom `login_hint` of the next sign-in names.
async function openIdProvider() {
  let handler;
  const { server, url } = await listen((request, answer) => handler(request, answer));
  const key = await generateKeyPair('RS256', { extractable: true });
  const seen = { jwks: 0, verifiers: 0 };
  const oidc = new Provider(url, {
    clients: [{
      client_id: 'weir', client_secret: 'top secret: a+b', redirect_uris: [`${control.url}/api/v1/session/oidc/callback`],
      post_logout_redirect_uris: [`${control.url}/`], response_types: ['code'], grant_types: ['authorization_code'],
    }],
    jwks: { keys: [{ ...(await exportJWK(key.privateKey)), kid: 'first', use: 'sig', alg: 'RS256' }] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    pkce: { required: () => true },
    cookies: { keys: ['x'] },
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true } },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    renderError: (ctx, out) => { ctx.body = JSON.stringify(out); },
  });
  const callback = oidc.callback();
  const state = { server, url, oidc, who: 'ann', seen };
  handler = async (request, answer) => {
    if (request.url.startsWith('/jwks')) seen.jwks++;
    if (!request.url.startsWith('/interaction/')) return callback(request, answer);
    const details = await oidc.interactionDetails(request, answer);
    const grant = new oidc.Grant({ accountId: state.who, clientId: 'weir' });
    grant.addOIDCScope('openid email profile');
    const result = details.prompt.name === 'login' ? { login: { accountId: state.who } } : { consent: { grantId: await grant.save() } };
    return oidc.interactionFinished(request, answer, result);
  };
  return state;
}

// An issuer that signs whatever a test wants, and counts who asks for its keys.
async function tokenSigner() {
  const self = { asked: 0, down: false, cacheControl: 'max-age=600', keys: [] };
  const { server, url } = await listen((request, answer) => {
    if (self.down) {
      answer.writeHead(503).end();
    } else if (request.url === '/.well-known/openid-configuration') {
      answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }));
    } else {
      self.asked++;
      answer.writeHead(200, { 'cache-control': self.cacheControl }).end(JSON.stringify({ keys: self.keys.map((k) => k.public) }));
    }
  });
  self.url = url;
  self.server = server;
  self.make = async (kid, alg = 'RS256') => {
    const pair = await generateKeyPair(alg, { extractable: true });
    return { kid, alg, pair, public: { ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' } };
  };
  self.add = async (kid, alg) => {
    const key = await self.make(kid, alg);
    self.keys.push(key);
    return key;
  };
  self.token = (claims = {}, { key = self.keys[0], header = {} } = {}) => {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ iss: url, aud: 'weir-api', sub: 'robot', exp: now + 300, iat: now, groups: ['weir-dev'], ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.pair.privateKey);
  };
  return self;
}

const b64 = (v) => Buffer.from(typeof v === 'string' ? v : JSON.stringify(v)).toString('base64url');

// A browser: keeps cookies by name for all of 127.0.0.1, follows redirects.
function browser() {
  const jar = new Map();
  const self = {
    jar,
    async get(url, { method = 'GET', headers = {} } = {}) {
      const r = await fetch(url, {
        method, redirect: 'manual',
        headers: { cookie: [...jar].map(([k, v]) => `${k}=${v}`).join('; '), ...headers },
      });
      for (const c of r.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(c);
        if (value && !/max-age=0/i.test(c) && !/expires=Thu, 01 Jan 1970/i.test(c)) jar.set(name, value);
        else jar.delete(name);
      }
      return r;
    },
    async follow(url, stop = () => false) {
      for (let i = 0; i < 12; i++) {
        if (stop(url)) return { url };
        const r = await self.get(url);
        if (r.status < 300 || r.status > 399) return { url, r, text: await r.text() };
        url = new URL(r.headers.get('location'), url).href;
        if (url === `${control.url}/`) return { url, r };
      }
      throw new Error(`too many redirects, last ${url}`);
    },
    async session() {
      const r = await self.get(`${control.url}/api/v1/session`);
      return { status: r.status, json: await r.json() };
    },
  };
  return self;
}

const startUrl = (id = issuer.id) => `${control.url}/api/v1/session/oidc/${id}/start`;
const isCallback = (url) => url.includes('/session/oidc/callback');

async function signIn(who) {
  const b = browser();
  provider.who = who;
  const end = await b.follow(startUrl());
  return { b, end };
}

const audited = (action) => database.query('select * from audit_log where action = $1 order by id desc', [action]);

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  const args = ['--private-issuers', '127.0.0.1', '--database-connections', '6'];
  control = await startControl(database, { args });
  second = await startControl(database, { name: 'second', args });
  control.token = second.token = admin.admin_token;
  acme = (await control.must('GET', '/organizations')).data[0];
  provider = await openIdProvider();
  signer = await tokenSigner();
  await signer.add('one');
  await control.must('POST', '/teams', { name: 'ml' });
  issuer = await control.must('POST', '/issuers', {
    name: 'corporate', issuer: provider.url, client_id: 'weir', client_secret: 'top secret: a+b',
    group_rules: [
      { group: 'weir-*', workspace: 'main', role: 'developer' },
      { regex: '^ml-', team: 'ml' },
      { group: 'boss', role: 'admin' },
    ],
  }, { 'x-weir-organization': 'acme' });
});

after(async () => {
  provider?.server.close();
  signer?.server.close();
  await control?.end();
  await second?.end();
  await database?.drop();
});

test('an issuer is asked for its document and keys, never shows its secret, and a wrong one says what is wrong', async () => {
  // a control plane may be asking by itself at this moment
  const tested = await until('it was asked', async () => {
    const t = await control.must('POST', `/issuers/${issuer.id}/test`);
    return t.ok && t;
  });
  assert.equal(tested.keys, 1);
  const shown = await control.call('GET', `/issuers/${issuer.id}`, undefined, { 'x-weir-organization': 'acme' });
  assert.equal(shown.json.client_secret_set, true);
  assert.ok(!shown.text.includes('top secret'));
  assert.equal(shown.json.redirect_uri, `${control.url}/api/v1/session/oidc/callback`);
  const [row] = await database.query('select client_secret from issuers where id = $1', [shown.json.id.slice(4)]);
  assert.ok(!row.client_secret.toString('latin1').includes('top secret'));

  const other = await listen((request, answer) => answer.end(JSON.stringify({ issuer: 'https://elsewhere.test', jwks_uri: 'https://elsewhere.test/k' })));
  const wrong = await control.must('POST', '/issuers', { name: 'wrong', issuer: other.url, audiences: ['x'], admin_api: true });
  assert.equal((await control.must('POST', `/issuers/${wrong.id}/test`)).ok, false);
  await until('the failure is noted', async () => /names the issuer "https:\/\/elsewhere.test"/.test((await control.must('GET', `/issuers/${wrong.id}`)).fetch_error));
  await control.must('DELETE', `/issuers/${wrong.id}`);
  other.server.close();
});

test('an organization cannot point an issuer at private addresses, nor at plain http, nor at others', async () => {
  const refused = [
    [{ issuer: 'http://idp.example.com' }, 400],
    [{ issuer: 'https://idp.example.com', group_rules: [{ group: 'x', organization: 'other', role: 'owner' }] }, 400],
    [{ issuer: 'https://idp.example.com', group_rules: [{ group: 'x', role: 'platform_admin' }] }, 400],
    [{ issuer: 'https://idp.example.com', group_rules: [{ regex: '(', role: 'owner' }] }, 400],
    [{ issuer: 'https://idp.example.com', algorithms: ['HS256'] }, 400],
    [{ issuer: 'https://idp.example.com', admin_api: true }, 400],
    [{ issuer: 'https://idp.example.com', data_plane: true, audiences: ['x'] }, 400],
  ];
  for (const [body, status] of refused) {
    const r = await control.call('POST', '/issuers', { name: 'bad', ...body }, { 'x-weir-organization': 'acme' });
    assert.equal(r.status, status, `${JSON.stringify(body)}: ${r.text}`);
  }
  const owner = await control.must('POST', '/admin-tokens', { name: 'owner', role: 'owner' }, { 'x-weir-organization': 'acme' });
  const bearer = { authorization: `Bearer ${owner.secret}` };
  const domains = await control.call('POST', '/issuers', { name: 'bad', issuer: 'https://idp.example.com', email_domains: ['example.test'] }, bearer);
  assert.equal(domains.status, 403, domains.text);
  // 10.0.0.1 is not on the operator's list: nothing is sent there
  const inside = await control.must('POST', '/issuers', { name: 'inside', issuer: 'https://10.0.0.1' }, bearer);
  await until('it was refused', async () => /not a public address/.test((await control.must('POST', `/issuers/${inside.id}/test`, undefined, bearer)).error));
  await control.must('DELETE', `/issuers/${inside.id}`, undefined, bearer);
});

test('somebody signs in with PKCE, state and nonce; groups become roles and teams; the session is listed', async () => {
  const begun = await browser().get(startUrl());
  const asked = new URL(begun.headers.get('location')).searchParams;
  assert.equal(asked.get('code_challenge_method'), 'S256');
  assert.match(asked.get('code_challenge'), /^[\w-]{43}$/);
  assert.match(asked.get('nonce'), /^[\w-]{43}$/);
  assert.match(asked.get('state'), /^[\w-]{43}$/);
  assert.match(begun.headers.get('set-cookie'), /weir_login=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax/);

  const { b, end } = await signIn('ann');
  assert.equal(end.url, `${control.url}/`, end.text);
  const session = await b.session();
  assert.equal(session.status, 200);
  assert.equal(session.json.user.email, 'ann@example.test');
  assert.deepEqual(session.json.memberships.map((m) => [m.organization_id, m.role]), [[acme.id, 'developer']]);
  assert.equal(session.json.issuer_id, issuer.id);
  const members = await database.query('select t.name, m.owned_by from team_members m join teams t on t.id = m.team_id');
  assert.deepEqual(members, [{ name: 'ml', owned_by: 'oidc' }]);
  const sessions = await (await b.get(`${control.url}/api/v1/sessions`)).json();
  assert.equal(sessions.data.length, 1);
  assert.equal(sessions.data[0].current, true);
  const [entry] = await audited('session.create');
  assert.equal(entry.actor_name, 'ann@example.test');
  assert.equal(entry.address, '127.0.0.1');
  assert.equal(entry.after.issuer, 'corporate');
});

test('what groups gave is taken back at the next sign-in, and what was given by hand stays', async () => {
  const user = (await control.must('GET', '/users?email=ann@example.test')).data[0];
  await control.must('POST', '/memberships', { user_id: user.id, role: 'auditor' }, { 'x-weir-organization': 'acme' });
  people.ann.groups = ['boss', 'weir-x'];
  let session = (await (await signIn('ann')).b.session()).json;
  // by hand there is already one of the whole organization: it stays
  assert.deepEqual(session.memberships.map((m) => m.role).sort(), ['auditor', 'developer']);
  people.ann.groups = [];
  session = (await (await signIn('ann')).b.session()).json;
  assert.deepEqual(session.memberships.map((m) => m.role), ['auditor']);
  assert.deepEqual(await database.query('select 1 from team_members'), []);
  people.ann.groups = ['weir-dev', 'ml-team'];
  assert.ok((await audited('membership.delete')).length > 0);
});

test('who has no group that counts gets a clear page and nothing else, and no account is taken by its address alone', async () => {
  const { b, end } = await signIn('bob');
  assert.equal(end.r.status, 403);
  assert.match(end.r.headers.get('content-type'), /text\/html/);
  assert.match(end.text, /no role is given to you here/);
  assert.equal((await b.session()).status, 401);
  assert.deepEqual((await control.must('GET', '/users?email=bob@example.test')).data, []);
  const [entry] = await audited('session.refused');
  assert.equal(entry.object_name, 'bob@example.test');

  const eve = await signIn('eve');
  const session = (await eve.b.session()).json;
  assert.equal(session.platform_admin, false);
  assert.notEqual(session.user.email, 'admin@example.test');
  assert.equal((await eve.b.get(`${control.url}/api/v1/data-plane-groups`)).status, 403);
});

test('an answer counts once, in the browser that asked, with the state it was given, from the issuer it was asked of', async () => {
  provider.who = 'ann';
  const b = browser();
  const { url } = await b.follow(startUrl(), isCallback);
  assert.ok(new URL(url).searchParams.get('iss'), 'RFC 9207');
  const elsewhere = await browser().get(url);
  assert.equal(elsewhere.status, 401);
  const mixed = new URL(url);
  mixed.searchParams.set('iss', 'https://evil.test');
  const third = browser();
  const otherUrl = new URL((await third.follow(startUrl(), isCallback)).url);
  otherUrl.searchParams.set('iss', 'https://evil.test');
  assert.match(await (await third.get(otherUrl.href)).text(), /another identity provider/);
  const foreign = new URL(url);
  foreign.searchParams.set('state', 'x'.repeat(43));
  assert.equal((await b.get(foreign.href)).status, 401);
  assert.equal((await b.get(url)).status, 302);
  assert.equal((await b.session()).status, 200);
  assert.equal((await b.get(url)).status, 401, 'the same answer again');
  for (const path of ['//evil.test/', '/\\evil.test', 'https://evil.test/', '/\t/evil.test']) {
    const r = await browser().get(`${startUrl()}?return_to=${encodeURIComponent(path)}`);
    assert.equal(r.status, 302);
  }
  const flows = await database.query(`select distinct return_to from login_flows`);
  assert.deepEqual(flows, [{ return_to: '/' }]);
});

test('a nonce that is not the one of this sign-in, and a provider that refuses, end in a page', async () => {
  provider.who = 'ann';
  const b = browser();
  const { url } = await b.follow(startUrl(), isCallback);
  await database.query(`update login_flows set nonce = 'another'`);
  assert.match(await (await b.get(url)).text(), /belongs to another sign-in/);
  const c = browser();
  const denied = new URL((await c.follow(startUrl(), isCallback)).url);
  denied.searchParams.delete('code');
  denied.searchParams.set('error', 'access_denied');
  assert.match(await (await c.get(denied.href)).text(), /refused: access_denied/);
  const d = browser();
  const forged = new URL((await d.follow(startUrl(), isCallback)).url);
  forged.searchParams.set('code', 'guess');
  assert.match(await (await d.get(forged.href)).text(), /refused the code/);
});

test('a revoked session has ended; sign-out leads to the provider\'s own', async () => {
  const { b } = await signIn('ann');
  const mine = (await b.session()).json;
  const others = await control.must('GET', `/sessions?user_id=${mine.user.id}`);
  assert.ok(others.data.some((s) => s.id === mine.session_id));
  await control.must('DELETE', `/sessions/${mine.session_id}`);
  assert.equal((await b.session()).status, 401);
  assert.equal((await audited('session.revoke'))[0].object_name, 'ann@example.test');

  const again = (await signIn('ann')).b;
  const { csrf_token } = (await again.session()).json;
  const out = await again.get(`${control.url}/api/v1/session`, { method: 'DELETE', headers: { 'x-weir-csrf': csrf_token } });
  assert.equal(out.status, 200);
  const logout = new URL((await out.json()).logout_url);
  assert.equal(logout.origin, provider.url);
  assert.match(logout.searchParams.get('id_token_hint'), /^[\w-]+\.[\w-]+\.[\w-]+$/);
  assert.equal(logout.searchParams.get('post_logout_redirect_uri'), `${control.url}/`);
  assert.equal((await again.get(logout.href)).status, 200);
  assert.equal((await again.session()).status, 401);
  // to a developer other people's sessions are not there
  const dev = (await signIn('ann')).b;
  const other = (await (await signIn('eve')).b.session()).json;
  const csrf = (await dev.session()).json.csrf_token;
  const r = await dev.get(`${control.url}/api/v1/sessions/${other.session_id}`, { method: 'DELETE', headers: { 'x-weir-csrf': csrf } });
  assert.equal(r.status, 404);
});

test('a dry run tells what somebody would get, and changes nothing', async () => {
  const before = await database.query('select count(*) from users');
  const told = await control.must('POST', `/issuers/${issuer.id}/dry-run`, { claims: { sub: 'new', email: 'new@example.test', groups: ['weir-dev', 'ml-x'] } });
  assert.equal(told.access, true);
  assert.deepEqual(told.memberships.map((m) => m.role), ['developer']);
  assert.deepEqual(told.teams.map((t) => t.name), ['ml']);
  const nothing = await control.must('POST', `/issuers/${issuer.id}/dry-run`, { claims: { sub: 'new', groups: [], hasgroups: true } });
  assert.equal(nothing.access, false);
  assert.equal(nothing.groups_overage, true);
  assert.deepEqual(await database.query('select count(*) from users'), before);
});

// --- signed tokens at the admin API ---

let api;
const asToken = (token, path = '/workspaces', plane = control) => plane.call('GET', path, undefined, { authorization: `Bearer ${token}` });

test('a signed token of a trusted issuer may what its groups may, by every algorithm that is allowed', async () => {
  for (const alg of ['RS256', 'PS384', 'ES256', 'ES512', 'EdDSA']) await signer.add(`key-${alg}`, alg);
  api = await control.must('POST', '/issuers', {
    name: 'robots', issuer: signer.url, audiences: ['weir-api'], admin_api: true, login: false,
    algorithms: ['RS256', 'PS384', 'ES256', 'ES512', 'EdDSA'],
    group_rules: [{ group: 'weir-dev', workspace: 'main', role: 'developer' }],
  }, { 'x-weir-organization': 'acme' });
  await until('the keys are here', async () => (await control.must('GET', `/issuers/${api.id}`)).jwks.keys.length === 6);
  for (const key of signer.keys) {
    const r = await asToken(await signer.token({}, { key }));
    assert.equal(r.status, 200, `${key.alg}: ${r.text}`);
  }
  const token = await signer.token();
  assert.equal((await asToken(token, '/audit')).status, 403);
  assert.equal((await asToken(token, '/session')).json.signed_token.name, 'robot');
  const made = await control.call('POST', '/keys', { name: 'by-robot' }, { authorization: `Bearer ${token}` });
  assert.equal(made.status, 201, made.text);
  assert.equal((await asToken(await signer.token({ groups: ['other'] }))).status, 403);
  assert.equal((await asToken(await signer.token({ aud: ['x', 'weir-api'] }))).status, 200);
});

test('no token is taken that expired, is early, forged, for others, unsigned, or signed with the public key', async () => {
  const now = Math.floor(Date.now() / 1000);
  const good = await signer.token();
  const [head, payload, signature] = good.split('.');
  const otherKey = { ...(await signer.make('one')) };
  const pem = await exportSPKI(signer.keys[0].pair.publicKey);
  const hs = (secret) => {
    const text = `${b64({ alg: 'HS256', kid: 'one', typ: 'JWT' })}.${payload}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const refused = {
    'has expired': [await signer.token({ exp: now - 61 })],
    'is not valid yet': [await signer.token({ nbf: now + 3600 }), await signer.token({ iat: now + 3600 })],
    'signature is wrong': [
      await signer.token({}, { key: otherKey }),
      `${head}.${b64({ ...JSON.parse(Buffer.from(payload, 'base64url')), groups: ['weir-dev', 'boss'] })}.${signature}`,
      `${head}.${payload}.`,
    ],
    'for another audience': [await signer.token({ aud: 'others' }), await signer.token({ aud: undefined })],
    'not trusted here': [await signer.token({ iss: 'https://evil.test' })],
    'algorithm is not allowed': [
      `${b64({ alg: 'none' })}.${payload}.`, `${b64({ alg: 'None', kid: 'one' })}.${payload}.${signature}`, hs(pem), hs(JSON.stringify(signer.keys[0].public)),
      await signer.token({}, { key: await signer.make('one', 'RS512') }),
    ],
    'is malformed': [
      await signer.token({ exp: undefined }), await signer.token({ exp: 'tomorrow' }),
      `${b64({ alg: 'RS256', kid: 'one', crit: ['x'], x: 1 })}.${payload}.${signature}`,
      `${b64('{"alg":"RS256","kid":"one","alg":"none"}')}.${payload}.${signature}`,
      `${b64({ alg: 'RS256', kid: 'one', b64: false })}.${payload}.${signature}`,
    ],
  };
  for (const [why, tokens] of Object.entries(refused)) {
    for (const token of tokens) {
      const r = await asToken(token);
      assert.equal(r.status, 401, `${why}: ${r.text}`);
      assert.match(r.json.error.message, new RegExp(why), r.text);
      assert.equal(r.json.error.code, 'invalid_token');
    }
  }
  assert.equal((await asToken(good)).status, 200);
});

test('two hundred tokens with unknown keys on two control planes cause one question at most', async () => {
  await database.query(`update issuers set asked_at = null where id = $1`, [api.id.slice(4)]);
  const asked = signer.asked;
  const stranger = await signer.make('nobody');
  const tokens = await Promise.all(Array.from({ length: 200 }, (_, i) => signer.token({}, { key: { ...stranger, kid: `unknown-${i}` } })));
  const answers = [];
  for (let i = 0; i < tokens.length; i += 20) {
    answers.push(...await Promise.all(tokens.slice(i, i + 20).map((t, k) => asToken(t, '/workspaces', k % 2 ? control : second))));
  }
  assert.ok(answers.every((r) => r.status === 401));
  assert.equal(signer.asked - asked, 1);
});

test('a new key works at once, an old one until keys were replaced twice, and the last good set survives an outage', async () => {
  const again = () => database.query(`update issuers set asked_at = null where id = $1`, [api.id.slice(4)]);
  const old = signer.keys.slice();
  signer.keys = [await signer.make('second')];
  await again();
  assert.equal((await asToken(await signer.token())).status, 200, 'fetched because its key was not known');
  assert.equal((await asToken(await signer.token({}, { key: old[0] }))).status, 200, 'replaced once');
  signer.down = true;
  await again();
  assert.equal((await asToken(await signer.token({}, { key: await signer.make('third') }))).status, 401);
  assert.match((await control.must('GET', `/issuers/${api.id}`)).fetch_error, /503/);
  assert.equal((await asToken(await signer.token())).status, 200);
  signer.down = false;
  const middle = signer.keys[0];
  signer.keys = [await signer.make('fourth')];
  await again();
  assert.equal((await asToken(await signer.token())).status, 200);
  assert.equal((await asToken(await signer.token({}, { key: middle }))).status, 200);
  assert.equal((await asToken(await signer.token({}, { key: old[0] }))).status, 401, 'replaced twice');
});

test('a token that was denied, and an issuer that was disabled, count for nothing', async () => {
  const token = await signer.token({ jti: 'stolen' });
  assert.equal((await asToken(token)).status, 200);
  await control.must('PATCH', `/issuers/${api.id}`, { denied_jti: ['stolen'] }, { 'if-match': '*' });
  assert.equal((await asToken(token)).status, 401);
  assert.equal((await asToken(await signer.token({ jti: 'other' }))).status, 200);
  await control.must('PATCH', `/issuers/${api.id}`, { disabled: true }, { 'if-match': '*' });
  assert.equal((await asToken(await signer.token())).status, 401);
});

test('a key with permissions for the admin API may those, in its workspace, and others may nothing', async () => {
  const key = await control.must('POST', '/keys', { name: 'automation', admin_permissions: ['key.read'] }, { 'x-weir-organization': 'acme' });
  const plain = await control.must('POST', '/keys', { name: 'plain' }, { 'x-weir-organization': 'acme' });
  assert.equal((await asToken(key.secret, '/keys')).status, 200);
  assert.equal((await asToken(key.secret, '/session')).json.key.name, 'automation');
  assert.equal((await asToken(key.secret, '/providers')).status, 403);
  assert.equal((await control.call('POST', '/keys', { name: 'x' }, { authorization: `Bearer ${key.secret}` })).status, 403);
  assert.equal((await asToken(plain.secret, '/keys')).status, 401);
});

test('the sign-in page learns what there is, and password sign-in can be switched off', async () => {
  const public_ = await control.call('GET', '/session/providers', undefined, { authorization: '' });
  assert.equal(public_.json.password, true);
  assert.deepEqual(public_.json.providers.map((p) => p.name), ['corporate']);
  await second.end();
  second = await startControl(database, { name: 'second', args: ['--local-login', 'off'] });
  second.token = admin.admin_token;
  const r = await second.call('POST', '/session', { email: 'admin@example.test', password: 'whatever it is' }, { authorization: '' });
  assert.equal(r.status, 403);
  assert.equal((await second.call('GET', '/session/providers', undefined, { authorization: '' })).json.password, false);
});
