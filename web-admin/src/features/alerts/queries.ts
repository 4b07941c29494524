import { infiniteQueryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseAlerts } from './schema';

export const alertsQuery = infiniteQueryOptions({
  queryKey: ['alerts'],
  queryFn: ({ pageParam, signal }) => api.get('/alerts', parseAlerts, { query: { limit: 50, cursor: pageParam }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.next_cursor ?? undefined,
  refetchInterval: 15_000,
});
