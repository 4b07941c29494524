/* Resources that are kept in the usual way: a list in pages, one of them, made, changed by its revision, deleted. */
import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from './client';
import { nothing, page, type Parser } from './parse';
import type { paths } from './schema';

/* Paths that have one of theirs below them. */
type Collection = { [P in keyof paths & string]: `${P}/{id}` extends keyof paths ? P : never }[keyof paths & string];

export interface Row {
  id: string;
  revision: number;
}

/* row null: a new one. */
export interface Saved<T> {
  row: T | null;
  body: object;
}

export type Narrow = Record<string, string | undefined>;

export function crud<T extends Row>(path: Collection, parse: Parser<T>) {
  const one = `${path}/{id}` as '/teams/{id}'; // all of them are alike
  const all = path as '/teams';
  const parsePage = page(parse);
  const listQuery = (narrow: Narrow = {}) =>
    infiniteQueryOptions({
      queryKey: [path, 'list', narrow],
      queryFn: ({ pageParam, signal }) => api.get(all, parsePage, { query: { limit: 100, ...narrow, cursor: pageParam }, signal }),
      initialPageParam: undefined as string | undefined,
      getNextPageParam: (last) => last.next_cursor ?? undefined,
    });
  const oneQuery = (id: string) =>
    queryOptions({
      queryKey: [path, 'one', id],
      queryFn: ({ signal }) => api.get(one, parse, { params: { id }, signal }),
    });
  /* For choices in other forms: the first 200. */
  const choicesQuery = queryOptions({
    queryKey: [path, 'choices'],
    queryFn: async ({ signal }) => (await api.get(all, parsePage, { query: { limit: 200 }, signal })).data,
    staleTime: 10_000,
  });

  function useSave() {
    const queryClient = useQueryClient();
    return useMutation({
      gcTime: 0, // a body may hold a credential
      mutationFn: ({ row, body }: Saved<T>) =>
        row ? api.patch(one, parse, { params: { id: row.id }, body, ifMatch: `"${row.revision}"` }) : api.post(all, parse, { body: body as never }),
      onSettled: () => void queryClient.invalidateQueries({ queryKey: [path] }),
    });
  }

  function useRemove() {
    const queryClient = useQueryClient();
    return useMutation({
      mutationFn: (id: string) => api.delete(one, nothing, { params: { id } }),
      onSettled: () => void queryClient.invalidateQueries({ queryKey: [path] }),
    });
  }

  return { path, listQuery, oneQuery, choicesQuery, useSave, useRemove };
}
