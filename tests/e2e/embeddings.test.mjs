// Embeddings and reranking: each client on each provider. The official SDKs ask as they do by default (OpenAI's wants base64), get the
// vectors in the order of their texts, and the events have the provider's count of tokens.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BedrockRuntimeClient, InvokeModelCommand } from '@aws-sdk/client-bedrock-runtime';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { eventOf, quantities } from './harness/events.mjs';
import { fakeVectors, vectorOf, vectorProviders } from './harness/fake_vectors.mjs';
import { startStandalone } from './harness/planes.mjs';

const KEY = 'vector-key';
const TARGETS = {
  'to-openai': '{provider: openai, model: text-embedding-3-small}', 'to-gemini': '{provider: gemini, model: gemini-embedding-001}', 'to-vertex': '{provider: vertex, model: text-embedding-005}',
  'to-cohere': '{provider: cohere, model: embed-v4.0}', 'to-titan': '{provider: bedrock, model: "amazon.titan-embed-text-v2:0"}', 'to-bedrock-cohere': '{provider: bedrock, model: cohere.embed-multilingual-v3}',
  'to-ollama': '{provider: ollama, model: nomic-embed-text}',
};
const RERANK = { 'to-rerank-cohere': '{provider: cohere, model: rerank-v3.5}', 'to-rerank-jina': '{provider: jina, model: jina-reranker-v2}', 'to-rerank-voyage': '{provider: voyage, model: rerank-2}', 'to-rerank-bedrock': '{provider: bedrock, model: "cohere.rerank-v3-5:0"}' };
const THREE = ['one', 'fourteen chars', 'größer "x"\n'];
let fake, proxy;

before(async () => {
  fake = await fakeVectors();
  proxy = await startStandalone(`
version: 1
providers:${vectorProviders(fake.url)}
models:
${Object.entries({ ...TARGETS, ...RERANK }).map(([name, target]) => `  - {name: ${name}, targets: [${target}]}`).join('\n')}
keys: [{name: k, secret: ${KEY}}]
`, { workers: 2 });
});

after(async () => {
  await proxy?.end();
  await fake?.close();
});

// The provider's calls of what `ask` does, and that it found no fault with them.
async function calls(ask) {
  const from = fake.calls.length, faults = fake.faults.length;
  let result, failure;
  try {
    result = await ask();
  } catch (e) {
    failure = e;
  }
  assert.deepEqual(fake.faults.slice(faults), [], failure?.message);
  if (failure) throw failure;
  return [result, fake.calls.slice(from)];
}
const counted = async (response, tokens) => {
  const e = await eventOf(proxy, response);
  assert.equal(e.outcome, 'ok');
  assert.equal(e.endpoint, 'embeddings');
  assert.equal(e.attempts.length, 1);
  assert.equal(quantities(e).token_in, tokens, JSON.stringify(e.attempts[0].quantities));
  assert.ok(!quantities(e).token_out);
};
// Gemini's API counts no tokens of embeddings.
const tokensOf = (target, n) => (target === 'to-gemini' ? undefined : 10 * n);

describe('the openai SDK', () => {
  let client;
  before(() => (client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0 })));
  for (const target of Object.keys(TARGETS)) {
    for (const [how, extra] of Object.entries({ 'as it asks by default': {}, 'float': { encoding_format: 'float' }, 'base64': { encoding_format: 'base64' } })) {
      test(`${target}, ${how}`, async () => {
        const [{ data, response }, sent] = await calls(() => client.embeddings.create({ model: target, input: THREE, ...extra }).withResponse());
        assert.deepEqual(data.data.map((d) => d.index), [0, 1, 2]);
        for (const [i, d] of data.data.entries()) {
          const values = typeof d.embedding === 'string' ? [...new Float32Array(new Uint8Array(Buffer.from(d.embedding, 'base64')).buffer)] : d.embedding;
          assert.equal(typeof d.embedding === 'string', how === 'base64');
          assert.deepEqual([...values], vectorOf(THREE[i]));
        }
        assert.equal(sent.length, target === 'to-titan' ? 3 : 1, 'calls');
        if (target === 'to-titan') assert.deepEqual(sent.map((c) => c.json.inputText), THREE);
        if (tokensOf(target, 3)) assert.deepEqual([data.usage.prompt_tokens, data.usage.total_tokens], [30, 30]);
        if (tokensOf(target, 3)) await counted(response, 30);
        assert.equal(response.headers.get('x-weir-dropped-params'), null);
      });
    }
    test(`${target}, one text`, async () => {
      const [{ data, response }, sent] = await calls(() => client.embeddings.create({ model: target, input: 'alone' }).withResponse());
      assert.deepEqual(data.data.map((d) => [...d.embedding]), [vectorOf('alone')]);
      assert.equal(sent.length, 1);
      if (tokensOf(target, 1)) await counted(response, 10);
    });
    test(`${target}, dimensions and user: carried or named`, async () => {
      const [{ data, response }, sent] = await calls(() => client.embeddings.create({ model: target, input: 'x', dimensions: 256, user: 'u1' }).withResponse());
      assert.equal(data.data.length, 1);
      const dropped = (response.headers.get('x-weir-dropped-params') ?? '').split(', ');
      assert.ok(JSON.stringify(sent[0].json).includes('256') !== dropped.includes('dimensions'), `${dropped} ${sent[0].body}`);
      assert.ok(JSON.stringify(sent[0].json).includes('u1') !== dropped.includes('user'), `${dropped} ${sent[0].body}`);
    });
  }
  test('forty texts, Titan: in order', async () => {
    const input = Array.from({ length: 40 }, (_, i) => 'x'.repeat(i + 1));
    const [r, sent] = await calls(() => client.embeddings.create({ model: 'to-titan', input }));
    assert.equal(sent.length, 40);
    assert.deepEqual(r.data.map((d) => d.embedding[0]), input.map((t) => t.length));
    assert.equal(r.usage.prompt_tokens, 400);
  });
  test('token ids where a provider wants texts are refused', async () => {
    for (const target of ['to-gemini', 'to-titan', 'to-cohere']) {
      const from = fake.calls.length;
      await assert.rejects(client.embeddings.create({ model: target, input: [[1, 2, 3]] }), (e) => e instanceof OpenAI.BadRequestError && e.param !== undefined);
      assert.equal(fake.calls.length, from);
    }
  });
  test('what a provider refuses is the SDK\'s exception', async () => {
    const from = fake.faults.length;
    for (const target of Object.keys(TARGETS)) await assert.rejects(client.embeddings.create({ model: target, input: ['', 'x'] }), (e) => e instanceof OpenAI.BadRequestError, target);
    assert.ok(fake.faults.length > from);
  });
});

describe('the Gemini SDK', () => {
  const client = () => new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: proxy.url, retryOptions: { attempts: 1 } } });
  for (const target of Object.keys(TARGETS)) {
    test(`${target}: one and three`, async () => {
      const [three, sent] = await calls(() => client().models.embedContent({ model: target, contents: THREE, config: { taskType: 'RETRIEVAL_DOCUMENT' } }));
      assert.deepEqual(three.embeddings.map((e) => e.values), THREE.map(vectorOf));
      assert.equal(sent.length, target === 'to-titan' ? 3 : 1);
      const task = { 'to-cohere': 'search_document', 'to-bedrock-cohere': 'search_document', 'to-gemini': 'RETRIEVAL_DOCUMENT', 'to-vertex': 'RETRIEVAL_DOCUMENT' }[target];
      if (task) assert.ok(sent[0].body.includes(`"${task}"`), sent[0].body);
      const [one] = await calls(() => client().models.embedContent({ model: target, contents: 'alone' }));
      assert.deepEqual(one.embeddings.map((e) => e.values), [vectorOf('alone')]);
    });
    test(`${target}: embedContent itself`, async () => {
      const [r] = await calls(() => fetch(`${proxy.url}/v1beta/models/${target}:embedContent`, { method: 'POST', headers: { 'x-goog-api-key': KEY, 'content-type': 'application/json' }, body: JSON.stringify({ model: `models/${target}`, content: { parts: [{ text: 'alone' }] } }) }));
      assert.equal(r.status, 200);
      assert.deepEqual((await r.json()).embedding.values, vectorOf('alone'));
      if (tokensOf(target, 1)) await counted(r, 10);
    });
  }
});

describe('the AWS SDK', () => {
  let client;
  before(() => (client = new BedrockRuntimeClient({ endpoint: proxy.url, region: 'us-east-1', credentials: { accessKeyId: KEY, secretAccessKey: 'x' }, maxAttempts: 1 })));
  after(() => client.destroy());
  const invoke = async (modelId, body) => JSON.parse(Buffer.from((await client.send(new InvokeModelCommand({ modelId, contentType: 'application/json', accept: 'application/json', body: JSON.stringify(body) }))).body));
  for (const target of Object.keys(TARGETS)) {
    test(`Titan's body, ${target}`, async () => {
      const [r, sent] = await calls(() => invoke(target, { inputText: 'alone' }));
      assert.deepEqual(r.embedding, vectorOf('alone'));
      if (tokensOf(target, 1)) assert.equal(r.inputTextTokenCount, 10);
      assert.equal(sent.length, 1);
    });
    test(`Cohere's body, ${target}`, async () => {
      const [r, sent] = await calls(() => invoke(target, { texts: THREE, input_type: 'search_query' }));
      assert.deepEqual(r.embeddings, THREE.map(vectorOf));
      assert.equal(sent.length, target === 'to-titan' ? 3 : 1);
      const [typed] = await calls(() => invoke(target, { texts: THREE, input_type: 'search_query', embedding_types: ['float'] }));
      assert.deepEqual(typed.embeddings.float, THREE.map(vectorOf));
    });
  }
});

describe('rerank', () => {
  const post = (path, body) => fetch(proxy.url + path, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` }, body: JSON.stringify(body) });
  const documents = ['a rather long document', 'short', 'of middling len'];
  for (const target of Object.keys(RERANK)) {
    test(`${target}: Cohere's form`, async () => {
      const [r, sent] = await calls(() => post('/v2/rerank', { model: target, query: 'q', documents, top_n: 2 }));
      const json = await r.json();
      assert.equal(r.status, 200, JSON.stringify(json));
      assert.deepEqual(json.results.map((x) => [x.index, x.relevance_score]), [[1, 1 / 6], [2, 1 / 16]]);
      assert.equal(sent.length, 1);
      const e = await eventOf(proxy, r);
      assert.equal(e.outcome, 'ok');
      if (target === 'to-rerank-cohere') assert.deepEqual([quantities(e).search, json.meta.billed_units.search_units], [2, 2]);
      if (/jina|voyage/.test(target)) assert.equal(quantities(e).token_in, 30);
    });
    test(`${target}: Jina's form, with the documents`, async () => {
      for (const path of ['/v1/rerank', '/rerank']) {
        const [r] = await calls(() => post(path, { model: target, query: 'q', documents: [documents[0], { text: documents[1] }], return_documents: true }));
        const json = await r.json();
        assert.equal(r.status, 200, JSON.stringify(json));
        assert.deepEqual(json.results.map((x) => [x.index, x.document.text]), [[1, 'short'], [0, documents[0]]]);
        if (/jina|voyage/.test(target)) assert.equal(json.usage.total_tokens, 20);
      }
    });
    test(`${target}: what is wrong is named`, async () => {
      const passes = /cohere|jina/.test(target); // the same form: the provider judges
      for (const [body, param] of [[{ model: target, query: 'q' }, 'documents'], [{ model: target, documents }, 'query'], [{ model: target, query: 'q', documents: [] }, 'documents'], [{ model: target, query: 'q', documents: [7] }, 'documents\\[0\\]']]) {
        const r = await post('/v2/rerank', body);
        const text = await r.text();
        if (!passes) assert.equal(r.status, 400, text);
        if (!passes) assert.match(text, new RegExp(param));
      }
    });
  }
  test('a provider without it', async () => {
    const r = await post('/v2/rerank', { model: 'to-openai', query: 'q', documents });
    assert.ok([400, 404, 501].includes(r.status), `${r.status}`);
  });
});
