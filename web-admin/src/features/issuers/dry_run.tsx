/* What somebody with these claims would get. */
import { Button, Group, Modal, Stack } from '@mantine/core';
import { useState } from 'react';
import { CodeEditor } from '../../ui/code_editor';
import { readJson, writeJson } from '../../ui/json_text';
import { ErrorNotice, Notice } from '../../ui/notices';
import { StateMark } from '../../ui/state_mark';
import ui from '../../ui/ui.module.css';
import { Tags } from '../../ui/values';
import { useWorkspaceNames } from '../workspaces/field';
import { useDryRun } from './queries';
import type { DryRun, Issuer } from './schema';
import { texts } from './texts';

const EXAMPLE = writeJson({ sub: '248289761001', email: 'ada@example.com', email_verified: true, name: 'Ada', groups: ['engineering'] });

function Outcome({ result }: { result: DryRun }) {
  const workspaces = useWorkspaceNames();
  const words = texts.dryRun;
  const places = result.memberships.map(({ workspace_id, role, role_id }) => `${role ?? role_id ?? ''} · ${workspace_id ? (workspaces.get(workspace_id) ?? workspace_id) : words.organization}`);
  const listed = (values: string[]) => (values.length > 0 ? <Tags values={values} most={12} /> : words.none);
  return (
    <Stack gap="sm" role="status">
      <StateMark tone={result.access ? 'good' : 'bad'}>{result.access ? words.yes : words.no}</StateMark>
      {result.reason && <span>{result.reason}</span>}
      <dl className={ui.facts}>
        <dt>{words.facts.person}</dt>
        <dd>{[result.name, result.user_email ?? result.email, result.platform_admin ? words.admin : null].filter(Boolean).join(', ') || result.subject}</dd>
        <dt>{words.facts.groups}</dt>
        <dd>{listed(result.groups)}</dd>
        <dt>{words.facts.roles}</dt>
        <dd>{listed(places)}</dd>
        <dt>{words.facts.teams}</dt>
        <dd>{listed(result.teams.map(({ name, team_id }) => name || team_id))}</dd>
      </dl>
      {result.warnings.map((warning) => (
        <Notice key={warning} tone="warn" title={warning} />
      ))}
    </Stack>
  );
}

export function DryRunDialog({ issuer, onClose }: { issuer: Issuer; onClose: () => void }) {
  const [text, setText] = useState(EXAMPLE);
  const run = useDryRun(issuer.id);
  const read = readJson(text);
  const good = read.error === null && typeof read.value === 'object' && read.value !== null && !Array.isArray(read.value);
  return (
    <Modal opened onClose={onClose} size="xl" title={texts.dryRun.title(issuer.name)} closeOnClickOutside={false}>
      <Stack gap="md">
        <CodeEditor label={texts.dryRun.claims} value={text} onChange={setText} short />
        <Group justify="space-between">
          <span>{good ? texts.dryRun.help : texts.dryRun.notJson}</span>
          <Button disabled={!good} loading={run.isPending} onClick={() => run.mutate(read.value as Record<string, never>)}>
            {texts.dryRun.submit}
          </Button>
        </Group>
        {run.error && <ErrorNotice error={run.error} />}
        {run.data && <Outcome result={run.data} />}
      </Stack>
    </Modal>
  );
}
