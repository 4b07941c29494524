import { Button } from '@mantine/core';
import { describeError } from '../../api/errors';
import { StateMark, type Tone } from '../../ui/state_mark';
import { Mono } from '../../ui/values';
import classes from './documents.module.css';
import type { Draft } from './draft';
import { texts } from './texts';

const TONES: Record<Draft['state'], Tone> = { checking: 'idle', good: 'good', bad: 'bad', unknown: 'warn' };

/* What the server says of a draft: with where it is wrong, and a way there. */
export function VerdictLine({ id, draft }: { id: string; draft: Draft }) {
  const { state, fault, failure, goTo } = draft;
  return (
    <div className={classes.verdict}>
      <span id={id} role="status" className={classes.verdict}>
        <StateMark tone={TONES[state]}>{texts.verdict[state]}</StateMark>
        {fault && (
          <span>
            <Mono>{texts.verdict.at(fault.line, fault.path)}</Mono> {fault.message}
          </span>
        )}
        {failure !== null && <span>{describeError(failure).detail}</span>}
      </span>
      {fault && (
        <Button size="compact-xs" variant="subtle" onClick={() => goTo(fault)}>
          {texts.verdict.goTo}
        </Button>
      )}
    </div>
  );
}
