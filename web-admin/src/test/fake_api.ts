/* An admin API in memory behind `fetch`: answers by "METHOD /path", and keeps what it was asked. */
import { vi } from 'vitest';

export interface Call {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Record<string, string>;
  body: unknown;
}

export interface Answer {
  status?: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export type Handler = (call: Call) => Answer;

export const refusal = (status: number, code: string, message: string, more: Record<string, unknown> = {}, headers: Record<string, string> = {}): Answer => ({
  status,
  headers,
  body: { error: { code, message, param: null, type: 'invalid_request_error', request_id: 'req_test', ...more } },
});

export const session = {
  user: { id: 'usr_1', email: 'ada@example.test', name: '', platform_admin: true },
  csrf_token: 'csrf-1',
  platform_admin: true,
  memberships: [],
  organizations: [{ id: 'org_1', name: 'Acme' }],
};

export const permissions = {
  permissions: [
    { name: 'key.read', text: 'See virtual keys', roles: ['platform_admin', 'owner', 'workspace_viewer'], organization: true, workspace: true },
    { name: 'key.write', text: 'Make virtual keys', roles: ['platform_admin', 'owner'], organization: true, workspace: true },
    { name: 'role.write', text: 'Make custom roles', roles: ['platform_admin', 'owner'], organization: true, workspace: false },
  ],
  roles: [
    { key: 'owner', name: 'owner', scope: 'organization', text: 'Owns the organization' },
    { key: 'billing', name: 'billing', scope: 'organization', text: 'Budgets and prices' },
    { key: 'workspace_viewer', name: 'viewer', scope: 'workspace', text: 'Sees one workspace' },
  ],
  held: [] as unknown[],
};

/* A reader who is no administrator of the platform and holds these. */
export const readerOf = (...held: string[]): Record<string, Handler> => ({
  'GET /session': () => ({ body: { ...session, platform_admin: false } }),
  'GET /permissions': () => ({ body: { ...permissions, held: [{ organization_id: 'org_1', workspace_id: null, permissions: held }] } }),
});

export const listOf = (...data: unknown[]): Answer => ({ body: { data, next_cursor: null } });

export const keyRow = (name: string, more: Record<string, unknown> = {}) => ({
  id: `key_${name}`,
  organization_id: 'org_1',
  workspace_id: 'ws_1',
  name,
  mask: 'wr_live_…abcd',
  models: ['*'],
  status: 'active',
  disabled: false,
  expires_at: null,
  revoked_at: null,
  owned_by: 'api',
  created_at: '2030-01-31T12:00:00.000Z',
  ...more,
});

export const configRow = (name: string, more: Record<string, unknown> = {}) => ({
  id: `cfg_${name}`,
  workspace_id: null,
  name,
  description: '',
  published_version: 1,
  latest_version: 1,
  labels: {},
  owned_by: 'api',
  revision: 1,
  created_at: '2030-01-31T12:00:00.000Z',
  updated_at: '2030-01-31T12:00:00.000Z',
  document: null,
  ...more,
});

export const versionRow = (number: number, document: unknown, more: Record<string, unknown> = {}) => ({
  number,
  document,
  note: '',
  created_at: '2030-01-31T12:00:00.000Z',
  created_by: 'usr_1',
  published: false,
  labels: [],
  ...more,
});

const ready: Record<string, Handler> = {
  'GET /session': () => ({ body: session }),
  'POST /session': () => ({ body: session }),
  'GET /permissions': () => ({ body: permissions }),
  'GET /session/providers': () => ({ body: { password: true, providers: [] } }),
  'GET /budgets': () => listOf(),
  'GET /limits': () => listOf(),
  'GET /teams': () => listOf(),
  'GET /service-accounts': () => listOf(),
  'GET /memberships': () => listOf(),
  'GET /roles': () => listOf(),
  'GET /price-groups': () => listOf(),
  'GET /keys': () => listOf(),
  'GET /models': () => listOf({ id: 'mdl_1', name: 'gpt-4o' }),
  'GET /workspaces': () => listOf({ id: 'ws_1', name: 'main' }),
  'GET /providers': () => listOf(),
  'GET /configs': () => listOf(),
  'GET /prompts': () => listOf(),
  'GET /schemas/routing-config': () => ({ body: {} }),
  'POST /configs/validate': () => ({ body: { valid: true, error: null } }),
  'POST /prompts/validate': () => ({ body: { valid: true, error: null, variables: [] } }),
  'GET /data-planes': () => listOf(),
  'GET /events': () => listOf(),
  'GET /status': () => ({ body: { version: '0', config_version: 7, control_planes: [], counts: { keys: 0, providers: 0, models: 0, events_today: 0 } } }),
};

/* Stubs fetch until the test ends. Handlers of the test come before those that are always there. */
export function fakeApi(handlers: Record<string, Handler> = {}): { calls: Call[]; to: (what: string) => Call[] } {
  const calls: Call[] = [];
  vi.stubGlobal('fetch', (address: string, init: RequestInit = {}) => {
    const url = new URL(address, 'http://localhost');
    const call: Call = {
      method: init.method ?? 'GET',
      path: url.pathname.replace('/api/v1', ''),
      query: url.searchParams,
      headers: init.headers as Record<string, string>,
      body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
    };
    calls.push(call);
    const what = `${call.method} ${call.path}`;
    const handler = handlers[what] ?? ready[what] ?? (() => refusal(404, 'not_found', `nothing answers ${what}`));
    const { status = 200, body, headers } = handler(call);
    return Promise.resolve(new Response(body === undefined ? null : JSON.stringify(body), { status, headers }));
  });
  return { calls, to: (what) => calls.filter((call) => `${call.method} ${call.path}` === what) };
}
