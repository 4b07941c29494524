/* What a call of the prompt would do with some values: asked of a data plane, and as commands to run. */
import { Button, NativeSelect, Textarea } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useMay } from '../../app/permissions';
import { CodeBlock } from '../../ui/code_block';
import { ErrorNotice } from '../../ui/notices';
import { Section } from '../../ui/page';
import { Muted } from '../../ui/values';
import type { SavedProps } from '../documents/kind';
import { useExplain } from '../explain/queries';
import { Story } from '../explain/story';
import { keysQuery } from '../keys/queries';
import { variablesTyped } from './messages';
import classes from './prompts.module.css';
import { texts } from './texts';

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function commandOf(name: string, what: 'render' | 'completions', body: unknown): string {
  return [
    `curl http://${window.location.hostname}:8787/v1/prompts/${name}/${what} \\`,
    `  -H "Authorization: Bearer ${texts.tryOut.secret}" \\`,
    '  -H "Content-Type: application/json" \\',
    `  -d ${quoted(JSON.stringify(body))}`,
  ].join('\n');
}

function Form({ document, version, draft: { variables } }: SavedProps) {
  const may = useMay();
  const explain = useExplain();
  const { data } = useInfiniteQuery(keysQuery);
  const keys = data?.pages.flatMap((page) => page.data).filter((key) => key.status === 'active') ?? [];
  const [chosen, setChosen] = useState('');
  const [typed, setTyped] = useState<Record<string, string>>({});
  const key = chosen || keys[0]?.id || '';
  const body = { variables: variablesTyped(typed, variables.map((variable) => variable.name)) };
  const reference = `${document.name}@${version.number}`;
  return (
    <Section title={texts.tryOut.title} aside={<span>{texts.tryOut.saved(version.number)}</span>}>
      <div className={classes.try}>
        {variables.length > 0 && (
          <div className={classes.values}>
            {variables.map(({ name, required, default: otherwise }) => (
              <Textarea
                key={name}
                label={name}
                description={required ? texts.tryOut.required : undefined}
                placeholder={otherwise === null ? texts.tryOut.valueHelp : JSON.stringify(otherwise)}
                value={typed[name] ?? ''}
                onChange={(event) => {
                  const { value } = event.currentTarget;
                  setTyped((old) => ({ ...old, [name]: value }));
                }}
                autosize
                minRows={1}
                maxRows={8}
              />
            ))}
          </div>
        )}
        {may('routing.explain') && keys.length > 0 && (
          <>
            <div className={classes.buttons}>
              <NativeSelect aria-label={texts.tryOut.key} value={key} data={keys.map(({ id, name, mask }) => ({ value: id, label: `${name} (${mask})` }))} onChange={(event) => setChosen(event.currentTarget.value)} />
              <Button variant="default" loading={explain.isPending} onClick={() => explain.mutate({ key, method: 'POST', path: `/v1/prompts/${document.id}@${version.number}/completions`, headers: {}, body })}>
                {texts.tryOut.submit}
              </Button>
            </div>
            <Muted>{texts.tryOut.help}</Muted>
          </>
        )}
        {explain.error && <ErrorNotice error={explain.error} />}
        {explain.data && <Story answer={explain.data} />}
        <CodeBlock label={texts.tryOut.render} value={commandOf(reference, 'render', body)} />
        <CodeBlock label={texts.tryOut.call} value={commandOf(reference, 'completions', body)} />
      </div>
    </Section>
  );
}

export function TryOut(props: SavedProps) {
  return props.document.partial ? null : <Form {...props} />; // a partial is no prompt to call
}
