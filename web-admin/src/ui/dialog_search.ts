/* Which dialog of a list page is open, in its address: ?new=true, or the word for it and the id of what it is about. */
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';

export type DialogSearch<W extends string = string> = { new?: true } & { [K in W]?: string };

const wordOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined);

/* What is not among the words stays out of the address. */
export function parseDialogs<W extends string>(...words: W[]) {
  return (search: Record<string, unknown>): DialogSearch<W> =>
    ({ new: search.new === true ? true : undefined, ...Object.fromEntries(words.map((word) => [word, wordOf(search[word])])) }) as DialogSearch<W>;
}

export function useDialogs<W extends string>(): [DialogSearch<W>, (next: DialogSearch<W>) => void] {
  const search = useSearch({ strict: false, structuralSharing: true } as never) as unknown as DialogSearch<W>;
  const navigate = useNavigate();
  const show = useCallback((next: DialogSearch<W>) => void navigate({ to: '.', search: next as never }), [navigate]);
  return [search, show];
}
