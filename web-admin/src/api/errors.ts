/* What can go wrong with a call, in one class, with what a page needs to say: cause, next step, request id. */
import { nullable, object, optional, ShapeError, text } from './parse';

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer came
    readonly code: string,
    message: string,
    readonly param: string | null = null,
    readonly requestId: string | null = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

const errorReply = object({
  error: object({
    code: optional(text, 'unknown'),
    message: text,
    param: nullable(text),
    request_id: nullable(text),
  }),
});

/* Seconds of a Retry-After header, which holds seconds or a date. */
export function parseRetryAfter(header: string | null, now = Date.now()): number | null {
  if (!header) return null;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : Math.ceil((new Date(header).getTime() - now) / 1000);
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}

export function errorFromReply(status: number, body: string, headers: Headers): ApiError {
  const retryAfterS = parseRetryAfter(headers.get('retry-after'));
  const requestId = headers.get('x-weir-request-id') ?? headers.get('x-request-id');
  try {
    const { error } = errorReply(JSON.parse(body), '');
    return new ApiError(status, error.code, error.message, error.param, error.request_id ?? requestId, retryAfterS);
  } catch {
    return new ApiError(status, 'unreadable', `the server answered with status ${status} and no error that can be read`, null, requestId, retryAfterS);
  }
}

/* Code of the error, "" when it is not the API's. */
export function errorCode(error: unknown): string {
  return error instanceof ApiError ? error.code : '';
}

export interface ErrorText {
  title: string;
  detail: string;
  nextStep: string;
  requestId: string | null;
}

/* Texts of codes that every page may meet; others show the server's own words. */
const KNOWN: Record<string, { title: string; nextStep: string }> = {
  unreachable: { title: 'weir-control cannot be reached', nextStep: 'Check that it runs and that your network reaches it, then try again.' },
  timeout: { title: 'No answer in time', nextStep: 'The server may be busy. Try again in a moment.' },
  unauthenticated: { title: 'Your session has ended', nextStep: 'Sign in again; nothing that was saved is lost.' },
  forbidden: { title: 'You may not do this', nextStep: 'Ask an administrator of the organization for a role that may.' },
  csrf_failed: { title: 'This page is out of date', nextStep: 'Reload it and try again: you may have signed in anew in another tab.' },
  not_found: { title: 'It is no longer there', nextStep: 'Somebody may have deleted it. Reload the list.' },
  conflict: { title: 'That clashes with something that exists', nextStep: 'Choose another name, or look at the list.' },
  precondition_failed: { title: 'It was changed meanwhile', nextStep: 'Reload to see the change, then try again.' },
  rate_limit_exceeded: { title: 'Too many attempts', nextStep: 'Wait a little, then try again.' },
  database_unavailable: { title: 'The database is not available', nextStep: 'Data planes go on serving meanwhile. Check PostgreSQL, then try again.' },
  overloaded: { title: 'The server is overloaded', nextStep: 'Try again in a moment.' },
};

export function describeError(error: unknown): ErrorText {
  if (error instanceof ApiError) {
    const known = KNOWN[error.code];
    const otherwise = error.status >= 500 ? 'Try again; if it stays, look up the request id in the log of weir-control.' : 'Correct it and try again.';
    return {
      title: known?.title ?? (error.status >= 500 ? 'The server failed' : 'The server refused this'),
      detail: sentence(error.message),
      nextStep: error.code === 'rate_limit_exceeded' && error.retryAfterS ? `Try again in ${error.retryAfterS} s.` : (known?.nextStep ?? otherwise),
      requestId: error.requestId,
    };
  }
  if (error instanceof ShapeError) {
    return {
      title: 'The server sent something unexpected',
      detail: sentence(error.message),
      nextStep: 'This page and weir-control may be of different versions. Reload the page.',
      requestId: null,
    };
  }
  return { title: 'This page failed', detail: sentence(error instanceof Error ? error.message : String(error)), nextStep: 'Reload the page.', requestId: null };
}

/* The server's messages are lower case without a full stop. */
function sentence(message: string): string {
  const first = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

