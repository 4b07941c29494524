import { useMutation } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseExplanation } from './schema';

export interface Question {
  key: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: unknown;
  config?: unknown; // in place of the one in force
  data_plane?: string;
}

export function useExplain() {
  return useMutation({ gcTime: 0, mutationFn: (question: Question) => api.post('/explain', parseExplanation, { body: question as never }) });
}
