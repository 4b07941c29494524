import { infiniteQueryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { components } from '../../api/schema';
import { parseCreatedKey, parseKey, parseKeys } from './schema';

export type NewKey = components['schemas']['KeyCreate'];

export const keysQuery = infiniteQueryOptions({
  queryKey: ['keys'],
  queryFn: ({ pageParam, signal }) => api.get('/keys', parseKeys, { query: { limit: 100, cursor: pageParam }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.next_cursor ?? undefined,
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

export function useChangeKey(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (change: KeyChange) => api.patch('/keys/{id}', parseKey, { params: { id }, body: change, ifMatch: '*' }),
    onSuccess: () => Promise.all([queryClient.invalidateQueries({ queryKey: keysQuery.queryKey }), queryClient.invalidateQueries({ queryKey: ['config-uses'] })]),
  });
}

export function useRevokeKey() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.post('/keys/{id}/revoke', parseKey, { params: { id } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: keysQuery.queryKey }),
  });
}
