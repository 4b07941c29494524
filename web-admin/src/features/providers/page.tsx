import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { PlugIcon, PlusIcon } from '../../ui/icons';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { Page } from '../../ui/page';
import { ProviderDialog } from './form';
import { providersQuery } from './queries';
import { ProvidersTable } from './table';
import { texts } from './texts';

export function ProvidersPage() {
  const search = useSearch({ from: '/shell/providers' });
  const navigate = useNavigate();
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(providersQuery);
  const providers = useMemo(() => data?.pages.flatMap((page) => page.data), [data]);
  const button = (
    <Button leftSection={<PlusIcon size={16} />} onClick={() => void navigate({ to: '/providers', search: { new: true } })}>
      {texts.add}
    </Button>
  );
  return (
    <Page title={texts.title} lead={texts.lead} actions={button}>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {providers?.length === 0 ? (
        <EmptyState icon={PlugIcon} title={texts.empty.title} action={button}>
          {texts.empty.text}
        </EmptyState>
      ) : (
        (providers || !error) && <ProvidersTable providers={providers} />
      )}
      {hasNextPage && (
        <div>
          <Button size="compact-sm" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {texts.more}
          </Button>
        </div>
      )}
      <ProviderDialog opened={search.new === true} onClose={() => void navigate({ to: '/providers', search: {} })} />
    </Page>
  );
}
