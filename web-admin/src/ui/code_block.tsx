/* A command or secret that is there to be copied. */
import { CopyButton } from './copy_button';
import classes from './ui.module.css';

export function CodeBlock({ label, value, copyLabel = 'Copy', secret = false }: { label: string; value: string; copyLabel?: string; secret?: boolean }) {
  return (
    <figure className={classes.code} data-secret={secret || undefined}>
      <figcaption>
        <span>{label}</span>
        <CopyButton value={value} label={copyLabel} />
      </figcaption>
      <pre tabIndex={0} aria-label={label}>
        <code>{value}</code>
      </pre>
    </figure>
  );
}
