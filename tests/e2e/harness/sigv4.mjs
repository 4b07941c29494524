// AWS Signature Version 4 from the service's side: the signature is made once more from what arrived, with the secret that the service
// knows. Throws what is wrong.
import { createHash, createHmac } from 'node:crypto';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
const encoded = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

// request: { method, url, headers, raw (Buffer) } as they arrived; account: { accessKey, secretKey, sessionToken?, region, service }.
// Returns the names of the headers that were signed.
export function checkSigV4(request, account) {
  const must = (ok, what) => {
    if (!ok) throw new Error(`SigV4: ${what}`);
  };
  const { headers } = request;
  const found = /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/,]+)\/([^/,]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? '');
  must(found, `no such authorization: ${headers.authorization?.slice(0, 20)}`);
  const [, accessKey, day, region, service, names, signature] = found;
  must(accessKey === account.accessKey, `access key ${accessKey}`);
  must(region === account.region, `region ${region}`);
  must(service === account.service, `service ${service}`);
  const date = headers['x-amz-date'];
  must(/^\d{8}T\d{6}Z$/.test(date ?? '') && date.startsWith(day), `date ${date}`);
  const at = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
  must(Math.abs(at - Date.now()) < 300000, `date ${date} is not now`);
  must(headers['x-amz-security-token'] === account.sessionToken, 'session token');
  const signed = names.split(';');
  for (const name of ['host', 'x-amz-date', ...(account.sessionToken ? ['x-amz-security-token'] : [])]) must(signed.includes(name), `${name} is not signed`);
  must([...signed].sort().join(';') === names, 'names of signed headers are not sorted');

  const [path, query = ''] = request.url.split('?');
  const parameters = query.split('&').filter(Boolean).map((p) => [p.split('=')[0], p.split('=').slice(1).join('=')].map((t) => encoded(decodeURIComponent(t))))
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1));
  const body = sha256(request.raw);
  if (headers['x-amz-content-sha256']) must(headers['x-amz-content-sha256'] === body, 'x-amz-content-sha256');
  const canonical = [
    request.method,
    path.split('/').map(encoded).join('/'), // every service but S3 encodes the sent path once more
    parameters.map((p) => p.join('=')).join('&'),
    ...signed.map((name) => {
      must(headers[name] !== undefined, `${name} is signed and was not sent`);
      return `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}`;
    }), '', names, body,
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const key = hmac(hmac(hmac(hmac(`AWS4${account.secretKey}`, day), region), service), 'aws4_request');
  const right = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')).toString('hex');
  must(signature === right, `wrong signature of\n${canonical}`);
  return signed;
}
