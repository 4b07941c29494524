// A provider that behaves as the test says: strict about what it gets, and it counts every call that it answered.
import http from 'node:http';
import { letGoAfterTests } from './process.mjs';

export function completion(model, text, usage = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 }) {
  return {
    id: 'chatcmpl-1', object: 'chat.completion', created: 1700000000, model,
    choices: [{ index: 0, message: { role: 'assistant', content: text, refusal: null }, logprobs: null, finish_reason: 'stop' }],
    usage,
  };
}

export function chunks(model, words, { usage } = {}) {
  const chunk = (delta, finish_reason = null, extra = {}) => ({
    id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1700000000, model,
    choices: [{ index: 0, delta, logprobs: null, finish_reason }], ...extra,
  });
  const all = [chunk({ role: 'assistant', content: '' }), ...words.map((w) => chunk({ content: w })), chunk({}, 'stop')];
  if (usage) all.push({ ...chunk({}), choices: [], usage });
  return all;
}

export const sse = (o) => `data: ${typeof o === 'string' ? o : JSON.stringify(o)}\n\n`;

// handler(request {method, url, headers, body, json}, response, provider): falls back to a well-behaved answer when it returns false.
export async function fakeProvider(handler = () => false) {
  const provider = { calls: [], answered: 0, open: new Set(), handler };
  const server = http.createServer((req, res) => {
    const parts = [];
    req.on('data', (d) => parts.push(d));
    req.on('error', () => {});
    res.on('error', () => {});
    res.once('finish', () => provider.answered++);
    req.on('end', async () => {
      const body = Buffer.concat(parts);
      let json;
      try {
        json = JSON.parse(body);
      } catch {
        json = undefined;
      }
      const call = { method: req.method, url: req.url, headers: req.headers, rawHeaders: req.rawHeaders, body: body.toString('utf8'), raw: body, json };
      provider.calls.push(call);
      if ((await provider.handler(call, res, provider)) !== false) return;
      if (req.method === 'GET' && req.url === '/v1/models') {
        res.setHeader('content-type', 'application/json');
        return res.end(JSON.stringify({ object: 'list', data: [{ id: 'gpt-4o', object: 'model', created: 1, owned_by: 'fake' }] }));
      }
      if (json?.stream) {
        res.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'up-1' });
        const usage = json.stream_options?.include_usage ? { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } : undefined;
        for (const c of chunks(json.model, ['Hello', ' from', ' fake'], { usage })) res.write(sse(c));
        return res.end(sse('[DONE]'));
      }
      res.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'up-1' });
      res.end(JSON.stringify(completion(json?.model ?? 'none', 'Hello from fake')));
    });
  });
  server.on('connection', (s) => {
    provider.open.add(s);
    s.once('close', () => provider.open.delete(s));
  });
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  provider.url = `http://127.0.0.1:${server.address().port}`;
  provider.port = server.address().port;
  const closed = letGoAfterTests(() => [server, ...provider.open].forEach((h) => h.unref()));
  provider.close = () => {
    closed();
    for (const s of provider.open) s.destroy();
    return new Promise((r) => server.close(r));
  };
  return provider;
}
