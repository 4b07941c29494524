/* Workspaces of the organization: where a thing that is made belongs. */
import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { object, page, text } from '../../api/parse';

const parseWorkspaces = page(object({ id: text, name: text }));

export const workspacesQuery = queryOptions({
  queryKey: ['workspaces'],
  queryFn: async ({ signal }) => (await api.get('/workspaces', parseWorkspaces, { query: { limit: 200 }, signal })).data,
  staleTime: 60_000,
});
