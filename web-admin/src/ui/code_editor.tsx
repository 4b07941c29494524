/* A field for JSON (or for a template), and two texts side by side. CodeMirror, which does the work, comes with the first of
 * them that is shown. */
import { Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { Span } from './json_text';

export interface Suggestion {
  name: string;
  kind?: string;
  about?: string;
}

export interface CodeEditorProps {
  label: string;
  value: string;
  onChange?: (value: string) => void; // none: to be read only
  mark?: (Span & { message: string }) | null; // what is wrong, and where; the same object while it is the same
  select?: Span | null; // set to a new object: goes there
  suggest?: (what: 'name' | 'value') => Suggestion[];
  describedBy?: string;
  short?: boolean; // beside other fields
}

export interface CodeDiffProps {
  left: string;
  right: string;
  leftLabel: string;
  rightLabel: string;
}

const Editor = lazy(async () => ({ default: (await import('./code_mirror')).CodeMirrorEditor }));
const Diff = lazy(async () => ({ default: (await import('./code_mirror')).CodeMirrorDiff }));

export function CodeEditor(props: CodeEditorProps) {
  return (
    <Suspense fallback={<Skeleton height={280} />}>
      <Editor {...props} />
    </Suspense>
  );
}

export function CodeDiff(props: CodeDiffProps) {
  return (
    <Suspense fallback={<Skeleton height={280} />}>
      <Diff {...props} />
    </Suspense>
  );
}
