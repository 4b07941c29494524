import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseStatement } from './schema';

export interface Wanted {
  month: string;
  team?: string;
  by?: string;
}

export const statementQuery = ({ month, team, by }: Wanted) =>
  queryOptions({
    queryKey: ['statements', month, team ?? '', by ?? ''],
    queryFn: ({ signal }) => api.get('/statements', parseStatement, { query: { month, team, by }, signal }),
  });
