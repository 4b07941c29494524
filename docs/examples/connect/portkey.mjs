// A client of Portkey: its own SDK, which sends the key as x-portkey-api-key and the provider as x-portkey-provider.
import { Portkey } from 'portkey-ai';

const [provider, ...model] = process.env.WEIR_MODEL.split('/');
const client = new Portkey({ baseURL: `${process.env.WEIR_URL}/v1`, apiKey: process.env.WEIR_KEY, provider });
const answer = await client.chat.completions.create({
  model: model.join('/'),
  messages: [{ role: 'user', content: 'Hi' }],
});
console.log(answer.choices[0].message.content);
