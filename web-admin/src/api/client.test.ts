import { afterEach, describe, expect, test, vi } from 'vitest';
import { fakeApi, refusal } from '../test/fake_api';
import { api, caller } from './client';
import { ApiError, describeError, parseRetryAfter } from './errors';
import { nothing, object, text } from './parse';

afterEach(() => {
  caller.csrfToken = '';
  caller.organization = null;
  caller.onSignedOut = () => {};
});

describe('a call', () => {
  test('carries the CSRF token on writes only, and the organization always', async () => {
    const { calls } = fakeApi({ 'POST /keys/key_1/revoke': () => ({}) });
    caller.csrfToken = 'secret';
    caller.organization = 'org_1';
    await api.get('/keys', nothing, { query: { limit: 5, cursor: undefined } });
    await api.post('/keys/{id}/revoke', nothing, { params: { id: 'key_1' } });
    expect(calls[0]!.headers).not.toHaveProperty('x-weir-csrf');
    expect([...calls[0]!.query]).toEqual([['limit', '5']]);
    expect(calls[1]!.headers['x-weir-csrf']).toBe('secret');
    expect(calls.map((call) => call.headers['x-weir-organization'])).toEqual(['org_1', 'org_1']);
  });

  test('that is refused tells code, field and request id', async () => {
    fakeApi({ 'GET /keys': () => refusal(400, 'invalid_field', 'limit must be between 1 and 200', { param: 'limit' }) });
    const error = await api.get('/keys', nothing).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 400, code: 'invalid_field', param: 'limit', requestId: 'req_test' });
  });

  test('that meets a proxy’s error page is still an error with a status', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve(new Response('<html>bad gateway</html>', { status: 502 })));
    await expect(api.get('/keys', nothing)).rejects.toMatchObject({ status: 502, code: 'unreadable' });
  });

  test('that gets no answer says so', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(api.get('/keys', nothing)).rejects.toMatchObject({ status: 0, code: 'unreachable' });
  });

  test('refuses a reply of the wrong shape', async () => {
    fakeApi({ 'GET /status': () => ({ body: { version: 3 } }) });
    await expect(api.get('/status', object({ version: text }))).rejects.toThrow('version: expected a text, got a number');
  });

  test('tells when the session is over, but not of the question whether there is one', async () => {
    const signedOut = vi.fn();
    caller.onSignedOut = signedOut;
    const nobody = () => refusal(401, 'unauthenticated', 'session has ended');
    fakeApi({ 'GET /session': nobody, 'GET /keys': nobody });
    await expect(api.get('/session', nothing)).rejects.toThrow();
    expect(signedOut).not.toHaveBeenCalled();
    await expect(api.get('/keys', nothing)).rejects.toThrow();
    expect(signedOut).toHaveBeenCalledOnce();
  });
});

test('Retry-After is read as seconds or as a date', () => {
  const now = Date.parse('2030-01-31T12:00:00Z');
  expect(parseRetryAfter('25', now)).toBe(25);
  expect(parseRetryAfter('Thu, 31 Jan 2030 12:01:00 GMT', now)).toBe(60);
  expect(parseRetryAfter('Thu, 31 Jan 2030 11:00:00 GMT', now)).toBe(0);
  expect(parseRetryAfter('soon', now)).toBeNull();
  expect(parseRetryAfter(null, now)).toBeNull();
});

test('an error is told with cause, next step and request id', () => {
  const told = describeError(new ApiError(503, 'database_unavailable', 'database unavailable', null, 'req_9'));
  expect(told).toMatchObject({ title: 'The database is not available', detail: 'Database unavailable.', requestId: 'req_9' });
  expect(told.nextStep).toContain('Check PostgreSQL');
});
