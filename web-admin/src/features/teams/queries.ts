import { infiniteQueryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { crud } from '../../api/crud';
import { nothing } from '../../api/parse';
import { parseTeam, parseTeamMember, parseTeamMembers } from './schema';

export const teams = crud('/teams', parseTeam);

export const teamMembersQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['/teams', 'members', id],
    queryFn: ({ pageParam, signal }) => api.get('/teams/{id}/members', parseTeamMembers, { params: { id }, query: { limit: 100, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });

/* in: adds them, else takes them out. */
export function useTeamMember(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: async ({ user, joins }: { user: string; joins: boolean }): Promise<void> => {
      const params = { id, user_id: user };
      if (joins) await api.put('/teams/{id}/members/{user_id}', parseTeamMember, { params });
      else await api.delete('/teams/{id}/members/{user_id}', nothing, { params });
    },
    onSettled: () => void queryClient.invalidateQueries({ queryKey: teamMembersQuery(id).queryKey }),
  });
}
