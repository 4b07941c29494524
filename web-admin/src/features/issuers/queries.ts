import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { crud } from '../../api/crud';
import { parseDryRun, parseIssuer, parseTest } from './schema';

export const issuers = crud('/issuers', parseIssuer);

export function useTestIssuer() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.post('/issuers/{id}/test', parseTest, { params: { id } }),
    onSettled: () => void queryClient.invalidateQueries({ queryKey: ['/issuers', 'list'] }),
  });
}

export function useDryRun(id: string) {
  return useMutation({ gcTime: 0, mutationFn: (claims: Record<string, never>) => api.post('/issuers/{id}/dry-run', parseDryRun, { params: { id }, body: { claims } }) });
}
