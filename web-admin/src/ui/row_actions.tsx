/* What may be done to a row: its buttons, each named with what it is about. */
import { Button } from '@mantine/core';
import classes from './ui.module.css';

export interface RowAction {
  text: string;
  label: string;
  onClick: () => void;
  bad?: boolean;
}

export function RowActions({ actions }: { actions: (RowAction | false | null | undefined)[] }) {
  return (
    <span className={classes.rowActions}>
      {actions.map(
        (action) =>
          action && (
            <Button key={action.label} size="compact-xs" variant="subtle" color={action.bad ? 'var(--weir-bad)' : undefined} aria-label={action.label} onClick={action.onClick}>
              {action.text}
            </Button>
          ),
      )}
    </span>
  );
}
