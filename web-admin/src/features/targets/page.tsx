import { Button, Group, Modal, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import { PulseIcon } from '../../ui/icons';
import { LinkButton } from '../../ui/link_button';
import { EmptyState, ErrorNotice, Notice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { Page, Section } from '../../ui/page';
import { workspacesQuery } from '../workspaces/queries';
import { targetsQuery, usePurge } from './queries';
import { targetsOf } from './schema';
import { TargetsTable } from './table';
import classes from './targets.module.css';
import { texts } from './texts';

function PurgeDialog({ onClose }: { onClose: () => void }) {
  const purge = usePurge();
  const may = useMay();
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  const [workspace, setWorkspace] = useState('');
  const unreachable = purge.data?.unreachable ?? 0;
  return (
    <Modal opened onClose={onClose} title={texts.purge.title}>
      <Stack gap="md">
        <Text size="sm">{texts.purge.text}</Text>
        <NativeSelect
          label={texts.purge.workspace}
          value={workspace}
          data={[{ value: '', label: texts.purge.all }, ...workspaces.filter(({ id }) => may('cache.purge', id)).map(({ id, name }) => ({ value: id, label: name }))]}
          onChange={(event) => setWorkspace(event.currentTarget.value)}
        />
        {purge.error && <ErrorNotice error={purge.error} />}
        {unreachable > 0 && <Notice tone="warn" title={texts.purge.unreachable(unreachable)} alert />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose} data-autofocus>
            {texts.purge.cancel}
          </Button>
          <Button
            color="red.9"
            loading={purge.isPending}
            onClick={() =>
              purge.mutate(workspace, {
                onSuccess: (done) => {
                  notifyDone(texts.purge.done(done.entries, done.data_planes));
                  if (done.unreachable === 0) onClose();
                },
              })
            }
          >
            {texts.purge.confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

export function TargetsPage() {
  const narrowed = useSearch({ from: '/shell/targets' });
  const navigate = useNavigate({ from: '/targets' });
  const may = useMay();
  const [purging, setPurging] = useState(false);
  const { data: planes, error, refetch } = useQuery(targetsQuery);
  const targets = useMemo(() => planes && targetsOf(planes, narrowed), [planes, narrowed]);
  const all = planes?.reduce((n, plane) => n + plane.targets.length, 0);
  const show = (next: { q?: string; state?: string }) => void navigate({ search: { ...narrowed, ...next }, replace: true });
  return (
    <Page
      title={texts.title}
      lead={texts.lead}
      actions={
        may('cache.purge') && (
          <Button variant="default" onClick={() => setPurging(true)}>
            {texts.purge.action}
          </Button>
        )
      }
    >
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {planes?.map((plane) => plane.error !== null && (
        <Notice key={plane.id} tone="warn" title={texts.planeFailed(plane.name ?? plane.id)}>
          <p>{plane.error}</p>
        </Notice>
      ))}
      {planes?.map((plane) => plane.truncated && <Notice key={plane.id} tone="warn" title={texts.truncated(plane.name ?? plane.id)} />)}
      {planes?.length === 0 ? (
        <EmptyState icon={PulseIcon} title={texts.noPlanes.title} action={<LinkButton to="/data-planes">{texts.noPlanes.action}</LinkButton>}>
          {texts.noPlanes.text}
        </EmptyState>
      ) : all === 0 ? (
        <EmptyState icon={PulseIcon} title={texts.empty.title}>
          {texts.empty.text}
        </EmptyState>
      ) : (
        (planes || !error) && (
          <Section title={texts.title} aside={<span>{error ? texts.stale : texts.live}</span>}>
            <div className={classes.filters} role="search">
              <TextInput type="search" label={texts.search} placeholder={texts.searchPlaceholder} value={narrowed.q ?? ''} onChange={(event) => show({ q: event.currentTarget.value || undefined })} autoComplete="off" />
              <NativeSelect
                label={texts.state}
                value={narrowed.state ?? ''}
                data={[{ value: '', label: texts.allStates }, ...Object.entries(texts.states).map(([value, label]) => ({ value, label }))]}
                onChange={(event) => show({ state: event.currentTarget.value || undefined })}
              />
            </div>
            {targets?.length === 0 ? <p>{texts.nothing}</p> : <TargetsTable targets={targets} />}
          </Section>
        )
      )}
      {purging && <PurgeDialog onClose={() => setPurging(false)} />}
    </Page>
  );
}
