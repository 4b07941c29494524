/* The document of a price book, as JSON. */
import { Button } from '@mantine/core';
import { CodeEditor } from '../../ui/code_editor';
import { writeJson } from '../../ui/json_text';
import { Muted } from '../../ui/values';
import type { EditorProps } from '../documents/kind';
import { texts } from './texts';

export function PriceBookEditor({ draft, readOnly, describedBy }: EditorProps) {
  const { text, read, fault } = draft;
  return (
    <div>
      <CodeEditor label={texts.document} value={text} onChange={readOnly ? undefined : draft.setText} mark={fault} select={draft.place} describedBy={describedBy} />
      <Muted>{texts.help}</Muted>
      {!readOnly && (
        <div>
          <Button size="compact-xs" variant="subtle" disabled={read.error !== null} onClick={() => draft.setText(writeJson(read.value))}>
            {texts.format}
          </Button>
        </div>
      )}
    </div>
  );
}
