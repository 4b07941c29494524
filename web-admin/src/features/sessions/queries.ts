import { infiniteQueryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { nothing } from '../../api/parse';
import { parseSessions } from './schema';

/* all: other people's too. */
export const sessionsQuery = (all: boolean) =>
  infiniteQueryOptions({
    queryKey: ['sessions', all],
    queryFn: ({ pageParam, signal }) => api.get('/sessions', parseSessions, { query: { limit: 100, cursor: pageParam, ...(all && { all: true }) }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });

export function useEndSession() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.delete('/sessions/{id}', nothing, { params: { id } }),
    onSettled: () => void queryClient.invalidateQueries({ queryKey: ['sessions'] }),
  });
}
