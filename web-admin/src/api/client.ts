/* The one way to the admin API: fetch with the session cookie, the CSRF token on writes, the chosen organization, a time
 * limit, and every reply through a parser. Paths are those of docs/openapi.json (`npm run api` makes schema.d.ts). */
import { basePath } from '../app/page_settings';
import { ApiError, errorFromReply } from './errors';
import type { Parser } from './parse';
import type { paths } from './schema';

const TIMEOUT_MS = 20_000;

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
/* Paths that know the method. */
type PathOf<M extends Method> = { [P in keyof paths]: paths[P] extends { [K in M]: unknown } ? P : never }[keyof paths] & string;

type BodyOf<P extends keyof paths, M extends Method> = paths[P] extends { [K in M]: { requestBody?: { content: { 'application/json': infer B } } } } ? B : undefined;

export interface CallOptions<Body = unknown> {
  params?: Record<string, string>; // of "{id}" in the path
  query?: Record<string, string | number | boolean | undefined>;
  body?: Body;
  ifMatch?: string; // the ETag of what is changed, or *
  signal?: AbortSignal;
  timeoutMs?: number; // else TIMEOUT_MS
}

/* Who is calling, and what to do when the server no longer knows them. */
export const caller = {
  csrfToken: '',
  organization: null as string | null,
  onSignedOut: () => {},
};

export const apiRoot = `${basePath}api/v1`;

function addressOf(path: string, { params, query }: CallOptions): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params?.[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(name, String(value));
  return `${apiRoot}${filled}${search.size > 0 ? `?${search}` : ''}`;
}

async function send(method: Method, path: string, options: CallOptions): Promise<{ response: Response; body: string }> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (method !== 'get') headers['x-weir-csrf'] = caller.csrfToken;
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  if (options.ifMatch) headers['if-match'] = options.ifMatch;
  if (caller.organization) headers['x-weir-organization'] = caller.organization;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(addressOf(path, options), {
      method: method.toUpperCase(),
      headers,
      credentials: 'same-origin',
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal ? AbortSignal.any([options.signal, limit]) : limit,
    });
    return { response, body: await response.text() };
  } catch (error) {
    if (options.signal?.aborted) throw error;
    if (limit.aborted) throw new ApiError(0, 'timeout', `no answer within ${timeoutMs / 1000} seconds`);
    throw new ApiError(0, 'unreachable', 'the request got no answer');
  }
}

/* lines: each line of the answer is a value. */
async function answerOf(method: Method, path: string, options: CallOptions, lines = false): Promise<{ value: unknown }> {
  const { response, body } = await send(method, path, options);
  if (!response.ok) {
    const error = errorFromReply(response.status, body, response.headers);
    if (error.status === 401 && path !== '/session') caller.onSignedOut(); // there it is an answer: nobody is signed in
    throw error;
  }
  try {
    return { value: lines ? body.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as unknown) : body === '' ? null : JSON.parse(body) };
  } catch {
    throw new ApiError(response.status, 'unreadable', 'the answer is not JSON', null, response.headers.get('x-weir-request-id'));
  }
}

async function call<T>(method: Method, path: string, parse: Parser<T>, options: CallOptions): Promise<T> {
  return parse((await answerOf(method, path, options)).value, '');
}

export const api = {
  get: <T>(path: PathOf<'get'>, parse: Parser<T>, options: CallOptions<undefined> = {}) => call('get', path, parse, options),
  post: <T, P extends PathOf<'post'>>(path: P, parse: Parser<T>, options: CallOptions<BodyOf<P, 'post'>> = {}) => call('post', path, parse, options),
  /* An answer of JSON lines, as a list. */
  postForLines: async <T, P extends PathOf<'post'>>(path: P, parse: Parser<T>, options: CallOptions<BodyOf<P, 'post'>> = {}) => parse((await answerOf('post', path, options, true)).value, ''),
  put: <T, P extends PathOf<'put'>>(path: P, parse: Parser<T>, options: CallOptions<BodyOf<P, 'put'>> = {}) => call('put', path, parse, options),
  patch: <T, P extends PathOf<'patch'>>(path: P, parse: Parser<T>, options: CallOptions<BodyOf<P, 'patch'>> = {}) => call('patch', path, parse, options),
  delete: <T>(path: PathOf<'delete'>, parse: Parser<T>, options: CallOptions<undefined> = {}) => call('delete', path, parse, options),
};
