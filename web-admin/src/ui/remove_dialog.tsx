/* Asks before a thing is deleted, and deletes it. */
import type { UseMutationResult } from '@tanstack/react-query';
import { Confirm } from './confirm';
import { notifyDone } from './notify';

export interface RemoveTexts {
  title: (name: string) => string;
  text: string;
  confirm: string;
  done: (name: string) => string;
}

/* doomed null: closed. */
export function RemoveDialog({ doomed, remove, texts, onClose }: { doomed: { id: string; name: string } | null; remove: UseMutationResult<unknown, Error, string>; texts: RemoveTexts; onClose: () => void }) {
  const close = () => {
    remove.reset();
    onClose();
  };
  return (
    <Confirm
      opened={doomed !== null}
      title={doomed ? texts.title(doomed.name) : ''}
      action={texts.confirm}
      busy={remove.isPending}
      error={remove.error}
      onClose={close}
      onConfirm={() =>
        doomed &&
        remove.mutate(doomed.id, {
          onSuccess: () => {
            notifyDone(texts.done(doomed.name));
            close();
          },
        })
      }
    >
      {texts.text}
    </Confirm>
  );
}
