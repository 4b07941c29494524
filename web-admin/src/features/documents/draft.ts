/* A document while it is being written: its text, what that reads as, and what the server says of it. */
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState } from 'react';
import { lineOf, readJson, spanOf, type JsonRead, type Span } from '../../ui/json_text';
import { verdictQuery, type Root } from './queries';
import type { Variable } from './schema';

export interface Fault extends Span {
  message: string;
  path: string | null; // as the server names it; null: it is no JSON
  line: number;
}

export interface Draft {
  text: string;
  setText: (text: string) => void;
  read: JsonRead;
  state: 'checking' | 'good' | 'bad' | 'unknown'; // unknown: the server could not be asked
  fault: Fault | null;
  failure: unknown;
  variables: Variable[];
  place: Span | null; // where the editor goes: a new object each time
  goTo: (place: Span) => void;
}

const SETTLED_MS = 350;

/* root: what the server's paths begin with ("config"), where they do. */
export function useDraft(root: Root, initial: string, partial: boolean, pathRoot: string): Draft {
  const [text, setText] = useState(initial);
  const [place, setPlace] = useState<Span | null>(null);
  const goTo = useCallback(({ from, to }: Span) => setPlace({ from, to }), []);
  const read = useMemo(() => readJson(text), [text]);
  const [settled] = useDebouncedValue(text, SETTLED_MS);
  const asked = read.error === null && settled === text;
  const verdict = useQuery({ ...verdictQuery(root, text, read.value, partial), enabled: asked });
  const answer = asked ? verdict.data : undefined;
  const fault = useMemo<Fault | null>(() => {
    if (read.error) return { from: read.error.at, to: read.error.at + 1, message: read.error.message, path: null, line: lineOf(text, read.error.at) };
    if (!answer?.error) return null;
    const span = spanOf(read, answer.error.param ?? '', pathRoot);
    return { ...span, message: answer.error.message, path: answer.error.param, line: lineOf(text, span.from) };
  }, [read, answer, text, pathRoot]);
  const state = fault ? 'bad' : answer ? 'good' : asked && verdict.error ? 'unknown' : 'checking';
  return { text, setText, read, state, fault, failure: asked ? verdict.error : null, variables: answer?.variables ?? [], place, goTo };
}
