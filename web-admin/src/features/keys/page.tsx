import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState } from 'react';
import { describeError } from '../../api/errors';
import { useMay } from '../../app/permissions';
import { Confirm } from '../../ui/confirm';
import { useDialogs, type DialogSearch } from '../../ui/dialog_search';
import { KeyIcon, PlusIcon } from '../../ui/icons';
import { useRow, useRows } from '../../ui/list_page';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { notifyDone, notifyFailure } from '../../ui/notify';
import { Page } from '../../ui/page';
import { membersQuery } from '../members/queries';
import { accounts } from '../service_accounts/queries';
import { teams } from '../teams/queries';
import { BulkDialog } from './bulk';
import { ChangeDialog, RotateDialog } from './change';
import { KeyDialog } from './form';
import { keyQuery, keysQuery, useBlockKey, useRevokeKey } from './queries';
import type { Key } from './schema';
import { KeysTable, type KeyActions, type Names } from './table';
import { texts } from './texts';

function RevokeDialog({ doomed, onClose }: { doomed: Key | null; onClose: () => void }) {
  const revoke = useRevokeKey();
  const close = () => {
    revoke.reset();
    onClose();
  };
  return (
    <Confirm
      opened={doomed !== null}
      title={doomed ? texts.revoke.title(doomed.name) : ''}
      action={texts.revoke.confirm}
      busy={revoke.isPending}
      error={revoke.error}
      onClose={close}
      onConfirm={() =>
        doomed &&
        revoke.mutate(doomed.id, {
          onSuccess: () => {
            notifyDone(texts.revoke.done(doomed.name));
            close();
          },
        })
      }
    >
      {texts.revoke.text}
    </Confirm>
  );
}

/* Whose keys are: names of owners and teams. */
function useNames(): Names {
  const may = useMay();
  const { data: people } = useQuery({ ...membersQuery, enabled: may('member.read') });
  const { data: robots } = useQuery({ ...accounts.choicesQuery, enabled: may('service_account.read') });
  const { data: known } = useQuery({ ...teams.choicesQuery, enabled: may('team.read') });
  return useMemo(() => new Map([...(people ?? []).map(({ user_id, email }) => [user_id, email] as const), ...[...(robots ?? []), ...(known ?? [])].map(({ id, name }) => [id, name] as const)]), [people, robots, known]);
}

function useBlocking() {
  const { mutate } = useBlockKey();
  return useCallback(
    ({ id, name, disabled }: Key) =>
      mutate(
        { id, blocked: !disabled },
        { onSuccess: () => notifyDone((disabled ? texts.block.undone : texts.block.done)(name)), onError: (error) => notifyFailure(describeError(error).detail) },
      ),
    [mutate],
  );
}

type Search = DialogSearch<'edit' | 'rotate' | 'bulk'> & { revoked?: true };

export function KeysPage() {
  const [search, showDialog] = useDialogs<'edit' | 'rotate' | 'bulk'>() as [Search, (next: Search) => void];
  const list = useRows<Key>(keysQuery);
  const { error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = list;
  const all = useMemo(() => list.rows && [...list.rows].sort((a, b) => b.created_at.getTime() - a.created_at.getTime()), [list.rows]);
  const [doomed, setDoomed] = useState<Key | null>(null);
  const changed = useRow(list.rows, search.edit, keyQuery);
  const rotated = useRow(list.rows, search.rotate, keyQuery);
  const may = useMay();
  const names = useNames();
  const onBlock = useBlocking();
  const live = useMemo(() => all?.filter((key) => key.status !== 'revoked'), [all]);
  const revoked = all && live ? all.length - live.length : 0;
  const kept = useMemo(() => (search.revoked ? { revoked: true as const } : {}), [search.revoked]);
  const show = useCallback((next: Search) => showDialog({ ...kept, ...next }), [showDialog, kept]);
  const actions = useMemo<KeyActions>(
    () => ({ mayWrite: ({ workspace_id }) => may('key.write', workspace_id), onChange: ({ id }) => show({ edit: id }), onRotate: ({ id }) => show({ rotate: id }), onBlock, onRevoke: setDoomed }),
    [may, show, onBlock],
  );
  const button = may('key.write') && (
    <Button leftSection={<PlusIcon size={16} />} onClick={() => show({ new: true })}>
      {texts.create}
    </Button>
  );
  const many = may('key.write') && (
    <Button variant="default" onClick={() => show({ bulk: 'create' })}>
      {texts.bulk.action}
    </Button>
  );
  return (
    <Page title={texts.title} lead={texts.lead} actions={<>{many}{button}</>}>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {all?.length === 0 ? (
        <EmptyState icon={KeyIcon} title={texts.empty.title} action={button}>
          {texts.empty.text}
        </EmptyState>
      ) : (
        (all || !error) && <KeysTable keys={search.revoked ? all : live} actions={actions} names={names} />
      )}
      <div>
        {revoked > 0 && (
          <Button size="compact-sm" variant="subtle" color="gray" onClick={() => showDialog(search.revoked ? {} : { revoked: true })}>
            {search.revoked ? texts.hideRevoked : texts.showRevoked(revoked)}
          </Button>
        )}
        {hasNextPage && (
          <Button size="compact-sm" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {texts.more}
          </Button>
        )}
      </div>
      <KeyDialog opened={search.new === true && may('key.write')} onClose={() => show({})} />
      {changed && <ChangeDialog key={changed.id} changed={changed} onClose={() => show({})} />}
      {rotated && <RotateDialog key={rotated.id} rotated={rotated} onClose={() => show({})} />}
      {search.bulk && may('key.write') && <BulkDialog onClose={() => show({})} />}
      <RevokeDialog doomed={doomed} onClose={() => setDoomed(null)} />
    </Page>
  );
}
