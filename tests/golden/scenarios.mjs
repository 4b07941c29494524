// What the golden cases are about, without a word of any gateway: conversations in each client's dialect, what each provider answers,
// and readers that say in one form what a request to a provider, or an answer to a client, means. make.mjs writes cases from them;
// golden.test.mjs holds every case against its meaning, so that a wrong translation cannot become an expectation.
import { CALLS, DIALECTS } from '../e2e/harness/fake_dialects.mjs';

export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const SCHEMA = { type: 'object', properties: { city: { type: 'string', description: 'A city' } }, required: ['city'] };
const ANSWER_SCHEMA = { type: 'object', properties: { degrees: { type: 'integer' } }, required: ['degrees'], additionalProperties: false };
const TOOL = { name: 'get_weather', description: 'The weather of a city', parameters: SCHEMA };
const results = (n) => CALLS.slice(0, n).map((c) => ({ id: c.id, name: c.name, text: '21 degrees' }));
const said = { text: 'Hello there!', calls: [], think: false, refuse: false };

// ask: what the client sends; answer: what the provider says.
export const SCENARIOS = {
  plain: { ask: { system: 'Be brief.', turns: [{ user: 'Hi' }] }, answer: said },
  plain_streamed: { ask: { turns: [{ user: 'Hi' }], stream: true }, answer: said },
  multi_turn: { ask: { system: 'Be brief.', turns: [{ user: 'Hi' }, { assistant: 'Hello.' }, { user: 'Grüße, 世界 "quoted" \\ \n😀' }] }, answer: { ...said, text: 'Ünïcödé 😀 "q" \\ \n end' } },
  tools: { ask: { turns: [{ user: 'weather in Paris?' }], tools: [TOOL] }, answer: { ...said, text: '', calls: CALLS.slice(0, 1) } },
  parallel_tools: { ask: { turns: [{ user: 'weather in both?' }, { calls: CALLS }, { results: results(2) }], tools: [TOOL] }, answer: { ...said, text: 'It is 21 degrees.' } },
  streamed_tools: { ask: { turns: [{ user: 'weather in both?' }], tools: [TOOL], stream: true }, answer: { ...said, text: '', calls: CALLS } },
  image: { ask: { turns: [{ user: 'What is this?', image: true }] }, answer: said },
  structured_output: { ask: { turns: [{ user: 'How warm?' }], schema: ANSWER_SCHEMA }, answer: { ...said, text: '{"degrees":21}' } },
  reasoning: { ask: { turns: [{ user: 'think' }], effort: 'medium', max: 8000 }, answer: { ...said, think: true } },
  error: { ask: { turns: [{ user: 'Hi' }] }, answer: { status: 429 } },
  safety_block: { ask: { turns: [{ user: 'Hi' }] }, answer: { ...said, text: '', refuse: true } },
  cut_stream: { ask: { turns: [{ user: 'Hi' }], stream: true }, answer: { ...said, cut: true } },
};

// ---- clients: what they send ----

const json = (path, body, headers = {}) => ({ path, headers: { 'content-type': 'application/json', authorization: 'Bearer golden-client-key', ...headers }, body });
const chatMessages = (a) => [
  ...(a.system ? [{ role: 'system', content: a.system }] : []),
  ...a.turns.flatMap((t) => (t.user !== undefined ? [{ role: 'user', content: t.image ? [{ type: 'text', text: t.user }, { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }] : t.user }]
    : t.assistant ? [{ role: 'assistant', content: t.assistant }]
      : t.calls ? [{ role: 'assistant', content: null, tool_calls: t.calls.map((c) => ({ id: c.id, type: 'function', function: { name: c.name, arguments: JSON.stringify(c.args) } })) }]
        : t.results.map((r) => ({ role: 'tool', tool_call_id: r.id, content: r.text })))),
];

export const CLIENTS = {
  openai_chat: (model, a) => json('/v1/chat/completions', {
    model, messages: chatMessages(a), max_tokens: a.max ?? 1000,
    ...(a.tools ? { tools: a.tools.map((f) => ({ type: 'function', function: f })), tool_choice: 'auto' } : {}),
    ...(a.schema ? { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: a.schema, strict: true } } } : {}),
    ...(a.effort ? { reasoning_effort: a.effort } : {}),
    ...(a.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  }),
  openai_responses: (model, a) => json('/v1/responses', {
    model, max_output_tokens: a.max ?? 1000, ...(a.system ? { instructions: a.system } : {}),
    input: a.turns.flatMap((t) => (t.user !== undefined ? [{ role: 'user', content: [{ type: 'input_text', text: t.user }, ...(t.image ? [{ type: 'input_image', image_url: `data:image/png;base64,${PNG}` }] : [])] }]
      : t.assistant ? [{ role: 'assistant', content: [{ type: 'output_text', text: t.assistant }] }]
        : t.calls ? t.calls.map((c) => ({ type: 'function_call', call_id: c.id, name: c.name, arguments: JSON.stringify(c.args) }))
          : t.results.map((r) => ({ type: 'function_call_output', call_id: r.id, output: r.text })))),
    ...(a.tools ? { tools: a.tools.map((f) => ({ type: 'function', ...f, strict: false })) } : {}),
    ...(a.schema ? { text: { format: { type: 'json_schema', name: 'answer', schema: a.schema, strict: true } } } : {}),
    ...(a.effort ? { reasoning: { effort: a.effort, summary: 'auto' } } : {}),
    ...(a.stream ? { stream: true } : {}),
  }),
  anthropic_messages: (model, a) => json('/v1/messages', {
    model, max_tokens: a.max ?? 1000, ...(a.system ? { system: a.system } : {}),
    messages: a.turns.map((t) => (t.user !== undefined ? { role: 'user', content: t.image ? [{ type: 'text', text: t.user }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } }] : t.user }
      : t.assistant ? { role: 'assistant', content: t.assistant }
        : t.calls ? { role: 'assistant', content: t.calls.map((c) => ({ type: 'tool_use', id: c.id, name: c.name, input: c.args })) }
          : { role: 'user', content: t.results.map((r) => ({ type: 'tool_result', tool_use_id: r.id, content: r.text })) })),
    ...(a.tools ? { tools: a.tools.map((f) => ({ name: f.name, description: f.description, input_schema: f.parameters })) } : {}),
    ...(a.schema ? { output_config: { format: { type: 'json_schema', schema: a.schema } } } : {}),
    ...(a.effort ? { thinking: { type: 'enabled', budget_tokens: 4096 } } : {}),
    ...(a.stream ? { stream: true } : {}),
  }, { authorization: undefined, 'x-api-key': 'golden-client-key', 'anthropic-version': '2023-06-01' }),
  gemini: (model, a) => json(`/v1beta/models/${model}:${a.stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`, {
    ...(a.system ? { systemInstruction: { parts: [{ text: a.system }] } } : {}),
    contents: a.turns.map((t) => (t.user !== undefined ? { role: 'user', parts: [{ text: t.user }, ...(t.image ? [{ inlineData: { mimeType: 'image/png', data: PNG } }] : [])] }
      : t.assistant ? { role: 'model', parts: [{ text: t.assistant }] }
        : t.calls ? { role: 'model', parts: t.calls.map((c) => ({ functionCall: { id: c.id, name: c.name, args: c.args } })) }
          : { role: 'user', parts: t.results.map((r) => ({ functionResponse: { id: r.id, name: r.name, response: { result: r.text } } })) })),
    ...(a.tools ? { tools: [{ functionDeclarations: a.tools.map((f) => ({ name: f.name, description: f.description, parameters: f.parameters })) }] } : {}),
    generationConfig: {
      maxOutputTokens: a.max ?? 1000,
      ...(a.schema ? { responseMimeType: 'application/json', responseJsonSchema: a.schema } : {}),
      ...(a.effort ? { thinkingConfig: { thinkingBudget: 4096, includeThoughts: true } } : {}),
    },
  }, { authorization: undefined, 'x-goog-api-key': 'golden-client-key' }),
  bedrock_converse: (model, a) => json(`/model/${model}/converse${a.stream ? '-stream' : ''}`, {
    ...(a.system ? { system: [{ text: a.system }] } : {}),
    messages: a.turns.map((t) => (t.user !== undefined ? { role: 'user', content: [{ text: t.user }, ...(t.image ? [{ image: { format: 'png', source: { bytes: PNG } } }] : [])] }
      : t.assistant ? { role: 'assistant', content: [{ text: t.assistant }] }
        : t.calls ? { role: 'assistant', content: t.calls.map((c) => ({ toolUse: { toolUseId: c.id, name: c.name, input: c.args } })) }
          : { role: 'user', content: t.results.map((r) => ({ toolResult: { toolUseId: r.id, content: [{ text: r.text }] } })) })),
    inferenceConfig: { maxTokens: a.max ?? 1000 },
    ...(a.tools ? { toolConfig: { tools: a.tools.map((f) => ({ toolSpec: { name: f.name, description: f.description, inputSchema: { json: f.parameters } } })) } } : {}),
    ...(a.schema ? { outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema: { name: 'answer', schema: JSON.stringify(a.schema) } } } } } : {}),
    ...(a.effort ? { additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 4096 } } } : {}),
  }),
};

// ---- providers: where they are, what they answer ----

export const TARGETS = {
  chat: { dialect: 'chat', yaml: '{provider: openai, model: model-1, endpoint: chat}' },
  responses: { dialect: 'responses', yaml: '{provider: openai, model: model-1, endpoint: responses}' },
  azure: { dialect: 'chat', yaml: '{provider: azure, model: model-1}' },
  messages: { dialect: 'messages', yaml: '{provider: anthropic, model: claude-sonnet-4-5}' },
  gemini: { dialect: 'gemini', yaml: '{provider: gemini, model: gemini-2.5-flash}' },
  vertex: { dialect: 'gemini', yaml: '{provider: vertex, model: gemini-2.5-flash}' },
  vertex_claude: { dialect: 'messages', yaml: '{provider: vertex, model: "claude-sonnet-4-5@20250929"}' },
  bedrock: { dialect: 'converse', yaml: '{provider: bedrock, model: "anthropic.claude-sonnet-4-5-20250929-v1:0"}' },
  cohere: { dialect: 'cohere', yaml: '{provider: cohere, model: command-a-03-2025}' },
  ollama: { dialect: 'ollama', yaml: '{provider: ollama, model: llama3.2}' },
};

// The bytes that the provider answers with: { status, headers, body (Buffer), cut }.
export function providerAnswer(dialect, scenario, request, url) {
  const d = DIALECTS[dialect];
  const { ask, answer } = SCENARIOS[scenario];
  if (answer.status) return { status: answer.status, headers: { 'content-type': 'application/json', ...(d.errorHeaders?.(answer.status) ?? {}), 'retry-after': '7' }, body: Buffer.from(JSON.stringify(d.error(answer.status))) };
  if (!ask.stream) return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(d.whole(answer, request))) };
  const parts = [];
  const cut = d.stream(answer, { ...request, stream_options: { include_usage: true } }, (b) => parts.push(Buffer.from(b)) && true, url) === false;
  return { status: 200, headers: { 'content-type': d.streamType ?? 'text/event-stream' }, body: Buffer.concat(parts), cut };
}

// ---- meanings ----

const textOf = (c) => (typeof c === 'string' ? c : (c ?? []).map((p) => p.text ?? '').join(''));
const turn = (role, o) => ({ role, text: '', image: false, calls: [], results: [], ...o });
const call = (name, args) => ({ name, args });
const args = (s) => (typeof s === 'string' ? JSON.parse(s) : s);
// Neighbours of one role count as one turn: some providers want them joined.
function turns(list) {
  const out = [];
  for (const t of list) {
    const last = out.at(-1);
    if (last?.role === t.role) {
      last.text += t.text;
      last.image ||= t.image;
      last.calls.push(...t.calls);
      last.results.push(...t.results);
    } else out.push(t);
  }
  return out;
}

export function meant(scenario) {
  const { ask } = SCENARIOS[scenario];
  return {
    system: ask.system ?? '',
    turns: turns(ask.turns.map((t) => (t.user !== undefined ? turn('user', { text: t.user, image: !!t.image }) : t.assistant ? turn('assistant', { text: t.assistant })
      : t.calls ? turn('assistant', { calls: t.calls.map((c) => call(c.name, c.args)) }) : turn('user', { results: t.results.map((r) => r.text) })))),
    tools: (ask.tools ?? []).map((t) => t.name),
    max: ask.max ?? 1000,
  };
}

const readChat = (b) => ({
  system: b.messages.filter((m) => ['system', 'developer'].includes(m.role)).map((m) => textOf(m.content)).join(''),
  turns: turns(b.messages.filter((m) => !['system', 'developer'].includes(m.role)).map((m) => (m.role === 'tool' ? turn('user', { results: [typeof m.content === 'string' ? m.content : m.content.map((p) => p.text ?? p.document?.data ?? '').join('')] })
    : turn(m.role, { text: textOf(m.content), image: Array.isArray(m.content) && m.content.some((p) => p.image_url?.url === `data:image/png;base64,${PNG}`), calls: (m.tool_calls ?? []).map((c) => call(c.function.name, args(c.function.arguments))) })))),
  tools: (b.tools ?? []).map((t) => t.function.name),
  max: b.max_tokens ?? b.max_completion_tokens,
  schema: b.response_format?.json_schema?.schema, effort: !!(b.reasoning_effort || b.thinking),
});

export const REQUESTS = {
  chat: readChat,
  cohere: (b) => ({ ...readChat(b), schema: b.response_format?.json_schema ?? b.response_format?.schema }),
  responses: (b) => ({
    system: b.instructions ?? b.input.filter((i) => ['system', 'developer'].includes(i.role)).map((i) => textOf(i.content)).join(''),
    turns: turns(b.input.filter((i) => !['system', 'developer'].includes(i.role)).map((i) => (i.type === 'function_call' ? turn('assistant', { calls: [call(i.name, args(i.arguments))] })
      : i.type === 'function_call_output' ? turn('user', { results: [textOf(i.output)] })
        : turn(i.role, { text: textOf(i.content), image: Array.isArray(i.content) && i.content.some((p) => p.image_url === `data:image/png;base64,${PNG}`) })))),
    tools: (b.tools ?? []).map((t) => t.name), max: b.max_output_tokens, schema: b.text?.format?.schema, effort: !!b.reasoning?.effort,
  }),
  messages: (b) => ({
    system: textOf(b.system),
    turns: turns(b.messages.map((m) => {
      const blocks = typeof m.content === 'string' ? [{ type: 'text', text: m.content }] : m.content;
      return turn(m.role, { text: textOf(blocks.filter((x) => x.type === 'text')), image: blocks.some((x) => x.source?.data === PNG && x.source.media_type === 'image/png'),
        calls: blocks.filter((x) => x.type === 'tool_use').map((x) => call(x.name, x.input)), results: blocks.filter((x) => x.type === 'tool_result').map((x) => textOf(x.content)) });
    })),
    tools: (b.tools ?? []).map((t) => t.name), max: b.max_tokens,
    schema: b.output_config?.format?.schema ?? b.output_format?.schema ?? (b.tool_choice?.type === 'tool' ? b.tools.find((t) => t.name === b.tool_choice.name)?.input_schema : undefined),
    schemaTool: b.tool_choice?.type === 'tool' ? b.tool_choice.name : undefined, effort: !!(b.thinking || b.output_config?.effort),
  }),
  gemini: (b) => ({
    system: (b.systemInstruction?.parts ?? []).map((p) => p.text).join(''),
    turns: turns(b.contents.map((c) => turn(c.role === 'model' ? 'assistant' : 'user', { text: c.parts.map((p) => p.text ?? '').join(''), image: c.parts.some((p) => p.inlineData?.data === PNG && p.inlineData.mimeType === 'image/png'),
      calls: c.parts.filter((p) => p.functionCall).map((p) => call(p.functionCall.name, p.functionCall.args)),
      results: c.parts.filter((p) => p.functionResponse).map((p) => p.functionResponse.response.result ?? p.functionResponse.response.output ?? p.functionResponse.response.content) }))),
    tools: (b.tools ?? []).flatMap((t) => (t.functionDeclarations ?? []).map((f) => f.name)), max: b.generationConfig?.maxOutputTokens,
    schema: b.generationConfig?.responseJsonSchema ?? b.generationConfig?.responseSchema, effort: !!b.generationConfig?.thinkingConfig,
  }),
  converse: (b) => ({
    system: (b.system ?? []).map((s) => s.text ?? '').join(''),
    turns: turns(b.messages.map((m) => turn(m.role, { text: m.content.map((x) => x.text ?? '').join(''), image: m.content.some((x) => x.image?.source?.bytes === PNG && x.image.format === 'png'),
      calls: m.content.filter((x) => x.toolUse).map((x) => call(x.toolUse.name, x.toolUse.input)),
      results: m.content.filter((x) => x.toolResult).map((x) => x.toolResult.content.map((y) => y.text ?? JSON.stringify(y.json)).join('')) }))),
    tools: (b.toolConfig?.tools ?? []).filter((t) => t.toolSpec).map((t) => t.toolSpec.name), max: b.inferenceConfig?.maxTokens,
    schema: b.outputConfig?.textFormat ? args(b.outputConfig.textFormat.structure.jsonSchema.schema) : b.toolConfig?.toolChoice?.tool ? b.toolConfig.tools.find((t) => t.toolSpec?.name === b.toolConfig.toolChoice.tool.name)?.toolSpec.inputSchema.json : undefined,
    schemaTool: b.toolConfig?.toolChoice?.tool?.name, effort: !!b.additionalModelRequestFields?.thinking,
  }),
  ollama: (b) => ({
    system: b.messages.filter((m) => m.role === 'system').map((m) => m.content).join(''),
    turns: turns(b.messages.filter((m) => m.role !== 'system').map((m) => (m.role === 'tool' ? turn('user', { results: [m.content] })
      : turn(m.role, { text: m.content ?? '', image: (m.images ?? []).includes(PNG), calls: (m.tool_calls ?? []).map((c) => call(c.function.name, c.function.arguments)) })))),
    tools: (b.tools ?? []).map((t) => t.function.name), max: b.options?.num_predict, schema: typeof b.format === 'object' ? b.format : undefined, effort: !!b.think,
  }),
};

// An answer to a client: { text, think, calls, finish (one word for all dialects), input, output } or { error: { status, message } }.
const FINISH = { stop: 'stop', end_turn: 'stop', STOP: 'stop', completed: 'stop', tool_calls: 'calls', tool_use: 'calls', content_filter: 'refused', refusal: 'refused', SAFETY: 'refused', content_filtered: 'refused', guardrail_intervened: 'refused', PROHIBITED_CONTENT: 'refused', BLOCKLIST: 'refused' };
const word = (w, calls) => {
  const f = FINISH[w] ?? w;
  return f === 'stop' && calls.length ? 'calls' : f;
};
function answer(text, think, calls, finish, input, output) {
  return { text, think, calls, finish: word(finish, calls), input, output };
}

export const ANSWERS = {
  openai_chat(body, events) {
    if (!events) {
      const m = body.choices[0].message;
      const calls = (m.tool_calls ?? []).map((c) => call(c.function.name, args(c.function.arguments)));
      return answer(m.content ?? '', m.reasoning_content ?? '', calls, body.choices[0].finish_reason, body.usage.prompt_tokens, body.usage.completion_tokens);
    }
    let text = '', think = '', finish, usage, done = false;
    const calls = [];
    for (const { data } of events) {
      if (data === '[DONE]') {
        done = true;
        continue;
      }
      if (data.error) return { error: data.error };
      const d = data.choices[0]?.delta ?? {};
      text += d.content ?? '';
      think += d.reasoning_content ?? '';
      for (const c of d.tool_calls ?? []) {
        const at = (calls[c.index] ??= { name: '', args: '' });
        at.name ||= c.function.name ?? '';
        at.args += c.function.arguments ?? '';
      }
      finish = data.choices[0]?.finish_reason ?? finish;
      usage = data.usage ?? usage;
    }
    if (!done) return { error: 'no [DONE]' };
    return answer(text, think, calls.map((c) => call(c.name, args(c.args))), finish, usage?.prompt_tokens, usage?.completion_tokens);
  },
  openai_responses(body, events) {
    let deltas;
    if (events) {
      const last = events.at(-1)?.data;
      deltas = events.filter((e) => e.data.type === 'response.output_text.delta').map((e) => e.data.delta).join('');
      events.forEach((e, i) => {
        const added = e.event === 'error' && e.data.request_id; // behind bytes that passed by uncounted
        if (e.data.sequence_number !== i && !added) throw new Error(`sequence_number ${e.data.sequence_number} at ${i}`);
        if (e.event !== e.data.type) throw new Error(`event ${e.event} holds ${e.data.type}`);
      });
      if (!['response.completed', 'response.incomplete'].includes(last?.type)) return { error: last };
      body = last.response;
    }
    const calls = body.output.filter((o) => o.type === 'function_call').map((o) => call(o.name, args(o.arguments)));
    const text = body.output.filter((o) => o.type === 'message').flatMap((o) => o.content.filter((p) => p.type === 'output_text')).map((p) => p.text).join('');
    if (deltas !== undefined && deltas !== text) throw new Error(`deltas "${deltas}" are not "${text}"`);
    return answer(text, body.output.filter((o) => o.type === 'reasoning').flatMap((o) => [...(o.summary ?? []), ...(o.content ?? [])]).map((p) => p.text).join(''), calls,
      body.status === 'incomplete' ? body.incomplete_details.reason : body.status, body.usage.input_tokens, body.usage.output_tokens);
  },
  anthropic_messages(body, events) {
    if (events) {
      let message, open;
      for (const { event, data } of events) {
        if (event !== data.type) throw new Error(`event ${event} holds ${data.type}`);
        if (data.type === 'error') return { error: data.error };
        if (data.type === 'message_start') message = structuredClone(data.message);
        if (data.type === 'content_block_start') {
          if (data.index !== message.content.length || open !== undefined) throw new Error('blocks are out of order');
          open = data.index;
          message.content.push({ ...data.content_block, ...(data.content_block.type === 'tool_use' ? { input: '' } : {}) });
        }
        if (data.type === 'content_block_delta') {
          const b = message.content[data.index], d = data.delta;
          if (data.index !== open) throw new Error('a delta for a block that is not open');
          if (d.type === 'text_delta') b.text += d.text;
          if (d.type === 'thinking_delta') b.thinking += d.thinking;
          if (d.type === 'input_json_delta') b.input += d.partial_json;
        }
        if (data.type === 'content_block_stop') open = undefined;
        if (data.type === 'message_delta') Object.assign(message, data.delta, { usage: { ...message.usage, ...data.usage } });
        if (data.type === 'message_stop') body = message;
      }
      if (!body) return { error: 'no message_stop' };
    }
    const calls = body.content.filter((b) => b.type === 'tool_use').map((b) => call(b.name, args(b.input || '{}')));
    const u = body.usage;
    return answer(textOf(body.content.filter((b) => b.type === 'text')), body.content.filter((b) => b.type === 'thinking').map((b) => b.thinking).join(''), calls, body.stop_reason,
      u.input_tokens + (u.cache_read_input_tokens ?? 0) + (u.cache_creation_input_tokens ?? 0), u.output_tokens);
  },
  gemini(body, events) {
    const all = events ? events.map((e) => e.data) : [body];
    const parts = all.flatMap((r) => r.candidates?.[0]?.content?.parts ?? []);
    const failed = all.find((r) => r.error);
    if (failed) return { error: failed.error };
    const last = all.at(-1);
    const finish = all.map((r) => r.candidates?.[0]?.finishReason).filter(Boolean).at(-1) ?? (all.some((r) => r.promptFeedback?.blockReason) ? 'SAFETY' : undefined);
    if (!finish) return { error: 'no finishReason' };
    const calls = parts.filter((p) => p.functionCall).map((p) => call(p.functionCall.name, p.functionCall.args));
    return answer(parts.filter((p) => p.text && !p.thought).map((p) => p.text).join(''), parts.filter((p) => p.thought).map((p) => p.text).join(''), calls, finish,
      last.usageMetadata?.promptTokenCount, (last.usageMetadata?.candidatesTokenCount ?? 0) + (last.usageMetadata?.thoughtsTokenCount ?? 0));
  },
  bedrock_converse(body, events) {
    if (events) {
      const content = [];
      let stop, usage;
      for (const { event, exception, data } of events) {
        if (exception) return { error: data };
        const at = data.contentBlockIndex;
        if (event === 'contentBlockStart') content[at] = { toolUse: { ...data.start.toolUse, input: '' } };
        if (event === 'contentBlockDelta') {
          const d = data.delta;
          const b = (content[at] ??= d.text !== undefined ? { text: '' } : { reasoningContent: { reasoningText: { text: '' } } });
          if (d.text !== undefined) b.text += d.text;
          if (d.toolUse) b.toolUse.input += d.toolUse.input;
          if (d.reasoningContent?.text) b.reasoningContent.reasoningText.text += d.reasoningContent.text;
        }
        if (event === 'messageStop') stop = data.stopReason;
        if (event === 'metadata') usage = data.usage;
      }
      if (!stop) return { error: 'no messageStop' };
      body = { output: { message: { content: content.filter(Boolean) } }, stopReason: stop, usage };
    }
    const c = body.output.message.content;
    const calls = c.filter((b) => b.toolUse).map((b) => call(b.toolUse.name, args(b.toolUse.input || '{}')));
    const u = body.usage;
    return answer(c.map((b) => b.text ?? '').join(''), c.map((b) => b.reasoningContent?.reasoningText?.text ?? '').join(''), calls, body.stopReason, u.inputTokens + (u.cacheReadInputTokens ?? 0) + (u.cacheWriteInputTokens ?? 0), u.outputTokens);
  },
};

// An error's body: the message and what class of error the client's SDK makes of it.
export const ERRORS = {
  openai_chat: (b) => ({ message: b.error.message, kind: b.error.code ?? b.error.type }),
  openai_responses: (b) => ({ message: b.error.message, kind: b.error.code ?? b.error.type }),
  anthropic_messages: (b) => ({ message: b.error.message, kind: b.error.type }),
  gemini: (b) => ({ message: b.error.message, kind: b.error.status }),
  bedrock_converse: (b, headers) => ({ message: b.message, kind: headers['x-amzn-errortype'] }),
};
export const RATE_LIMITED = { openai_chat: 'rate_limit_exceeded', openai_responses: 'rate_limit_exceeded', anthropic_messages: 'rate_limit_error', gemini: 'RESOURCE_EXHAUSTED', bedrock_converse: 'ThrottlingException' };
