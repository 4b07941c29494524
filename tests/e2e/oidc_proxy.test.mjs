// Signed tokens at the proxies, in place of keys: a proxy on its own with keys out of its file, and a managed one that gets an
// issuer's keys, new ones too, with its configuration and asks nobody.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, configure, startControl, startProxy, startStandalone } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { until } from './harness/process.mjs';

const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };
let provider, database, control, proxy, idp, keys, asked = 0;

async function makeKey(kid, alg = 'ES256') {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, pair, public: { ...(await exportJWK(pair.publicKey)), kid, alg } };
}

const sign = (key, issuer, claims = {}) => {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ iss: issuer, aud: 'weir', sub: 'ann', exp: now + 300, ...claims })
    .setProtectedHeader({ alg: key.alg, kid: key.kid }).sign(key.pair.privateKey);
};

const ask = async (plane, token) => {
  const r = await plane.chat(token, body);
  return { status: r.status, json: await r.json() };
};

before(async () => {
  provider = await fakeProvider();
});

after(async () => {
  await proxy?.end();
  await control?.end();
  await database?.drop();
  await provider?.close();
  idp?.closeAllConnections();
  idp?.close();
});

test('a proxy on its own takes the tokens that its file trusts, and no others', async () => {
  const key = await makeKey('one');
  const alone = await startStandalone(`version: 1
providers: [{name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: sk-upstream}]
models: [{name: gpt-4o, targets: [{provider: openai, model: gpt-4o}]}]
keys: [{name: staff, secret: staff-secret-of-the-file}, {name: none, secret: another-secret-of-the-file, models: []}]
issuers:
  - name: idp
    issuer: https://idp.test
    audiences: [weir]
    jwks: ${JSON.stringify({ keys: [key.public] })}
    key_ids: [staff, none]
    claims: {key: profile}
`);
  try {
    assert.equal((await ask(alone, await sign(key, 'https://idp.test'))).status, 200);
    assert.equal((await ask(alone, await sign(key, 'https://idp.test', { profile: 'none' }))).status, 403, 'as its key may');
    for (const token of [
      await sign(key, 'https://idp.test', { aud: 'other' }), await sign(key, 'https://other.test'),
      await sign(key, 'https://idp.test', { exp: 1 }), await sign(await makeKey('one'), 'https://idp.test'),
      await sign(key, 'https://idp.test', { profile: 'unknown' }),
    ]) {
      const r = await ask(alone, token);
      assert.equal(r.status, 401);
      assert.equal(r.json.error.code, 'invalid_token');
    }
  } finally {
    await alone.end();
  }
});

test('a managed proxy gets the keys, and their replacement, with its configuration', async () => {
  keys = [await makeKey('first')];
  idp = http.createServer((request, answer) => {
    asked++;
    answer.end(JSON.stringify({ keys: keys.map((k) => k.public) }));
  });
  await new Promise((resolve) => idp.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${idp.address().port}`;
  database = await sharedDatabase();
  const admin = bootstrap(database);
  control = await startControl(database, { args: ['--private-issuers', '127.0.0.1'] });
  control.token = admin.admin_token;
  proxy = await startProxy(control);
  await configure(control, provider.url, [proxy]);
  const key = (await control.must('GET', '/keys?name=first')).data[0];
  const issuer = await control.must('POST', '/issuers', {
    name: 'apps', issuer: url, jwks_uri: `${url}/keys`, audiences: ['weir'], data_plane: true, key_ids: [key.id],
  }, { 'x-weir-organization': 'acme' });
  await control.must('POST', `/issuers/${issuer.id}/test`);
  await until('the token is taken', async () => (await ask(proxy, await sign(keys[0], url))).status === 200);
  const before_ = asked;
  const stranger = await makeKey('stranger');
  for (let i = 0; i < 20; i++) assert.equal((await ask(proxy, await sign({ ...stranger, kid: `k${i}` }, url))).status, 401);
  assert.equal(asked, before_, 'a proxy asks nobody');

  const old = keys[0];
  keys = [await makeKey('second', 'EdDSA')];
  await control.must('PATCH', `/issuers/${issuer.id}`, { algorithms: ['ES256', 'EdDSA'] }, { 'if-match': '*' });
  await database.query(`update issuers set asked_at = null where id = $1`, [issuer.id.slice(4)]);
  await control.must('POST', `/issuers/${issuer.id}/test`);
  await until('the new key is there', async () => (await ask(proxy, await sign(keys[0], url))).status === 200);
  assert.equal((await ask(proxy, await sign(old, url))).status, 200, 'the old one stays for a while');
  await control.must('PATCH', `/issuers/${issuer.id}`, { disabled: true }, { 'if-match': '*' });
  await until('nobody is taken any more', async () => (await ask(proxy, await sign(keys[0], url))).status === 401);
});
