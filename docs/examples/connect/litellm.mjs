// A client of a LiteLLM proxy: OpenAI's SDK, models named provider/model.
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.env.WEIR_URL, apiKey: process.env.WEIR_KEY });
const answer = await client.chat.completions.create({
  model: process.env.WEIR_MODEL,
  messages: [{ role: 'user', content: 'Hi' }],
});
console.log(answer.choices[0].message.content);
