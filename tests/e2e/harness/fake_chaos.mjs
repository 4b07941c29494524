// Five providers in a thread of their own, cheap enough for tens of thousands of calls: one slow, one that fails half of its calls, one that is
// limited to so many a second, one that breaks off before the first content byte, one healthy. Each counts the calls that it got.
import http from 'node:http';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const NAMES = ['slow', 'flaky', 'limited', 'cutter', 'healthy'];

function serve() {
  const counts = Object.fromEntries(NAMES.map((n) => [n, 0]));
  const limit = { perSecond: 40, window: 0, used: 0 };
  const answer = JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'All is well' }, logprobs: null, finish_reason: 'stop' }], usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 } });
  const chunk = (delta, finish = null) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const role = chunk({ role: 'assistant', content: '' });
  const rest = chunk({ content: 'All is ' }) + chunk({ content: 'well' }) + chunk({}, 'stop') + 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}\n\ndata: [DONE]\n\n';
  const well = (res, stream) => {
    if (stream) {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(role);
      res.end(rest);
    } else {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
      res.end(answer);
    }
  };
  const fail = (res, status, headers = {}) => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers });
    res.end('{"error":{"message":"not now","type":"server_error","code":null,"param":null}}');
  };
  const ways = {
    slow: (res, stream) => setTimeout(() => res.destroyed || well(res, stream), 2000),
    flaky: (res, stream) => (counts.flaky % 2 ? fail(res, 500) : well(res, stream)),
    limited: (res, stream) => {
      const second = Math.floor(Date.now() / 1000);
      if (limit.window !== second) Object.assign(limit, { window: second, used: 0 });
      return ++limit.used > limit.perSecond ? fail(res, 429, { 'retry-after': '1' }) : well(res, stream);
    },
    cutter: (res, stream) => {
      res.writeHead(200, stream ? { 'content-type': 'text/event-stream' } : { 'content-type': 'application/json', 'content-length': answer.length });
      res.write(stream ? role : answer.slice(0, 60), () => res.destroy());
    },
    healthy: well,
  };
  const servers = NAMES.map((name) => {
    const s = http.createServer({ keepAliveTimeout: 60000 }, (req, res) => {
      counts[name]++;
      let body = '';
      res.on('error', () => {});
      req.on('error', () => {});
      req.on('data', (d) => (body += d));
      req.on('end', () => ways[name](res, body.includes('"stream":true')));
    });
    return new Promise((r) => s.listen(0, '127.0.0.1', () => r([name, `http://127.0.0.1:${s.address().port}`])));
  });
  Promise.all(servers).then((list) => parentPort.postMessage({ urls: Object.fromEntries(list) }));
  parentPort.on('message', (m) => {
    if (m === 'reset') for (const n of NAMES) counts[n] = 0;
    parentPort.postMessage({ counts: { ...counts } });
  });
}

// { urls, counts(), reset(), close() }
export async function fakeChaos() {
  const worker = new Worker(new URL(import.meta.url));
  worker.unref();
  const next = () => new Promise((r) => worker.once('message', r));
  const { urls } = await next();
  const ask = async (what) => {
    const answer = next();
    worker.postMessage(what);
    return (await answer).counts;
  };
  return { urls, names: NAMES, counts: () => ask('counts'), reset: () => ask('reset'), close: () => worker.terminate() };
}

if (!isMainThread) serve();
