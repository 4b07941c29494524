import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { nullable, object, page, text, type Parser } from '../../api/parse';
import { parseDocuments } from '../documents/schema';
import { wordsOf } from './schema_words';

const parseUsers = page(object({ name: text, config: nullable(text) }));
const anything: Parser<unknown> = (value) => value;

const PAGES = 10; // of 200: beyond that the list says that it is not whole

async function allOf(path: '/keys' | '/models', signal: AbortSignal): Promise<{ name: string; config: string }[]> {
  const found: { name: string; config: string }[] = [];
  let cursor: string | undefined;
  for (let i = 0; i < PAGES; i++) {
    const { data, next_cursor } = await api.get(path, parseUsers, { query: { limit: 200, cursor }, signal });
    for (const { name, config } of data) if (config !== null) found.push({ name, config });
    if (next_cursor === null) break;
    cursor = next_cursor;
  }
  return found;
}

export interface Use {
  by: 'key' | 'model';
  name: string;
}

/* What goes by which config by default: uses by the config's name or id. */
export const usesQuery = queryOptions({
  queryKey: ['config-uses'],
  queryFn: async ({ signal }) => {
    const [keys, models] = await Promise.all([allOf('/keys', signal), allOf('/models', signal)]);
    const uses = new Map<string, Use[]>();
    const add = (by: Use['by']) => ({ name, config }: { name: string; config: string }) => {
      const reference = config.split('@')[0]!;
      uses.set(reference, [...(uses.get(reference) ?? []), { by, name }]);
    };
    models.forEach(add('model'));
    keys.forEach(add('key'));
    return uses;
  },
  staleTime: 10_000,
});

/* What the editor offers while somebody types. */
export const wordsQuery = queryOptions({
  queryKey: ['routing-config-schema'],
  queryFn: async ({ signal }) => wordsOf(await api.get('/schemas/routing-config', anything, { signal })),
  staleTime: Infinity,
});

/* What a config can be named as, for suggestions in other forms. */
export const referencesQuery = queryOptions({
  queryKey: ['/configs', 'references'],
  queryFn: async ({ signal }) => {
    const { data } = await api.get('/configs', parseDocuments, { query: { limit: 200 }, signal });
    return data.flatMap(({ name, labels }) => [name, ...Object.keys(labels).map((label) => `${name}@${label}`)]);
  },
  staleTime: 10_000,
});
