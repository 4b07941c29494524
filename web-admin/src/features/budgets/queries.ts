import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { crud } from '../../api/crud';
import { parseBudget } from './schema';

export const budgets = crud('/budgets', parseBudget);

export function useIncrease(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: { amount: string; until: string }) => api.post('/budgets/{id}/increase', parseBudget, { params: { id }, body }),
    onSettled: () => void queryClient.invalidateQueries({ queryKey: ['/budgets'] }),
  });
}
