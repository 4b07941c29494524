import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { nothing } from '../../api/parse';
import { parseDocument, parseDocuments, parseVerdict, parseVersion, parseVersions } from './schema';

export type Root = '/configs' | '/prompts' | '/price-books';

export const listQuery = (root: Root) =>
  infiniteQueryOptions({
    queryKey: [root, 'list'],
    queryFn: ({ pageParam, signal }) => api.get(root, parseDocuments, { query: { limit: 100, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });

export const documentQuery = (root: Root, id: string) =>
  queryOptions({
    queryKey: [root, 'one', id],
    queryFn: ({ signal }) => api.get(`${root}/{id}`, parseDocument, { params: { id }, signal }),
  });

export const versionsQuery = (root: Root, id: string) =>
  infiniteQueryOptions({
    queryKey: [root, 'versions', id],
    queryFn: ({ pageParam, signal }) => api.get(`${root}/{id}/versions`, parseVersions, { params: { id }, query: { limit: 50, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });

/* A version's document never changes; its labels do, and are read from the list. */
export const versionQuery = (root: Root, id: string, number: number) =>
  queryOptions({
    queryKey: [root, 'version', id, number],
    queryFn: ({ signal }) => api.get(`${root}/{id}/versions/{number}`, parseVersion, { params: { id, number: String(number) }, signal }),
    staleTime: Infinity,
  });

/* text: the document as it is written, which is the question's name. */
export const verdictQuery = (root: Root, text: string, document: unknown, partial: boolean) =>
  queryOptions({
    queryKey: [root, 'verdict', partial, text],
    queryFn: ({ signal }) => api.post(`${root}/validate`, parseVerdict, { body: { document, ...(partial && { partial }) } as { document: unknown }, signal }),
    staleTime: 60_000,
    gcTime: 60_000,
  });

export interface NewDocument {
  name: string;
  description?: string;
  workspace_id?: string;
  document: unknown;
  note?: string;
  publish: boolean;
  partial?: boolean;
}

export function useCreate(root: Root) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: NewDocument) => api.post(root, parseDocument, { body: body as never }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: [root, 'list'] }),
  });
}

/* What changes a document: all of it is read anew, save what never changes. */
function useChange<V, T>(root: Root, change: (what: V) => Promise<T>) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: change,
    // not waited for: what the caller does next must not depend on whether the page has changed meanwhile
    onSettled: () => void queryClient.invalidateQueries({ queryKey: [root], predicate: ({ queryKey }) => ['list', 'one', 'versions'].includes(String(queryKey[1])) }),
  });
}

export function useSaveVersion(root: Root, id: string) {
  const queryClient = useQueryClient();
  return useChange(root, async (body: { document: unknown; note?: string; publish: boolean }) => {
    const made = await api.post(`${root}/{id}/versions`, parseVersion, { params: { id }, body: body as never });
    queryClient.setQueryData(versionQuery(root, id, made.number).queryKey, made);
    return made;
  });
}

export const usePublish = (root: Root, id: string) => useChange(root, (version: number) => api.post(`${root}/{id}/publish`, parseDocument, { params: { id }, body: { version } }));

export const useSetLabel = (root: Root, id: string) =>
  useChange(root, ({ label, version }: { label: string; version: number }) => api.put(`${root}/{id}/labels/{label}`, parseDocument, { params: { id, label }, body: { version } }));

export const useRemoveLabel = (root: Root, id: string) => useChange(root, (label: string) => api.delete(`${root}/{id}/labels/{label}`, nothing, { params: { id, label } }));

export const useUpdate = (root: Root, id: string) =>
  useChange(root, ({ revision, ...body }: { name: string; description: string; revision: number }) => api.patch(`${root}/{id}`, parseDocument, { params: { id }, body, ifMatch: `"${revision}"` }));

export const useDelete = (root: Root, id: string) => useChange(root, () => api.delete(`${root}/{id}`, nothing, { params: { id } }));
