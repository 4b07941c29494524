import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { components } from '../../api/schema';
import { parseKinds, parseProvider, parseProviders, parseTest } from './schema';

export type NewProvider = components['schemas']['ProviderCreate'];

export const providersQuery = infiniteQueryOptions({
  queryKey: ['providers'],
  queryFn: ({ pageParam, signal }) => api.get('/providers', parseProviders, { query: { limit: 100, cursor: pageParam }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.next_cursor ?? undefined,
});

/* Part of the program that serves it, so it does not change meanwhile. */
export const kindsQuery = queryOptions({
  queryKey: ['provider-kinds'],
  queryFn: ({ signal }) => api.get('/provider-kinds', parseKinds, { signal }),
  staleTime: Infinity,
});

export function useCreateProvider() {
  const queryClient = useQueryClient();
  return useMutation({
    gcTime: 0, // the body holds the credential
    mutationFn: (provider: NewProvider) => api.post('/providers', parseProvider, { body: provider }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: providersQuery.queryKey }),
  });
}

export function useTestProvider() {
  return useMutation({ mutationFn: (id: string) => api.post('/providers/{id}/test', parseTest, { params: { id } }) });
}
