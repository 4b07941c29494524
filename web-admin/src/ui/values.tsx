/* Small things that cells hold. */
import classes from './ui.module.css';

export function Mono({ children, title }: { children: string; title?: string }) {
  return (
    <span className={classes.mono} title={title}>
      {children}
    </span>
  );
}

/* The first few of a list of names, and how many more there are. */
export function Tags({ values, most = 3 }: { values: string[]; most?: number }) {
  const more = values.length - most;
  return (
    <span className={classes.tags} title={more > 0 ? values.join(', ') : undefined}>
      {values.slice(0, most).map((value) => (
        <span key={value} className={classes.tag}>
          {value}
        </span>
      ))}
      {more > 0 && <span>+{more}</span>}
    </span>
  );
}

export function Muted({ children, title }: { children: string; title?: string }) {
  return (
    <span className={classes.muted} title={title}>
      {children}
    </span>
  );
}
