// A client of CometAPI: OpenAI's SDK with a base URL that ends in /v1, streaming.
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.env.WEIR_URL}/v1`, apiKey: process.env.WEIR_KEY });
const stream = await client.chat.completions.create({
  model: process.env.WEIR_MODEL,
  messages: [{ role: 'user', content: 'Hi' }],
  stream: true,
});
let text = '';
for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
console.log(text);
