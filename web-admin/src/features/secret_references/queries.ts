import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseReferences } from './schema';

export const referencesQuery = queryOptions({
  queryKey: ['secret-references'],
  queryFn: async ({ signal }) => (await api.get('/secret-references', parseReferences, { signal })).data,
});
