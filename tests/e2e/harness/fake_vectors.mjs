// Providers of embeddings and reranking on one server, as strict as the real ones: keys in their places, no member that the API does not
// have, one text a call where that is the limit. A text's vector tells the text: [its length, its first letter's code / 256, 0.5, -0.25],
// all exact in float32. A document's score is 1 / (1 + its length), so the shortest is the best. Usage is ten tokens a text.
import { fakeProvider } from './fake_provider.mjs';

export const vectorOf = (text) => [text.length, text.charCodeAt(0) / 256, 0.5, -0.25];
const TOKENS = 10;
const need = (ok, what) => {
  if (!ok) throw new Error(what);
};
const only = (o, ...names) => {
  for (const n of Object.keys(o)) need(names.includes(n), `unknown member ${n}`);
};
const texts = (list, what, most) => {
  need(Array.isArray(list) && list.length > 0 && list.length <= most, `${what}: ${list?.length}`);
  for (const t of list) need(typeof t === 'string' && t.length > 0, `${what} holds ${JSON.stringify(t)}`);
  return list;
};
const base64 = (v) => Buffer.from(Float32Array.from(v).buffer).toString('base64');
const ranked = (documents, n) => documents.map((d, index) => ({ index, relevance_score: 1 / (1 + d.length) })).sort((a, b) => b.relevance_score - a.relevance_score).slice(0, n ?? documents.length);
const bearer = (h) => need(h.authorization === 'Bearer up-key', 'key');
const sigv4 = (h) => need(h.authorization?.startsWith('AWS4-HMAC-SHA256 Credential=AKIDUP/'), 'SigV4');

// [path, handler(json, headers, response headers) → answer]
const ROUTES = {
  openai: [/^\/openai\/v1\/embeddings$/, (o, h) => {
    bearer(h);
    only(o, 'model', 'input', 'encoding_format', 'dimensions', 'user');
    const list = texts(typeof o.input === 'string' ? [o.input] : o.input, 'input', 2048);
    need([undefined, 'float', 'base64'].includes(o.encoding_format), 'encoding_format');
    return { object: 'list', model: o.model, data: list.map((t, index) => ({ object: 'embedding', index, embedding: o.encoding_format === 'base64' ? base64(vectorOf(t)) : vectorOf(t) })), usage: { prompt_tokens: TOKENS * list.length, total_tokens: TOKENS * list.length } };
  }],
  gemini: [/^\/gemini\/v1beta\/models\/[^/:]+:(batchEmbedContents|embedContent)$/, (o, h, _, url) => {
    need(h['x-goog-api-key'] === 'up-key', 'key');
    const one = (r) => {
      only(r, 'model', 'content', 'taskType', 'title', 'outputDimensionality');
      return texts(r.content.parts.map((p) => p.text), 'parts', 100).join('');
    };
    if (url.endsWith(':embedContent')) return { embedding: { values: vectorOf(one(o)) } };
    only(o, 'requests');
    const model = decodeURIComponent(url.split('/models/')[1].split(':')[0]);
    for (const r of o.requests) need(r.model === `models/${model}`, `requests.model ${r.model}`);
    return { embeddings: o.requests.map((r) => ({ values: vectorOf(one(r)) })) };
  }],
  vertex: [/^\/vertex\/v1\/projects\/p1\/locations\/us-central1\/publishers\/google\/models\/[^/]+:predict$/, (o, h) => {
    need(h.authorization === 'Bearer up-token', 'key');
    only(o, 'instances', 'parameters');
    const list = texts(o.instances.map((i) => {
      only(i, 'content', 'task_type', 'title');
      return i.content;
    }), 'instances', 250);
    return { predictions: list.map((t) => ({ embeddings: { values: vectorOf(t), statistics: { truncated: false, token_count: TOKENS } } })), metadata: { billableCharacterCount: 7 } };
  }],
  cohere: [/^\/cohere\/v2\/embed$/, (o, h) => {
    bearer(h);
    only(o, 'model', 'texts', 'input_type', 'embedding_types', 'output_dimension', 'truncate');
    const list = texts(o.texts, 'texts', 96);
    need(['search_document', 'search_query', 'classification', 'clustering'].includes(o.input_type), `input_type ${o.input_type}`);
    need(Array.isArray(o.embedding_types) && o.embedding_types.every((t) => ['float', 'base64'].includes(t)), `embedding_types ${o.embedding_types}`);
    return { id: 'e1', texts: list, embeddings: { ...(o.embedding_types.includes('float') ? { float: list.map(vectorOf) } : {}), ...(o.embedding_types.includes('base64') ? { base64: list.map((t) => base64(vectorOf(t))) } : {}) }, response_type: 'embeddings_by_type', meta: { api_version: { version: '2' }, billed_units: { input_tokens: TOKENS * list.length } } };
  }],
  titan: [/^\/bedrock\/model\/amazon\.titan-embed-text-v2%3A0\/invoke$/, (o, h, head) => {
    sigv4(h);
    only(o, 'inputText', 'dimensions', 'normalize', 'embeddingTypes');
    need(typeof o.inputText === 'string' && o.inputText.length > 0, 'inputText');
    head['x-amzn-bedrock-input-token-count'] = String(TOKENS);
    return { embedding: vectorOf(o.inputText), embeddingsByType: { float: vectorOf(o.inputText) }, inputTextTokenCount: TOKENS };
  }],
  'bedrock cohere': [/^\/bedrock\/model\/cohere\.embed-multilingual-v3\/invoke$/, (o, h, head) => {
    sigv4(h);
    only(o, 'texts', 'input_type', 'truncate', 'embedding_types', 'output_dimension');
    const list = texts(o.texts, 'texts', 96);
    need(['search_document', 'search_query', 'classification', 'clustering'].includes(o.input_type), `input_type ${o.input_type}`);
    head['x-amzn-bedrock-input-token-count'] = String(TOKENS * list.length);
    return o.embedding_types ? { id: 'e1', texts: list, embeddings: { float: list.map(vectorOf) }, response_type: 'embeddings_by_type' } : { id: 'e1', texts: list, embeddings: list.map(vectorOf), response_type: 'embeddings_floats' };
  }],
  ollama: [/^\/ollama\/api\/embed$/, (o) => {
    only(o, 'model', 'input', 'truncate', 'dimensions', 'options', 'keep_alive');
    const list = texts(typeof o.input === 'string' ? [o.input] : o.input, 'input', 2048);
    return { model: o.model, embeddings: list.map(vectorOf), total_duration: 5, load_duration: 1, prompt_eval_count: TOKENS * list.length };
  }],
  'cohere rerank': [/^\/cohere\/v2\/rerank$/, (o, h) => {
    bearer(h);
    only(o, 'model', 'query', 'documents', 'top_n', 'max_tokens_per_doc');
    need(Array.isArray(o.documents) && typeof o.query === 'string', 'documents or query is missing');
    return { id: 'r1', results: ranked(texts(o.documents, 'documents', 1000), o.top_n), meta: { api_version: { version: '2' }, billed_units: { search_units: 2 } } };
  }],
  'jina rerank': [/^\/jina\/v1\/rerank$/, (o, h) => {
    bearer(h);
    only(o, 'model', 'query', 'documents', 'top_n', 'return_documents', 'truncation');
    need(Array.isArray(o.documents) && typeof o.query === 'string', 'documents or query is missing');
    const list = texts(o.documents.map((d) => d.text ?? d), 'documents', 2048); // objects with a text are as good
    const results = ranked(list, o.top_n).map((x) => (o.return_documents ? { ...x, document: { text: list[x.index] } } : x));
    return { model: o.model, object: 'list', usage: { total_tokens: TOKENS * list.length }, results };
  }],
  'voyage rerank': [/^\/voyage\/v1\/rerank$/, (o, h) => {
    bearer(h);
    only(o, 'model', 'query', 'documents', 'top_k', 'return_documents', 'truncation');
    need(Array.isArray(o.documents) && typeof o.query === 'string', 'documents or query is missing');
    return { object: 'list', model: o.model, data: ranked(texts(o.documents, 'documents', 1000), o.top_k), usage: { total_tokens: TOKENS * o.documents.length } };
  }],
  'bedrock rerank': [/^\/bedrock\/model\/cohere\.rerank-v3-5%3A0\/invoke$/, (o, h) => {
    sigv4(h);
    only(o, 'query', 'documents', 'top_n', 'api_version', 'max_tokens_per_doc');
    need(o.api_version === 2, 'api_version');
    return { results: ranked(texts(o.documents, 'documents', 1000), o.top_n) };
  }],
};

export async function fakeVectors() {
  const faults = [];
  const fake = await fakeProvider((call, res) => {
    const found = Object.entries(ROUTES).find(([, [path]]) => path.test(call.url));
    const head = { 'content-type': 'application/json' };
    try {
      need(found, `nothing at ${call.url}`);
      call.route = found[0];
      const answer = found[1][1](call.json, call.headers, head, call.url);
      res.writeHead(200, head);
      res.end(JSON.stringify(answer));
    } catch (e) {
      faults.push(`${found?.[0]}: ${e.message} ${call.body}`);
      res.writeHead(400, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { message: e.message }, message: e.message }));
    }
  });
  return Object.assign(fake, { faults });
}

export const vectorProviders = (url) => `
  - {name: openai, kind: openai, base_url: "${url}/openai/v1", api_key: up-key}
  - {name: gemini, kind: gemini, base_url: "${url}/gemini", api_key: up-key}
  - {name: vertex, kind: vertex, base_url: "${url}/vertex", project: p1, location: us-central1, access_token: up-token}
  - {name: cohere, kind: cohere, base_url: "${url}/cohere", api_key: up-key}
  - {name: bedrock, kind: bedrock, base_url: "${url}/bedrock", region: us-east-1, aws_access_key_id: AKIDUP, aws_secret_access_key: secretup}
  - {name: ollama, kind: ollama, base_url: "${url}/ollama"}
  - {name: jina, kind: jina, base_url: "${url}/jina/v1", api_key: up-key}
  - {name: voyage, kind: voyage, base_url: "${url}/voyage/v1", api_key: up-key}`;
