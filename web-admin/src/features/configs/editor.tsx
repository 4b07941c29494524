/* The document of a routing config, and beside it the strategy that it says. */
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useRef } from 'react';
import { CodeEditor } from '../../ui/code_editor';
import { spanOf, writeJson } from '../../ui/json_text';
import { Muted } from '../../ui/values';
import type { EditorProps } from '../documents/kind';
import classes from './configs.module.css';
import { treeOf, type TreeNode } from './describe';
import { wordsQuery } from './queries';
import { texts } from './texts';
import { StrategyTree } from './tree';

export function ConfigEditor({ draft, readOnly, describedBy }: EditorProps) {
  const { text, read, fault } = draft;
  const { data: words } = useQuery({ ...wordsQuery, enabled: !readOnly });
  const last = useRef<TreeNode | null>(null);
  const tree = useMemo(() => (read.error ? last.current : treeOf(read.value)), [read]); // the last that could be read
  last.current = tree;
  const wrong = fault?.path === undefined || fault?.path === null ? null : fault.path.replace(/^config\.?/, '');
  return (
    <div className={classes.panes}>
      <div className={classes.pane}>
        <header>
          <h3>{texts.document}</h3>
          {!readOnly && (
            <Button size="compact-xs" variant="subtle" disabled={read.error !== null} onClick={() => draft.setText(writeJson(read.value))}>
              {texts.format}
            </Button>
          )}
        </header>
        <CodeEditor
          label={texts.document}
          value={text}
          onChange={readOnly ? undefined : draft.setText}
          mark={fault}
          select={draft.place}
          suggest={(what) => (what === 'name' ? words?.names : words?.values) ?? []}
          describedBy={describedBy}
        />
        {!readOnly && <span className={classes.help}>{texts.help}</span>}
      </div>
      <div className={classes.pane}>
        <header>
          <h3>{texts.tree.title}</h3>
          {read.error && <Muted>{texts.unreadable}</Muted>}
        </header>
        {tree && <StrategyTree tree={tree} fault={wrong} onGo={read.error ? null : (path) => draft.goTo(spanOf(read, path))} />}
      </div>
    </div>
  );
}
