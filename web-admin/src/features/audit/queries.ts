import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseEntries } from './schema';

export interface Narrowed {
  action?: string;
  object_kind?: string;
  object_id?: string;
  from?: string;
  to?: string;
}

export const auditQuery = (narrowed: Narrowed) =>
  infiniteQueryOptions({
    queryKey: ['audit', narrowed],
    queryFn: ({ pageParam, signal }) => api.get('/audit', parseEntries, { query: { limit: 50, ...narrowed, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
