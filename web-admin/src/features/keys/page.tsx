import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import { Confirm } from '../../ui/confirm';
import { KeyIcon, PlusIcon } from '../../ui/icons';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { Page } from '../../ui/page';
import { KeyDialog } from './form';
import { keysQuery, useRevokeKey } from './queries';
import { RoutingDialog } from './routing';
import type { Key } from './schema';
import { KeysTable } from './table';
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

export function KeysPage() {
  const search = useSearch({ from: '/shell/keys' });
  const navigate = useNavigate();
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(keysQuery);
  const [doomed, setDoomed] = useState<Key | null>(null);
  const [changed, setChanged] = useState<Key | null>(null);
  const may = useMay();
  const all = useMemo(
    () => data?.pages.flatMap((page) => page.data).sort((a, b) => b.created_at.getTime() - a.created_at.getTime()),
    [data],
  );
  const live = useMemo(() => all?.filter((key) => key.status !== 'revoked'), [all]);
  const revoked = all && live ? all.length - live.length : 0;
  const show = useCallback((next: { new?: true; revoked?: true }) => void navigate({ to: '/keys', search: next }), [navigate]);
  const kept = search.revoked ? { revoked: true as const } : {};
  const open = () => show({ ...kept, new: true });
  const button = (
    <Button leftSection={<PlusIcon size={16} />} onClick={open}>
      {texts.create}
    </Button>
  );
  return (
    <Page title={texts.title} lead={texts.lead} actions={button}>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {all?.length === 0 ? (
        <EmptyState icon={KeyIcon} title={texts.empty.title} action={button}>
          {texts.empty.text}
        </EmptyState>
      ) : (
        (all || !error) && <KeysTable keys={search.revoked ? all : live} onRevoke={setDoomed} onChange={may('key.write') ? setChanged : null} />
      )}
      <div>
        {revoked > 0 && (
          <Button size="compact-sm" variant="subtle" color="gray" onClick={() => show(search.revoked ? {} : { revoked: true })}>
            {search.revoked ? texts.hideRevoked : texts.showRevoked(revoked)}
          </Button>
        )}
        {hasNextPage && (
          <Button size="compact-sm" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {texts.more}
          </Button>
        )}
      </div>
      <KeyDialog opened={search.new === true} onClose={() => show(kept)} />
      {changed && <RoutingDialog key={changed.id} changed={changed} onClose={() => setChanged(null)} />}
      <RevokeDialog doomed={doomed} onClose={() => setDoomed(null)} />
    </Page>
  );
}
