/* Copies a text and says so. Where the browser has no clipboard API (plain HTTP off loopback) the old way is taken. */
import { Button } from '@mantine/core';
import { useEffect, useState } from 'react';
import { CheckIcon, CopyIcon } from './icons';

function copyBySelection(value: string): boolean {
  const area = document.createElement('textarea');
  area.value = value;
  area.setAttribute('readonly', '');
  area.className = 'copy-source';
  // within an open dialog, so that its focus trap lets the selection be
  (document.querySelector('[role="dialog"]') ?? document.body).append(area);
  area.select();
  try {
    return document.execCommand('copy');
  } finally {
    area.remove();
  }
}

async function copyText(value: string): Promise<boolean> {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(value);
      return true;
    }
  } catch {
    // not permitted: the old way may be
  }
  return copyBySelection(value);
}

export function CopyButton({ value, label, copied = 'Copied' }: { value: string; label: string; copied?: string }) {
  const [state, setState] = useState<'idle' | 'done' | 'failed'>('idle');
  useEffect(() => {
    if (state === 'idle') return undefined;
    const timer = setTimeout(() => setState('idle'), 2500);
    return () => clearTimeout(timer);
  }, [state]);
  return (
    <Button
      variant="default"
      size="xs"
      leftSection={state === 'done' ? <CheckIcon size={14} /> : <CopyIcon size={14} />}
      onClick={async () => setState((await copyText(value)) ? 'done' : 'failed')}
    >
      <span aria-live="polite">{state === 'done' ? copied : state === 'failed' ? 'Select and copy by hand' : label}</span>
    </Button>
  );
}
