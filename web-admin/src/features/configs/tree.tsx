/* The strategy as nested cards, as the document has it: what is chosen how, whom each leaf calls, what holds below. */
import { UnstyledButton } from '@mantine/core';
import classes from './configs.module.css';
import type { Choice, TreeNode } from './describe';
import { texts } from './texts';

function Choices({ choices }: { choices: Choice[] }) {
  return (
    <ol className={classes.choices}>
      {choices.map(({ when, then }, i) => (
        <li key={i}>
          {when ? (
            <>
              {texts.tree.when} <code>{when}</code>
            </>
          ) : (
            texts.tree.otherwise
          )}{' '}
          → {then ? <strong>{then}</strong> : <em>{texts.tree.refused}</em>}
        </li>
      ))}
    </ol>
  );
}

/* fault: path of what is wrong; its node is marked. */
function NodeItem({ node, fault, onGo }: { node: TreeNode; fault: string | null; onGo: ((path: string) => void) | null }) {
  const inChild = node.children.some((child) => fault !== null && within(fault, child.path));
  const wrong = fault !== null && within(fault, node.path) && !inChild;
  const head = (
    <>
      <strong>{node.title}</strong>
      {node.mode && <span className={classes.mode}>{node.mode}</span>}
      {node.part && <span className={classes.part}>{node.part}</span>}
      {wrong && <span className={classes.wrong}>{texts.tree.wrong}</span>}
    </>
  );
  return (
    <li className={classes.node} data-wrong={wrong || undefined} data-leaf={node.mode === null || undefined}>
      {onGo ? (
        <UnstyledButton className={classes.nodeHead} title={texts.tree.show} onClick={() => onGo(node.path)}>
          {head}
        </UnstyledButton>
      ) : (
        <div className={classes.nodeHead}>{head}</div>
      )}
      {node.how && <p className={node.mode === null ? classes.call : classes.how}>{node.how}</p>}
      {node.choices.length > 0 && <Choices choices={node.choices} />}
      {node.settings.length > 0 && (
        <ul className={classes.settings}>
          {node.settings.map((setting) => (
            <li key={setting}>{setting}</li>
          ))}
        </ul>
      )}
      {node.children.length > 0 && (
        <ul className={classes.children}>
          {node.children.slice(0, SHOWN).map((child) => (
            <NodeItem key={child.path} node={child} fault={fault} onGo={onGo} />
          ))}
          {node.children.length > SHOWN && <li className={classes.more}>{texts.tree.more(node.children.length - SHOWN)}</li>}
        </ul>
      )}
    </li>
  );
}

const SHOWN = 50; // of one node's targets; there may be a thousand

const within = (path: string, node: string): boolean => node === '' || path === node || path.startsWith(`${node}.`) || path.startsWith(`${node}[`);

export function StrategyTree({ tree, fault, onGo }: { tree: TreeNode; fault: string | null; onGo: ((path: string) => void) | null }) {
  return (
    <ul className={classes.tree} aria-label={texts.tree.title}>
      <NodeItem node={tree} fault={fault} onGo={onGo} />
    </ul>
  );
}
