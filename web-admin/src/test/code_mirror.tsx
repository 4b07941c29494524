/* In place of ui/code_mirror.tsx in jsdom, which lays nothing out: fields that hold the same texts. */
import { useEffect, useRef } from 'react';
import type { CodeDiffProps, CodeEditorProps } from '../ui/code_editor';

export function CodeMirrorEditor({ label, value, onChange, mark, select, describedBy }: CodeEditorProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (!select) return;
    field.current?.focus();
    field.current?.setSelectionRange(select.from, select.to);
  }, [select]);
  return (
    <textarea
      ref={field}
      aria-label={label}
      aria-invalid={mark ? true : undefined}
      aria-describedby={describedBy}
      data-mark={mark ? value.slice(mark.from, mark.to) : undefined}
      value={value}
      readOnly={!onChange}
      onChange={(event) => onChange?.(event.currentTarget.value)}
    />
  );
}

export function CodeMirrorDiff({ left, right, leftLabel, rightLabel }: CodeDiffProps) {
  return (
    <div>
      <pre aria-label={leftLabel}>{left}</pre>
      <pre aria-label={rightLabel}>{right}</pre>
    </div>
  );
}
