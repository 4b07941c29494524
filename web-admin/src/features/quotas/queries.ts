import { infiniteQueryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseAccounts } from './schema';

export const accountsQuery = (root: '/budgets' | '/limits', id: string, limit = 50) =>
  infiniteQueryOptions({
    queryKey: [root, 'accounts', id, limit],
    queryFn: ({ pageParam, signal }) => api.get(`${root}/{id}/accounts`, parseAccounts, { params: { id }, query: { limit, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: 10_000,
  });
