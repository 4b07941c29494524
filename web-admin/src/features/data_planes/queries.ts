import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseDataPlane, parseDataPlanes, parseEnrolment } from './schema';

/* Read anew every two seconds while the page is seen. */
export const dataPlanesQuery = queryOptions({
  queryKey: ['data-planes'],
  queryFn: async ({ signal }) => (await api.get('/data-planes', parseDataPlanes, { query: { limit: 200 }, signal })).data,
  refetchInterval: 2000,
  refetchIntervalInBackground: false,
});

/* The reply holds the token: it stays in the mutation and goes into no cache. */
export function useCreateEnrolment() {
  return useMutation({
    gcTime: 0,
    mutationFn: () => api.post('/enrolment-tokens', parseEnrolment, { body: {} }),
  });
}

export function useRevokeDataPlane() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.post('/data-planes/{id}/revoke', parseDataPlane, { params: { id } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: dataPlanesQuery.queryKey }),
  });
}
