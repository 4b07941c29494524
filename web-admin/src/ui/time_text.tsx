/* Moments and lengths of time, as people read them; the exact moment is the title. */
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const dayAndClock = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

/* "14:03:21" today, "Nov 3, 14:03" before. */
export function Moment({ at }: { at: Date }) {
  const today = at.toDateString() === new Date().toDateString();
  return (
    <time dateTime={at.toISOString()} title={exact.format(at)}>
      {today ? clock.format(at) : dayAndClock.format(at)}
    </time>
  );
}

export function Day({ at }: { at: Date }) {
  return (
    <time dateTime={at.toISOString()} title={exact.format(at)}>
      {day.format(at)}
    </time>
  );
}

/* "3 s ago", "5 min ago", "2 d ago". */
export function ago(at: Date, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - at.getTime()) / 1000));
  if (seconds < 2) return 'just now';
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} d ago`;
}

export function Ago({ at }: { at: Date }) {
  return (
    <time dateTime={at.toISOString()} title={exact.format(at)}>
      {ago(at)}
    </time>
  );
}

/* "840 µs", "12 ms", "1.24 s", "2 min 5 s". */
export function formatDuration(us: number): string {
  if (us < 1000) return `${us} µs`;
  if (us < 10_000) return `${(us / 1000).toFixed(1)} ms`;
  if (us < 1_000_000) return `${Math.round(us / 1000)} ms`;
  if (us < 60_000_000) return `${(us / 1_000_000).toFixed(2)} s`;
  return `${Math.floor(us / 60_000_000)} min ${Math.round((us % 60_000_000) / 1_000_000)} s`;
}
