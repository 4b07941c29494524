import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseUsage } from './schema';

export const usageQuery = (by: string, span: { from: string; to?: string }, name: string) =>
  queryOptions({
    queryKey: ['usage', by, name],
    queryFn: ({ signal }) => api.get('/usage/summary', parseUsage, { query: { group_by: by, ...span }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });
