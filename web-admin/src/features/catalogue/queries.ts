import { infiniteQueryOptions, keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { nothing } from '../../api/parse';
import type { components } from '../../api/schema';
import { parseEntries, parseEntry, parseOverride, parseProviders, type Entry } from './schema';

export type OverrideEntry = components['schemas']['CatalogueEntry'];

const ALL = ['catalogue'];

export interface Narrowed {
  q?: string;
  provider?: string;
}

export const entriesQuery = ({ q, provider }: Narrowed) =>
  infiniteQueryOptions({
    queryKey: [...ALL, 'list', q ?? '', provider ?? ''],
    queryFn: ({ pageParam, signal }) => api.get('/catalogue', parseEntries, { query: { limit: 50, q, provider, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });

export const entryQuery = (id: string) =>
  queryOptions({
    queryKey: [...ALL, 'one', id],
    queryFn: ({ signal }) => api.get('/catalogue/{id}', parseEntry, { params: { id }, signal }),
  });

export const catalogueProvidersQuery = queryOptions({
  queryKey: [...ALL, 'providers'],
  queryFn: ({ signal }) => api.get('/catalogue/providers', parseProviders, { signal }),
  staleTime: 60_000,
});

/* Makes the override of an entry, or changes it. */
export function useOverride() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ entry: { provider, model, override_id }, values }: { entry: Entry; values: OverrideEntry }) =>
      override_id
        ? api.patch('/catalogue-overrides/{id}', parseOverride, { params: { id: override_id }, body: { entry: values }, ifMatch: '*' })
        : api.post('/catalogue-overrides', parseOverride, { body: { provider, model, entry: values } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ALL }),
  });
}

export function useRemoveOverride() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.delete('/catalogue-overrides/{id}', nothing, { params: { id } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ALL }),
  });
}
