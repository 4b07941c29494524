/* Two versions side by side. */
import { Modal, NativeSelect, Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { CodeDiff } from '../../ui/code_editor';
import { writeJson } from '../../ui/json_text';
import { ErrorNotice } from '../../ui/notices';
import { Muted } from '../../ui/values';
import classes from './documents.module.css';
import type { Kind } from './kind';
import { versionQuery } from './queries';
import type { Document, Version } from './schema';
import { texts } from './texts';

interface CompareProps {
  kind: Kind;
  document: Document;
  versions: Version[];
  left: number;
  right: number;
  onChoose: (left: number, right: number) => void;
  onClose: () => void;
}

export function CompareDialog({ kind, document, versions, left, right, onChoose, onClose }: CompareProps) {
  const before = useQuery(versionQuery(kind.root, document.id, left));
  const after = useQuery(versionQuery(kind.root, document.id, right));
  const numbers = [...new Set([...versions.map((version) => version.number), left, right])].sort((a, b) => b - a);
  const options = numbers.map((n) => {
    const version = versions.find((one) => one.number === n);
    return { value: String(n), label: texts.compare.option(n, version?.note ?? '', version?.published ?? n === document.published_version) };
  });
  const error = before.error ?? after.error;
  const [a, b] = [before.data && writeJson(before.data.document), after.data && writeJson(after.data.document)];
  return (
    <Modal opened onClose={onClose} title={texts.compare.title(document.name)} size="76rem">
      <div className={classes.pickers}>
        <NativeSelect label={texts.compare.left} data={options} value={String(left)} onChange={(event) => onChoose(Number(event.currentTarget.value), right)} />
        <NativeSelect label={texts.compare.right} data={options} value={String(right)} onChange={(event) => onChoose(left, Number(event.currentTarget.value))} />
      </div>
      {error && <ErrorNotice error={error} />}
      {a === undefined || b === undefined ? !error && <Skeleton height={280} /> : <CodeDiff left={a} right={b} leftLabel={texts.version(left)} rightLabel={texts.version(right)} />}
      {a !== undefined && a === b && <Muted>{texts.compare.same}</Muted>}
    </Modal>
  );
}
