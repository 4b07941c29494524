import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { Confirm } from '../../ui/confirm';
import { CubeIcon, PlusIcon } from '../../ui/icons';
import { LinkButton } from '../../ui/link_button';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { Page } from '../../ui/page';
import { providersQuery } from '../providers/queries';
import { ModelDialog } from './form';
import { modelsQuery, useDeleteModel } from './queries';
import type { Model } from './schema';
import { ModelsTable } from './table';
import { texts } from './texts';

function RemoveDialog({ doomed, onClose }: { doomed: Model | null; onClose: () => void }) {
  const remove = useDeleteModel();
  const close = () => {
    remove.reset();
    onClose();
  };
  return (
    <Confirm
      opened={doomed !== null}
      title={doomed ? texts.remove.title(doomed.name) : ''}
      action={texts.remove.confirm}
      busy={remove.isPending}
      error={remove.error}
      onClose={close}
      onConfirm={() =>
        doomed &&
        remove.mutate(doomed.id, {
          onSuccess: () => {
            notifyDone(texts.remove.done(doomed.name));
            close();
          },
        })
      }
    >
      {texts.remove.text}
    </Confirm>
  );
}

export function ModelsPage() {
  const search = useSearch({ from: '/shell/models' });
  const navigate = useNavigate();
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(modelsQuery);
  const { data: providerPages } = useInfiniteQuery(providersQuery);
  const [doomed, setDoomed] = useState<Model | null>(null);
  const models = useMemo(() => data?.pages.flatMap((page) => page.data), [data]);
  const providers = useMemo(() => providerPages?.pages.flatMap((page) => page.data), [providerPages]);
  const noProvider = providers?.length === 0;
  const button = (
    <Button leftSection={<PlusIcon size={16} />} disabled={noProvider} onClick={() => void navigate({ to: '/models', search: { new: true } })}>
      {texts.add}
    </Button>
  );
  return (
    <Page title={texts.title} lead={texts.lead} actions={button}>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {models?.length === 0 ? (
        <EmptyState
          icon={CubeIcon}
          title={texts.empty.title}
          action={
            noProvider ? (
              <LinkButton to="/providers" search={{ new: true }}>
                {texts.empty.addProvider}
              </LinkButton>
            ) : (
              button
            )
          }
        >
          {texts.empty.text} {noProvider && texts.empty.noProvider}
        </EmptyState>
      ) : (
        (models || !error) && <ModelsTable models={models} onRemove={setDoomed} />
      )}
      {hasNextPage && (
        <div>
          <Button size="compact-sm" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {texts.more}
          </Button>
        </div>
      )}
      <ModelDialog opened={search.new === true && providers !== undefined && !noProvider} providers={providers ?? []} onClose={() => void navigate({ to: '/models', search: {} })} />
      <RemoveDialog doomed={doomed} onClose={() => setDoomed(null)} />
    </Page>
  );
}
