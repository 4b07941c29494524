import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { Confirm } from '../../ui/confirm';
import { PlaneIcon, PlusIcon } from '../../ui/icons';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { Page } from '../../ui/page';
import { EnrolDialog } from './form';
import { dataPlanesQuery, useRevokeDataPlane } from './queries';
import type { DataPlane } from './schema';
import { DataPlanesTable } from './table';
import { texts } from './texts';

function RevokeDialog({ doomed, onClose }: { doomed: DataPlane | null; onClose: () => void }) {
  const revoke = useRevokeDataPlane();
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

export function DataPlanesPage() {
  const search = useSearch({ from: '/shell/data-planes' });
  const navigate = useNavigate();
  const { data: planes, error, refetch } = useQuery(dataPlanesQuery);
  const [doomed, setDoomed] = useState<DataPlane | null>(null);
  const button = (
    <Button leftSection={<PlusIcon size={16} />} onClick={() => void navigate({ to: '/data-planes', search: { new: true } })}>
      {texts.add}
    </Button>
  );
  return (
    <Page title={texts.title} lead={texts.lead} actions={button}>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {planes?.length === 0 ? (
        <EmptyState icon={PlaneIcon} title={texts.empty.title} action={button}>
          {texts.empty.text}
        </EmptyState>
      ) : (
        (planes || !error) && <DataPlanesTable planes={planes} onRevoke={setDoomed} />
      )}
      <EnrolDialog opened={search.new === true} onClose={() => void navigate({ to: '/data-planes', search: {} })} />
      <RevokeDialog doomed={doomed} onClose={() => setDoomed(null)} />
    </Page>
  );
}
