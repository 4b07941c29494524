import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { nothing, object, page, text } from '../../api/parse';
import type { components } from '../../api/schema';
import { parseModel, parseModels } from './schema';

export type NewModel = components['schemas']['ModelCreate'];

const ALL = ['models'];

export const modelsQuery = infiniteQueryOptions({
  queryKey: [...ALL, 'list'],
  queryFn: ({ pageParam, signal }) => api.get('/models', parseModels, { query: { limit: 100, cursor: pageParam }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.next_cursor ?? undefined,
});

/* Names only: suggestions in other forms. */
export const modelNamesQuery = queryOptions({
  queryKey: [...ALL, 'names'],
  queryFn: async ({ signal }) => {
    const { data } = await api.get('/models', page(object({ name: text })), { query: { limit: 200 }, signal });
    return data.map((model) => model.name);
  },
  staleTime: 30_000,
});

export function useCreateModel() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (model: NewModel) => api.post('/models', parseModel, { body: model }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ALL }),
  });
}

export function useDeleteModel() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.delete('/models/{id}', nothing, { params: { id } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ALL }),
  });
}
