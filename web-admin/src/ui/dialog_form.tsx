/* A form in a dialog: what the server refuses is told at the field that it names, else above the fields. */
import { Button, Group, Modal, Stack } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { useEffect, type ReactNode } from 'react';
import { ApiError } from '../api/errors';
import { ErrorNotice } from './notices';

/* The field of a refusal: "scopes[0].value" is "scopes.0.value" where scopes are rows of fields, else the field "scopes". Null: none. */
export function fieldOf(values: object, error: unknown, rows: string[] = []): string | null {
  if (!(error instanceof ApiError)) return null;
  const [, name = '', rest = ''] = /^(\w+)(.*)$/.exec(error.param ?? '') ?? [];
  if (name in values) return rows.includes(name) && /^\[\d+\]\.\w+$/.test(rest) ? `${name}${rest.replace(/\[(\d+)\]/g, '.$1')}` : name;
  return error.code === 'conflict' && 'name' in values ? 'name' : null;
}

/* V: the form's values. Null when the refusal stands at a field. */
export function useRefusal<V extends object>(form: UseFormReturnType<V>, error: unknown, rows?: string[]): unknown {
  const field = fieldOf(form.values, error, rows);
  useEffect(() => {
    if (field !== null && error instanceof ApiError) form.setFieldError(field, error.message);
  }, [error]); // eslint-disable-line -- once for each refusal
  return field === null ? error : null;
}

interface DialogFormProps<V extends object> {
  form: UseFormReturnType<V>;
  onSubmit: (values: V) => void;
  busy: boolean;
  error: unknown;
  rows?: string[]; // names of the lists whose items are fields
  submit: string;
  onClose: () => void;
  aside?: ReactNode; // beside the buttons
  children: ReactNode;
}

export function DialogForm<V extends object>({ form, onSubmit, busy, error, rows, submit, onClose, aside, children }: DialogFormProps<V>) {
  const refusal = useRefusal(form, error, rows);
  return (
    <form onSubmit={form.onSubmit((values) => onSubmit(values))} noValidate autoComplete="off">
      <Stack gap="md">
        {children}
        {refusal !== null && refusal !== undefined && <ErrorNotice error={refusal} />}
        <Group justify={aside ? 'space-between' : 'flex-end'} gap="xs">
          {aside}
          <Group gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              {submit}
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}

/* What is typed is not lost by a click beside it. */
export function FormModal({ title, onClose, size = 'lg', children }: { title: string; onClose: () => void; size?: string; children: ReactNode }) {
  return (
    <Modal opened onClose={onClose} title={title} size={size} closeOnClickOutside={false}>
      {children}
    </Modal>
  );
}
