import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { crud } from '../../api/crud';
import { parseMember, parseMembers } from './schema';

export const members = crud('/memberships', parseMember);

/* People who hold a role, for choices: the first 200 memberships. */
export const membersQuery = queryOptions({
  queryKey: ['/memberships', 'people'],
  queryFn: async ({ signal }) => (await api.get('/memberships', parseMembers, { query: { limit: 200 }, signal })).data,
  staleTime: 10_000,
});
