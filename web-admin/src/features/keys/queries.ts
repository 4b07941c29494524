import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { components } from '../../api/schema';
import { parseBulk, parseCreatedKey, parseKey, parseKeys } from './schema';

export type NewKey = components['schemas']['KeyCreate'];

export const keysQuery = infiniteQueryOptions({
  queryKey: ['keys'],
  queryFn: ({ pageParam, signal }) => api.get('/keys', parseKeys, { query: { limit: 100, cursor: pageParam }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.next_cursor ?? undefined,
});

export const keyQuery = (id: string) =>
  queryOptions({
    queryKey: ['key', id],
    queryFn: ({ signal }) => api.get('/keys/{id}', parseKey, { params: { id }, signal }),
  });

/* The reply holds the secret: it stays in the mutation and goes into no cache. */
export function useCreateKey() {
  const queryClient = useQueryClient();
  return useMutation({
    gcTime: 0,
    mutationFn: (key: NewKey) => api.post('/keys', parseCreatedKey, { body: key }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: keysQuery.queryKey }),
  });
}

export type KeyChange = components['schemas']['KeyUpdate'];

export function useChangeKey(id: string, revision: number) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (change: KeyChange) => api.patch('/keys/{id}', parseKey, { params: { id }, body: change, ifMatch: `"${revision}"` }),
    onSettled: () => Promise.all([queryClient.invalidateQueries({ queryKey: keysQuery.queryKey }), queryClient.invalidateQueries({ queryKey: ['key', id] }), queryClient.invalidateQueries({ queryKey: ['config-uses'] })]),
  });
}

export function useRevokeKey() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.post('/keys/{id}/revoke', parseKey, { params: { id } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: keysQuery.queryKey }),
  });
}

export function useBlockKey() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ id, blocked }: { id: string; blocked: boolean }) => api.post(blocked ? '/keys/{id}/block' : '/keys/{id}/unblock', parseKey, { params: { id } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: keysQuery.queryKey }),
  });
}

/* As of making one: the secret goes into no cache. */
export function useRotateKey(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    gcTime: 0,
    mutationFn: (overlap_s: number) => api.post('/keys/{id}/rotate', parseCreatedKey, { params: { id }, body: { overlap_s } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: keysQuery.queryKey }),
  });
}

const BULK_TIMEOUT_MS = 600_000;

/* What has a default may be left out. */
export type Bulk = Pick<components['schemas']['KeyBulk'], 'action'> & Partial<components['schemas']['KeyBulk']>;

export function useBulk() {
  const queryClient = useQueryClient();
  return useMutation({
    gcTime: 0,
    mutationFn: (body: Bulk) => api.postForLines('/keys/bulk', parseBulk, { body: body as never, timeoutMs: BULK_TIMEOUT_MS }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: keysQuery.queryKey }),
  });
}
