// Providers of every dialect on one server, as strict as the real ones where a translation could go wrong: keys where they belong,
// turns that alternate, tool results that answer a call, schemas without what the provider refuses. A fault is a 400 in the provider's
// own shape that names it.
//
// What they answer is told by the last user text: "weather" calls get_weather for Paris (and for Rome when it says "both"), "think" shows
// reasoning first, "fail NNN" is an error of that status, "refuse" is a safety block, "cut" breaks off, "broken" errors inside the stream;
// a conversation that ends with tool results gets "It is 21 degrees."; everything else "Hello there!".
// Usage is always 20 in (4 of them from a cache), 9 out.
import http from 'node:http';
import { event, exception } from './aws_event.mjs';
import { letGoAfterTests } from './process.mjs';

export const CALLS = [{ id: 'call_1', name: 'get_weather', args: { city: 'Paris' } }, { id: 'call_2', name: 'get_weather', args: { city: 'Rome' } }];
export const MODEL = 'model-1';

class Fault extends Error {}
const need = (ok, what) => {
  if (!ok) throw new Fault(what);
};

// What a conversation asks for; texts: [{ role, text }], last: the last message's role is 'tool' when results came.
function scenario(text, toolResults, tools) {
  const s = { text: 'Hello there!', calls: [], think: /think/.test(text), refuse: /refuse/.test(text), cut: /\bcut\b/.test(text), broken: /broken/.test(text), status: 200 };
  const fail = /fail (\d+)/.exec(text);
  if (fail) s.status = Number(fail[1]);
  if (toolResults) s.text = 'It is 21 degrees.';
  else if (/weather/.test(text)) {
    need(tools.includes('get_weather'), 'tool get_weather is missing');
    s.calls = /both/.test(text) ? CALLS : CALLS.slice(0, 1);
    s.text = '';
  }
  return s;
}

const halves = (s) => (s ? [s.slice(0, Math.ceil(s.length / 2)), s.slice(Math.ceil(s.length / 2))] : []);
const noForeign = (schema, banned) => {
  const text = JSON.stringify(schema ?? {});
  for (const b of banned) need(!text.includes(`"${b}"`), `schema holds ${b}`);
};

// ---- one row per dialect: match(url), auth(headers, url), read(json, url) → scenario, whole(s, json), stream(s, json, res), error(status) ----

const openaiUsage = { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29, prompt_tokens_details: { cached_tokens: 4 }, completion_tokens_details: { reasoning_tokens: 0 } };
const sse = (o, name) => `${name ? `event: ${name}\n` : ''}data: ${typeof o === 'string' ? o : JSON.stringify(o)}\n\n`;
const openaiError = (status) => ({ error: { message: `no luck (${status})`, type: status === 429 ? 'rate_limit_error' : 'invalid_request_error', param: null, code: status === 429 ? 'rate_limit_exceeded' : null } });

function readChat(json) {
  need(Array.isArray(json.messages) && json.messages.length, 'messages is missing');
  const open = new Set();
  let text = '', results = false;
  for (const m of json.messages) {
    need(['system', 'developer', 'user', 'assistant', 'tool'].includes(m.role), `role ${m.role}`);
    if (m.role === 'tool') {
      need(open.delete(m.tool_call_id), `tool_call_id ${m.tool_call_id} answers no call`);
      need(typeof m.content === 'string' || Array.isArray(m.content), 'tool content');
      results = true;
    } else {
      need(open.size === 0, 'a tool call was not answered');
      results = false;
    }
    if (m.role === 'user') text = typeof m.content === 'string' ? m.content : m.content.map((p) => p.text ?? '').join('');
    for (const c of m.tool_calls ?? []) {
      need(c.type === 'function' && typeof c.function.arguments === 'string', 'tool call');
      JSON.parse(c.function.arguments);
      open.add(c.id);
    }
  }
  return scenario(text, results, (json.tools ?? []).map((t) => t.function?.name));
}

const chat = {
  match: (url) => /^\/(openai\/v1|azure\/openai\/(v1|deployments\/[^/]+))\/chat\/completions/.test(url),
  auth: (h, url) => need(url.startsWith('/azure') ? h['api-key'] === 'up-key' : h.authorization === 'Bearer up-key', 'key'),
  read: readChat,
  error: openaiError,
  whole: (s, json) => ({
    id: 'chatcmpl-up1', object: 'chat.completion', created: 1700000000, model: json.model ?? MODEL,
    choices: [{
      index: 0, logprobs: null, finish_reason: s.refuse ? 'content_filter' : s.calls.length ? 'tool_calls' : 'stop',
      message: {
        role: 'assistant', content: s.refuse ? '' : s.text || null, refusal: null,
        ...(s.think ? { reasoning_content: 'Let me see.' } : {}),
        ...(s.calls.length ? { tool_calls: s.calls.map((c) => ({ id: c.id, type: 'function', function: { name: c.name, arguments: JSON.stringify(c.args) } })) } : {}),
      },
    }],
    usage: openaiUsage,
  }),
  stream(s, json, write) {
    const chunk = (delta, finish_reason = null) => write(sse({ id: 'chatcmpl-up1', object: 'chat.completion.chunk', created: 1700000000, model: json.model ?? MODEL, choices: [{ index: 0, delta, logprobs: null, finish_reason }] }));
    need(json.stream_options?.include_usage === true, 'stream_options.include_usage is not asked for');
    chunk({ role: 'assistant', content: '' });
    if (s.think) chunk({ reasoning_content: 'Let me see.' });
    for (const t of s.refuse ? [] : halves(s.text)) chunk({ content: t });
    if (s.cut) return false;
    if (s.broken) return write(sse({ error: { message: 'the engine broke', type: 'server_error', code: null, param: null } }));
    s.calls.forEach((c, index) => chunk({ tool_calls: [{ index, id: c.id, type: 'function', function: { name: c.name, arguments: '' } }] }));
    for (const half of [0, 1]) s.calls.forEach((c, index) => chunk({ tool_calls: [{ index, function: { arguments: halves(JSON.stringify(c.args))[half] } }] }));
    chunk({}, s.refuse ? 'content_filter' : s.calls.length ? 'tool_calls' : 'stop');
    write(sse({ id: 'chatcmpl-up1', object: 'chat.completion.chunk', created: 1700000000, model: json.model ?? MODEL, choices: [], usage: openaiUsage }));
    write(sse('[DONE]'));
  },
};

const responses = {
  match: (url) => url.startsWith('/openai/v1/responses'),
  auth: chat.auth,
  error: openaiError,
  read(json) {
    const input = typeof json.input === 'string' ? [{ role: 'user', content: json.input }] : json.input;
    need(Array.isArray(input) && input.length, 'input is missing');
    const open = new Set();
    let text = '', results = false;
    for (const item of input) {
      if (item.type === 'function_call') {
        JSON.parse(item.arguments);
        open.add(item.call_id);
      } else if (item.type === 'function_call_output') {
        need(open.delete(item.call_id), `call_id ${item.call_id} answers no call`);
        results = true;
      } else if (item.role) {
        results = false;
        const parts = typeof item.content === 'string' ? [{ text: item.content }] : item.content;
        for (const p of parts) need(!p.type || (item.role === 'assistant' ? ['output_text', 'refusal'] : ['input_text', 'input_image', 'input_file', 'input_audio']).includes(p.type), `part ${p.type} of ${item.role}`);
        if (item.role === 'user') text = parts.map((p) => p.text ?? '').join('');
      } else need(['reasoning'].includes(item.type), `item ${item.type}`);
    }
    for (const t of json.tools ?? []) need(t.type !== 'function' || (t.name && !t.function), 'tools are flat');
    return scenario(text, results, (json.tools ?? []).map((t) => t.name));
  },
  output(s) {
    const out = [];
    if (s.think) out.push({ type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Let me see.' }] });
    if (s.text && !s.refuse) out.push({ type: 'message', id: 'msg_1', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text: s.text, annotations: [], logprobs: [] }] });
    for (const c of s.calls) out.push({ type: 'function_call', id: `fc_${c.id}`, call_id: c.id, name: c.name, arguments: JSON.stringify(c.args), status: 'completed' });
    return out;
  },
  whole: (s, json, status = 'completed') => ({
    id: 'resp_up1', object: 'response', created_at: 1700000000, status: s.refuse ? 'incomplete' : status, error: null, incomplete_details: s.refuse ? { reason: 'content_filter' } : null,
    instructions: json.instructions ?? null, model: json.model, output: status === 'completed' ? responses.output(s) : [], parallel_tool_calls: true, temperature: 1, tool_choice: 'auto', tools: json.tools ?? [], top_p: 1, metadata: {},
    usage: status === 'completed' ? { input_tokens: 20, input_tokens_details: { cached_tokens: 4 }, output_tokens: 9, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 29 } : null,
  }),
  stream(s, json, write) {
    let n = 0;
    const send = (type, o) => write(sse({ type, sequence_number: n++, ...o }, type));
    send('response.created', { response: responses.whole(s, json, 'in_progress') });
    send('response.in_progress', { response: responses.whole(s, json, 'in_progress') });
    for (const [output_index, item] of responses.output(s).entries()) {
      const at = { output_index, item_id: item.id };
      if (item.type === 'message') {
        send('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', content: [] } });
        send('response.content_part.added', { ...at, content_index: 0, part: { type: 'output_text', text: '', annotations: [] } });
        for (const delta of halves(s.text)) send('response.output_text.delta', { ...at, content_index: 0, delta, logprobs: [] });
        if (s.cut) return false;
        if (s.broken) return send('error', { code: 'server_error', message: 'the engine broke', param: null });
        send('response.output_text.done', { ...at, content_index: 0, text: s.text, logprobs: [] });
        send('response.content_part.done', { ...at, content_index: 0, part: item.content[0] });
      } else if (item.type === 'function_call') {
        send('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', arguments: '' } });
        for (const delta of halves(item.arguments)) send('response.function_call_arguments.delta', { ...at, delta });
        send('response.function_call_arguments.done', { ...at, arguments: item.arguments, name: item.name });
      } else {
        send('response.output_item.added', { output_index, item: { ...item, summary: [] } });
        send('response.reasoning_summary_part.added', { ...at, summary_index: 0, part: { type: 'summary_text', text: '' } });
        send('response.reasoning_summary_text.delta', { ...at, summary_index: 0, delta: 'Let me see.' });
        send('response.reasoning_summary_text.done', { ...at, summary_index: 0, text: 'Let me see.' });
        send('response.reasoning_summary_part.done', { ...at, summary_index: 0, part: item.summary[0] });
      }
      send('response.output_item.done', { output_index, item });
    }
    send(s.refuse ? 'response.incomplete' : 'response.completed', { response: responses.whole(s, json) });
  },
};

const messagesUsage = { input_tokens: 16, cache_creation_input_tokens: 0, cache_read_input_tokens: 4, output_tokens: 9 };
const messages = {
  match: (url) => /^\/(anthropic\/v1\/messages$|vertex\/.*\/publishers\/anthropic\/)/.test(url),
  auth(h, url, json) {
    if (url.startsWith('/vertex')) {
      need(h.authorization === 'Bearer up-token', 'key');
      need(json.anthropic_version === 'vertex-2023-10-16' && json.model === undefined, 'anthropic_version');
    } else {
      need(h['x-api-key'] === 'up-key' && h['anthropic-version'] === '2023-06-01', 'key or anthropic-version');
      need(typeof json.model === 'string', 'model');
    }
  },
  error: (status) => ({ type: 'error', error: { type: { 400: 'invalid_request_error', 401: 'authentication_error', 403: 'permission_error', 404: 'not_found_error', 429: 'rate_limit_error', 529: 'overloaded_error' }[status] ?? 'api_error', message: `no luck (${status})` }, request_id: 'req_up' }),
  read(json) {
    need(Number.isInteger(json.max_tokens) && json.max_tokens > 0, 'max_tokens');
    if (json.thinking?.type === 'enabled') need(json.thinking.budget_tokens >= 1024 && json.thinking.budget_tokens < json.max_tokens, 'budget_tokens');
    let text = '', results = false, last, open = new Set();
    need(json.messages[0].role === 'user', 'the first message is the user\'s');
    for (const m of json.messages) {
      need(m.role !== last, 'roles alternate');
      last = m.role;
      need(['user', 'assistant'].includes(m.role), `role ${m.role}`);
      const blocks = typeof m.content === 'string' ? [{ type: 'text', text: m.content }] : m.content;
      need(blocks.length, 'content is empty');
      results = false;
      if (m.role === 'user') for (const b of blocks.filter((x) => x.type === 'tool_result')) {
        need(open.delete(b.tool_use_id), `tool_use_id ${b.tool_use_id} answers no call`);
        results = true;
      }
      need(m.role !== 'user' || open.size === 0, 'a tool_use was not answered');
      for (const b of blocks) {
        if (b.type === 'text') need(b.text.trim(), 'text is empty');
        if (b.type === 'tool_use') {
          need(/^[a-zA-Z0-9_-]+$/.test(b.id) && typeof b.input === 'object', 'tool_use');
          open.add(b.id);
        }
      }
      const said = blocks.filter((b) => b.type === 'text').map((b) => b.text).join('');
      if (m.role === 'user' && said) {
        text = said;
        results = false;
      }
    }
    for (const t of json.tools ?? []) need(t.input_schema?.type === 'object', 'input_schema');
    return scenario(text, results, (json.tools ?? []).map((t) => t.name));
  },
  content: (s) => [
    ...(s.think ? [{ type: 'thinking', thinking: 'Let me see.', signature: 'c2ln' }] : []),
    ...(s.text && !s.refuse ? [{ type: 'text', text: s.text }] : []),
    ...s.calls.map((c) => ({ type: 'tool_use', id: c.id, name: c.name, input: c.args })),
  ],
  stop: (s) => (s.refuse ? 'refusal' : s.calls.length ? 'tool_use' : 'end_turn'),
  whole: (s, json) => ({ id: 'msg_up1', type: 'message', role: 'assistant', model: json.model ?? MODEL, content: messages.content(s), stop_reason: messages.stop(s), stop_sequence: null, usage: messagesUsage }),
  stream(s, json, write) {
    const send = (type, o) => write(sse({ type, ...o }, type));
    send('message_start', { message: { id: 'msg_up1', type: 'message', role: 'assistant', model: json.model ?? MODEL, content: [], stop_reason: null, stop_sequence: null, usage: { ...messagesUsage, output_tokens: 1 } } });
    send('ping', {});
    for (const [index, b] of messages.content(s).entries()) {
      if (b.type === 'text') {
        send('content_block_start', { index, content_block: { type: 'text', text: '' } });
        for (const text of halves(b.text)) send('content_block_delta', { index, delta: { type: 'text_delta', text } });
        if (s.cut) return false;
        if (s.broken) return send('error', { error: { type: 'overloaded_error', message: 'the engine broke' } });
      } else if (b.type === 'tool_use') {
        send('content_block_start', { index, content_block: { ...b, input: {} } });
        for (const partial_json of ['', ...halves(JSON.stringify(b.input))]) send('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json } });
      } else {
        send('content_block_start', { index, content_block: { type: 'thinking', thinking: '', signature: '' } });
        send('content_block_delta', { index, delta: { type: 'thinking_delta', thinking: b.thinking } });
        send('content_block_delta', { index, delta: { type: 'signature_delta', signature: b.signature } });
      }
      send('content_block_stop', { index });
    }
    send('message_delta', { delta: { stop_reason: messages.stop(s), stop_sequence: null }, usage: { output_tokens: 9 } });
    send('message_stop', {});
  },
};

const geminiUsage = { promptTokenCount: 20, cachedContentTokenCount: 4, candidatesTokenCount: 9, totalTokenCount: 29 };
const gemini = {
  match: (url) => /^\/(gemini\/v1beta\/models|vertex\/.*\/publishers\/google\/models)\/[^/]+:(generateContent|streamGenerateContent)/.test(url),
  auth: (h, url) => need(url.startsWith('/vertex') ? h.authorization === 'Bearer up-token' : h['x-goog-api-key'] === 'up-key', 'key'),
  error: (status) => ({ error: { code: status, message: `no luck (${status})`, status: { 400: 'INVALID_ARGUMENT', 401: 'UNAUTHENTICATED', 403: 'PERMISSION_DENIED', 404: 'NOT_FOUND', 429: 'RESOURCE_EXHAUSTED', 503: 'UNAVAILABLE' }[status] ?? 'INTERNAL' } }),
  read(json) {
    need(Array.isArray(json.contents) && json.contents.length, 'contents is missing');
    let text = '', results = false, calls = 0;
    for (const c of json.contents) {
      need(c.role === undefined || ['user', 'model', 'function'].includes(c.role), `role ${c.role}`);
      need(Array.isArray(c.parts) && c.parts.length, 'parts is empty');
      results = false;
      for (const p of c.parts) {
        if (p.functionCall) {
          need(typeof (p.functionCall.args ?? {}) === 'object', 'args');
          calls++;
        }
        if (p.functionResponse) {
          need(p.functionResponse.name === 'get_weather', `functionResponse.name ${p.functionResponse.name}`);
          need(typeof p.functionResponse.response === 'object' && calls-- > 0, 'functionResponse answers no call');
          results = true;
        }
      }
      const said = c.parts.map((p) => p.text ?? '').join('');
      if (c.role !== 'model' && said) text = said;
    }
    const declared = (json.tools ?? []).flatMap((t) => t.functionDeclarations ?? []);
    for (const d of declared) noForeign(d.parameters, ['$schema', '$ref', '$defs', 'additionalProperties']);
    return scenario(text, results, declared.map((d) => d.name));
  },
  parts: (s) => [
    ...(s.think ? [{ text: 'Let me see.', thought: true }] : []),
    ...(s.text ? [{ text: s.text, ...(s.think ? { thoughtSignature: 'c2ln' } : {}) }] : []),
    ...s.calls.map((c, i) => ({ functionCall: { name: c.name, args: c.args }, ...(s.think && i === 0 ? { thoughtSignature: 'Y2FsbA==' } : {}) })),
  ],
  whole: (s) => (s.refuse
    ? { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 20, cachedContentTokenCount: 4, totalTokenCount: 20 }, modelVersion: MODEL, responseId: 'up1' }
    : { candidates: [{ content: { role: 'model', parts: gemini.parts(s) }, finishReason: 'STOP', index: 0 }], usageMetadata: geminiUsage, modelVersion: MODEL, responseId: 'up1' }),
  stream(s, json, write, url) {
    need(url.includes('alt=sse'), 'alt=sse');
    if (s.refuse) return write(`data: ${JSON.stringify(gemini.whole(s))}\r\n\r\n`);
    const parts = gemini.parts(s).flatMap((p) => (p.text && !p.thought ? halves(p.text).map((text) => ({ ...p, text })) : [p]));
    for (const [i, p] of parts.entries()) {
      if (s.cut && i === parts.length - 1) return false;
      if (s.broken && i === parts.length - 1) return write(`data: ${JSON.stringify({ error: { code: 503, message: 'the engine broke', status: 'UNAVAILABLE' } })}\r\n\r\n`);
      const last = i === parts.length - 1;
      write(`data: ${JSON.stringify({ candidates: [{ content: { role: 'model', parts: [p] }, index: 0, ...(last ? { finishReason: 'STOP' } : {}) }], usageMetadata: last ? geminiUsage : { promptTokenCount: 20, cachedContentTokenCount: 4, totalTokenCount: 20 }, modelVersion: MODEL, responseId: 'up1' })}\r\n\r\n`);
    }
  },
};

const converseUsage = { inputTokens: 16, outputTokens: 9, totalTokens: 29, cacheReadInputTokens: 4, cacheWriteInputTokens: 0 };
const converse = {
  match: (url) => /^\/bedrock\/model\/[^/]+\/converse(-stream)?$/.test(url),
  auth: (h) => need(/^AWS4-HMAC-SHA256 Credential=AKIDUP\/\d{8}\/us-east-1\/bedrock\/aws4_request, ?SignedHeaders=[a-z0-9;-]+, ?Signature=[0-9a-f]{64}$/.test(h.authorization ?? '') && h['x-amz-date'], 'SigV4'),
  error: (status) => ({ message: `no luck (${status})` }),
  errorHeaders: (status) => ({ 'x-amzn-errortype': { 400: 'ValidationException', 401: 'UnrecognizedClientException', 403: 'AccessDeniedException', 404: 'ResourceNotFoundException', 429: 'ThrottlingException', 503: 'ServiceUnavailableException' }[status] ?? 'InternalServerException' }),
  read(json) {
    let text = '', results = false, last, open = new Set(), calls = false;
    for (const m of json.messages) {
      need(m.role !== last && ['user', 'assistant'].includes(m.role), 'roles alternate');
      last = m.role;
      need(m.content.length, 'content is empty');
      results = false;
      for (const b of m.content) {
        need(Object.keys(b).length === 1, `a block has one member, not ${Object.keys(b)}`);
        if (b.text !== undefined) need(b.text.trim(), 'text is empty');
        if (b.toolUse) {
          open.add(b.toolUse.toolUseId);
          calls = true;
        }
        if (b.toolResult) {
          need(open.delete(b.toolResult.toolUseId), 'toolResult answers no call');
          results = true;
        }
      }
      const said = m.content.map((b) => b.text ?? '').join('');
      if (m.role === 'user' && said) text = said;
    }
    need(!calls || json.toolConfig?.tools?.length, 'toolConfig is missing');
    return scenario(text, results, (json.toolConfig?.tools ?? []).map((t) => t.toolSpec?.name));
  },
  content: (s) => [
    ...(s.think ? [{ reasoningContent: { reasoningText: { text: 'Let me see.', signature: 'c2ln' } } }] : []),
    ...(s.text && !s.refuse ? [{ text: s.text }] : []),
    ...s.calls.map((c) => ({ toolUse: { toolUseId: c.id, name: c.name, input: c.args } })),
  ],
  stop: (s) => (s.refuse ? 'content_filtered' : s.calls.length ? 'tool_use' : 'end_turn'),
  whole: (s) => ({ output: { message: { role: 'assistant', content: converse.content(s) } }, stopReason: converse.stop(s), usage: converseUsage, metrics: { latencyMs: 5 } }),
  streamType: 'application/vnd.amazon.eventstream',
  stream(s, json, write) {
    write(event('messageStart', { role: 'assistant' }));
    for (const [contentBlockIndex, b] of converse.content(s).entries()) {
      const delta = (d) => write(event('contentBlockDelta', { contentBlockIndex, delta: d }));
      if (b.text) {
        for (const text of halves(b.text)) delta({ text });
        if (s.cut) return false;
        if (s.broken) return write(exception('modelStreamErrorException', { message: 'the engine broke', originalStatusCode: 500 }));
      } else if (b.toolUse) {
        write(event('contentBlockStart', { contentBlockIndex, start: { toolUse: { toolUseId: b.toolUse.toolUseId, name: b.toolUse.name } } }));
        for (const input of halves(JSON.stringify(b.toolUse.input))) delta({ toolUse: { input } });
      } else {
        delta({ reasoningContent: { text: 'Let me see.' } });
        delta({ reasoningContent: { signature: 'c2ln' } });
      }
      write(event('contentBlockStop', { contentBlockIndex }));
    }
    write(event('messageStop', { stopReason: converse.stop(s) }));
    write(event('metadata', { usage: converseUsage, metrics: { latencyMs: 5 } }));
  },
};

const cohereUsage = { billed_units: { input_tokens: 20, output_tokens: 9 }, tokens: { input_tokens: 20, output_tokens: 9 }, cached_tokens: 4 };
const cohere = {
  match: (url) => url === '/cohere/v2/chat',
  auth: (h) => need(h.authorization === 'Bearer up-key', 'key'),
  error: (status) => ({ id: 'up1', message: `no luck (${status})` }),
  read: readChat,
  calls: (s) => s.calls.map((c) => ({ id: c.id, type: 'function', function: { name: c.name, arguments: JSON.stringify(c.args) } })),
  finish: (s) => (s.refuse ? 'ERROR' : s.calls.length ? 'TOOL_CALL' : 'COMPLETE'),
  whole: (s) => ({
    id: 'up1', finish_reason: cohere.finish(s),
    message: { role: 'assistant', ...(s.calls.length ? { tool_calls: cohere.calls(s), tool_plan: '' } : { content: [...(s.think ? [{ type: 'thinking', thinking: 'Let me see.' }] : []), ...(s.text && !s.refuse ? [{ type: 'text', text: s.text }] : [])] }) },
    usage: cohereUsage,
  }),
  stream(s, json, write) {
    const send = (type, o) => write(sse({ type, ...o }, type));
    send('message-start', { id: 'up1', delta: { message: { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] } } });
    let index = 0;
    if (s.think) {
      send('content-start', { index, delta: { message: { content: { type: 'thinking', thinking: '' } } } });
      send('content-delta', { index, delta: { message: { content: { thinking: 'Let me see.' } } } });
      send('content-end', { index: index++ });
    }
    if (s.text && !s.refuse) {
      send('content-start', { index, delta: { message: { content: { type: 'text', text: '' } } } });
      for (const text of halves(s.text)) send('content-delta', { index, delta: { message: { content: { text } } } });
      if (s.cut) return false;
      if (s.broken) return send('message-end', { delta: { finish_reason: 'ERROR', error: 'the engine broke' } });
      send('content-end', { index });
    }
    cohere.calls(s).forEach((c, i) => {
      send('tool-call-start', { index: i, delta: { message: { tool_calls: { ...c, function: { name: c.function.name, arguments: '' } } } } });
      for (const a of halves(c.function.arguments)) send('tool-call-delta', { index: i, delta: { message: { tool_calls: { function: { arguments: a } } } } });
      send('tool-call-end', { index: i });
    });
    send('message-end', { delta: { finish_reason: cohere.finish(s), usage: cohereUsage } });
  },
};

const ollama = {
  match: (url) => url === '/ollama/api/chat',
  auth: () => {},
  error: (status) => ({ error: `no luck (${status})` }),
  read(json) {
    let text = '', results = false;
    for (const m of json.messages) {
      need(['system', 'user', 'assistant', 'tool'].includes(m.role), `role ${m.role}`);
      need(m.content === undefined || typeof m.content === 'string', 'content is a text');
      for (const c of m.tool_calls ?? []) need(typeof c.function.arguments === 'object', 'arguments is an object');
      results = m.role === 'tool';
      if (m.role === 'user') text = m.content;
    }
    return scenario(text, results, (json.tools ?? []).map((t) => t.function.name));
  },
  message: (s) => ({ role: 'assistant', content: s.refuse ? '' : s.text, ...(s.think ? { thinking: 'Let me see.' } : {}), ...(s.calls.length ? { tool_calls: s.calls.map((c) => ({ function: { name: c.name, arguments: c.args } })) } : {}) }),
  end: { done: true, done_reason: 'stop', total_duration: 5, load_duration: 1, prompt_eval_count: 20, prompt_eval_duration: 1, eval_count: 9, eval_duration: 1 },
  whole: (s, json) => ({ model: json.model, created_at: '2026-01-01T00:00:00Z', message: ollama.message(s), ...ollama.end }),
  streamType: 'application/x-ndjson',
  stream(s, json, write) {
    const line = (o) => write(`${JSON.stringify({ model: json.model, created_at: '2026-01-01T00:00:00Z', ...o })}\n`);
    if (s.think) line({ message: { role: 'assistant', content: '', thinking: 'Let me see.' }, done: false });
    for (const content of s.refuse ? [] : halves(s.text)) line({ message: { role: 'assistant', content }, done: false });
    if (s.cut) return false;
    if (s.broken) return write(`${JSON.stringify({ error: 'the engine broke' })}\n`);
    for (const c of s.calls) line({ message: { role: 'assistant', content: '', tool_calls: [{ function: { name: c.name, arguments: c.args } }] }, done: false });
    line({ message: { role: 'assistant', content: '' }, ...ollama.end });
  },
};

// InvokeModel with Anthropic's body: the same events, each a frame.
const invoke = {
  ...messages,
  match: (url) => /^\/bedrock\/model\/[^/]+\/invoke(-with-response-stream)?$/.test(url),
  auth(h, url, json) {
    converse.auth(h);
    need(json.anthropic_version === 'bedrock-2023-05-31' && json.model === undefined && json.stream === undefined, 'anthropic_version');
  },
  error: converse.error,
  errorHeaders: converse.errorHeaders,
  streamType: 'application/vnd.amazon.eventstream',
  stream: (s, json, write) => messages.stream(s, json, (text) => write(event('chunk', { bytes: Buffer.from(text.slice(text.indexOf('data: ') + 6).trim()).toString('base64') }))),
};

export const DIALECTS = { chat, responses, messages, invoke, gemini, converse, cohere, ollama };

// The providers of weir.yaml, one per dialect and place; name → { yaml, target }.
export function providerYaml(url) {
  return `
  - {name: openai, kind: openai, base_url: "${url}/openai/v1", api_key: up-key}
  - {name: azure, kind: azure-openai, base_url: "${url}/azure", api_key: up-key, api_version: "2024-10-21"}
  - {name: anthropic, kind: anthropic, base_url: "${url}/anthropic", api_key: up-key}
  - {name: gemini, kind: gemini, base_url: "${url}/gemini", api_key: up-key}
  - {name: vertex, kind: vertex, base_url: "${url}/vertex", project: p1, location: us-central1, access_token: up-token}
  - {name: bedrock, kind: bedrock, base_url: "${url}/bedrock", region: us-east-1, aws_access_key_id: AKIDUP, aws_secret_access_key: secretup}
  - {name: cohere, kind: cohere, base_url: "${url}/cohere", api_key: up-key}
  - {name: ollama, kind: ollama, base_url: "${url}/ollama"}`;
}
export const TARGETS = {
  'to-chat': '{provider: openai, model: model-1, endpoint: chat}',
  'to-responses': '{provider: openai, model: model-1, endpoint: responses}',
  'to-azure': '{provider: azure, model: model-1}',
  'to-messages': '{provider: anthropic, model: claude-model-1}',
  'to-gemini': '{provider: gemini, model: gemini-model-1}',
  'to-vertex': '{provider: vertex, model: gemini-model-1}',
  'to-vertex-claude': '{provider: vertex, model: claude-model-1}',
  'to-bedrock': '{provider: bedrock, model: "anthropic.claude-model-1-v1:0"}',
  'to-cohere': '{provider: cohere, model: command-model-1}',
  'to-ollama': '{provider: ollama, model: llama-model-1}',
};

export async function fakeDialects() {
  const fake = { calls: [], faults: [], open: new Set() };
  const server = http.createServer((req, res) => {
    const parts = [];
    req.on('data', (d) => parts.push(d));
    req.on('error', () => {});
    res.on('error', () => {});
    req.on('end', () => {
      const body = Buffer.concat(parts).toString('utf8');
      const name = Object.keys(DIALECTS).find((d) => DIALECTS[d].match(req.url));
      const d = DIALECTS[name];
      const call = { url: req.url, headers: req.headers, body, dialect: name };
      fake.calls.push(call);
      const refuse = (status, o, headers = {}) => {
        res.writeHead(status, { 'content-type': 'application/json', ...(d?.errorHeaders?.(status) ?? {}), ...headers });
        res.end(JSON.stringify(o));
      };
      if (!d) {
        fake.faults.push(`no dialect at ${req.url}`);
        return refuse(404, { error: { message: `no dialect at ${req.url}` } });
      }
      try {
        const json = JSON.parse(body);
        call.json = json;
        d.auth(req.headers, req.url, json);
        const s = d.read(json, req.url);
        const streams = json.stream === true || /stream/i.test(req.url) || (d === ollama && json.stream !== false);
        if (s.status !== 200) return refuse(s.status, d.error(s.status), { 'retry-after': '7' });
        if (!streams) {
          res.writeHead(200, { 'content-type': 'application/json' });
          return res.end(JSON.stringify(d.whole(s, json)));
        }
        res.writeHead(200, { 'content-type': d.streamType ?? 'text/event-stream' });
        if (d.stream(s, json, (b) => res.write(b) || true, req.url) === false) return setImmediate(() => res.destroy());
        res.end();
      } catch (e) {
        fake.faults.push(`${name}: ${e.message}\n${body}`);
        if (!res.headersSent) refuse(400, { ...d.error(400), fault: e.message });
        else res.destroy();
      }
    });
  });
  server.on('connection', (s) => {
    fake.open.add(s);
    s.once('close', () => fake.open.delete(s));
  });
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  fake.url = `http://127.0.0.1:${server.address().port}`;
  const closed = letGoAfterTests(() => [server, ...fake.open].forEach((h) => h.unref()));
  fake.close = () => {
    closed();
    for (const s of fake.open) s.destroy();
    return new Promise((r) => server.close(r));
  };
  return fake;
}
