// Many clients at once over kept connections: what proofs of budgets and limits send with.
import http from 'node:http';

// One request, read to its end: { status, headers, json }. status 0: the connection broke.
export function post(agent, port, path, key, body, headers = {}) {
  const text = JSON.stringify(body);
  return new Promise((resolve) => {
    const req = http.request({
      agent, host: '127.0.0.1', port, path, method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), authorization: `Bearer ${key}`, ...headers },
    }, (res) => {
      const parts = [];
      res.on('data', (d) => parts.push(d));
      res.on('error', () => resolve({ status: 0 }));
      res.on('end', () => {
        let json;
        try {
          json = JSON.parse(Buffer.concat(parts));
        } catch {
          json = undefined;
        }
        resolve({ status: res.statusCode, headers: res.headers, json });
      });
    });
    req.on('error', () => resolve({ status: 0 }));
    req.end(text);
  });
}

export const pause = (ms) => new Promise((r) => setTimeout(r, ms));
