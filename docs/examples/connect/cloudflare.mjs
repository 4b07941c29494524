// A client of Cloudflare's AI Gateway, in its three ways: a provider's own path under account and gateway, the OpenAI-compatible
// path, and the universal request, whose steps are tried in order.
import OpenAI from 'openai';

const gateway = `${process.env.WEIR_URL}/v1/my-account/my-gateway`;
const authorization = { 'cf-aig-authorization': `Bearer ${process.env.WEIR_KEY}` };
const [provider, ...rest] = process.env.WEIR_MODEL.split('/');
const model = rest.join('/');
const messages = [{ role: 'user', content: 'Hi' }];

const native = new OpenAI({ baseURL: `${gateway}/${provider}`, apiKey: 'kept by the gateway', defaultHeaders: authorization });
console.log((await native.chat.completions.create({ model, messages })).choices[0].message.content);

const compatible = new OpenAI({ baseURL: `${gateway}/compat`, apiKey: 'kept by the gateway', defaultHeaders: authorization });
console.log((await compatible.chat.completions.create({ model: `${provider}/${model}`, messages })).choices[0].message.content);

const universal = await fetch(gateway, {
  method: 'POST',
  headers: { 'content-type': 'application/json', ...authorization },
  body: JSON.stringify([
    { provider, endpoint: 'chat/completions', headers: { 'content-type': 'application/json' }, query: { model: 'no-such-model', messages } },
    { provider, endpoint: 'chat/completions', headers: { 'content-type': 'application/json' }, query: { model, messages } },
  ]),
});
console.log((await universal.json()).choices[0].message.content, `(step ${universal.headers.get('cf-aig-step')})`);
