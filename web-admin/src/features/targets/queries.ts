import { queryOptions, useMutation } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parsePurge, parseTargets } from './schema';

/* Each data plane is asked, so not more often than somebody can read. */
export const targetsQuery = queryOptions({
  queryKey: ['targets'],
  queryFn: async ({ signal }) => (await api.get('/targets', parseTargets, { signal })).data_planes,
  refetchInterval: 5000,
  refetchIntervalInBackground: false,
});

export function usePurge() {
  return useMutation({ mutationFn: (workspace: string) => api.post('/cache/purge', parsePurge, { body: workspace ? { workspace_id: workspace } : {} }) });
}
