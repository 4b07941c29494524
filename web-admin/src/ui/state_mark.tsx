/* A state in words, with a shape and a colour that say the same. */
import { BadMark, GoodMark, IdleMark, WarnMark } from './icons';
import classes from './ui.module.css';

export type Tone = 'good' | 'warn' | 'bad' | 'idle';

const MARKS = { good: GoodMark, warn: WarnMark, bad: BadMark, idle: IdleMark };

export function StateMark({ tone, children, title }: { tone: Tone; children: string; title?: string }) {
  const Mark = MARKS[tone];
  return (
    <span className={classes.state} data-tone={tone} title={title}>
      <Mark size={13} />
      {children}
    </span>
  );
}
