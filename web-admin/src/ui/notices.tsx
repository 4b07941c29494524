/* What a page shows beside or instead of its rows: a notice, an error with cause and next step, or an empty state that
 * teaches. */
import { Button, Group } from '@mantine/core';
import type { ReactNode } from 'react';
import { describeError } from '../api/errors';
import { BadMark, RefreshIcon, WarnMark, type Icon } from './icons';
import classes from './ui.module.css';

/* alert: read out at once by screen readers. */
export function Notice({ tone, title, alert = false, children }: { tone: 'bad' | 'warn'; title: string; alert?: boolean; children?: ReactNode }) {
  const Mark = tone === 'bad' ? BadMark : WarnMark;
  return (
    <div className={classes.notice} data-tone={tone} role={alert ? 'alert' : undefined}>
      <Mark size={16} />
      <div>
        <strong>{title}</strong>
        {children}
      </div>
    </div>
  );
}

export function ErrorNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { title, detail, nextStep, requestId } = describeError(error);
  return (
    <Notice tone="bad" title={title} alert>
      <p>{detail}</p>
      <p>{nextStep}</p>
      {(requestId || onRetry) && (
        <Group mt={8} gap="md">
          {onRetry && (
            <Button size="xs" variant="default" leftSection={<RefreshIcon size={14} />} onClick={onRetry}>
              Try again
            </Button>
          )}
          {requestId && (
            <span className={classes.requestId}>
              Request <span className={classes.mono}>{requestId}</span>
            </span>
          )}
        </Group>
      )}
    </Notice>
  );
}

export function EmptyState({ icon: Mark, title, children, action }: { icon: Icon; title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <div className={classes.empty}>
      <span className={classes.emptyIcon}>
        <Mark size={22} />
      </span>
      <h3>{title}</h3>
      <div className={classes.emptyText}>{children}</div>
      {action}
    </div>
  );
}
