import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseEffective } from './schema';

export interface Wanted {
  provider: string;
  model: string;
  service_tier?: string;
  at?: string;
  group?: string;
}

export const effectiveQuery = (wanted: Wanted) =>
  queryOptions({
    queryKey: ['prices', 'effective', wanted],
    queryFn: ({ signal }) => api.get('/prices/effective', parseEffective, { query: { ...wanted }, signal }),
  });
