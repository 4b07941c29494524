/* How much of an amount is spent, and how much of the rest is reserved. The words beside it say the same. */
import classes from './ui.module.css';

export function Meter({ label, spent, reserved = 0, tone = 'good' }: { label: string; spent: number; reserved?: number; tone?: 'good' | 'warn' | 'bad' }) {
  return (
    <svg className={classes.meter} data-tone={tone} viewBox="0 0 100 6" preserveAspectRatio="none" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={spent}>
      <rect width="100" height="6" data-part="whole" />
      <rect width={Math.min(100, spent + reserved)} height="6" data-part="reserved" />
      <rect width={Math.min(100, spent)} height="6" data-part="spent" />
    </svg>
  );
}
