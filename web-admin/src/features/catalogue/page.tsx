import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { useSession } from '../../app/session';
import { caller } from '../../api/client';
import { BookIcon } from '../../ui/icons';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { Page } from '../../ui/page';
import { Muted } from '../../ui/values';
import classes from './catalogue.module.css';
import { OverrideDialog } from './form';
import { catalogueProvidersQuery, entriesQuery, entryQuery } from './queries';
import type { Entry } from './schema';
import { CatalogueTable } from './table';
import { texts } from './texts';

/* Owners and administrators of the organization, and the platform's: as the server sees it, which decides. */
function useMayOverride(): boolean {
  const session = useSession();
  if (!session) return false;
  return (
    session.platform_admin ||
    session.memberships.some(({ organization_id, workspace_id, role }) => organization_id === caller.organization && workspace_id === null && (role === 'owner' || role === 'admin'))
  );
}

function Filters() {
  const { q, provider } = useSearch({ from: '/shell/catalogue' });
  const navigate = useNavigate({ from: '/catalogue' });
  const { data } = useQuery(catalogueProvidersQuery);
  const search = useDebouncedCallback((text: string) => void navigate({ search: (old) => ({ ...old, q: text.trim() || undefined }), replace: true }), 250);
  return (
    <div className={classes.filters} role="search">
      <TextInput type="search" label={texts.search} placeholder={texts.searchPlaceholder} defaultValue={q ?? ''} onChange={(event) => search(event.currentTarget.value)} autoComplete="off" />
      <NativeSelect
        label={texts.provider}
        value={provider ?? ''}
        data={[{ value: '', label: texts.allProviders }, ...(data?.data ?? []).map((one) => ({ value: one.provider, label: texts.providerOption(one.provider, one.models) }))]}
        onChange={(event) => {
          const chosen = event.currentTarget.value;
          void navigate({ search: (old) => ({ ...old, provider: chosen || undefined }), replace: true });
        }}
      />
    </div>
  );
}

/* The dialog is an address too: the entry is fetched when the list does not hold it. */
function EditDialog({ entries }: { entries: Entry[] | undefined }) {
  const { edit } = useSearch({ from: '/shell/catalogue' });
  const navigate = useNavigate({ from: '/catalogue' });
  const listed = entries?.find((entry) => entry.id === edit);
  const { data } = useQuery({ ...entryQuery(edit ?? ''), enabled: edit !== undefined && !listed });
  const entry = edit === undefined ? null : (listed ?? data ?? null);
  return <OverrideDialog entry={entry} onClose={() => void navigate({ search: (old) => ({ ...old, edit: undefined }) })} />;
}

export function CataloguePage() {
  const { q, provider } = useSearch({ from: '/shell/catalogue' });
  const navigate = useNavigate({ from: '/catalogue' });
  const mayEdit = useMayOverride();
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(entriesQuery({ q, provider }));
  const { data: about } = useQuery(catalogueProvidersQuery);
  const entries = useMemo(() => data?.pages.flatMap((page) => page.data), [data]);
  const edit = useCallback((entry: Entry) => void navigate({ search: (old) => ({ ...old, edit: entry.id }) }), [navigate]);
  return (
    <Page title={texts.title} lead={texts.lead}>
      <Filters />
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {entries?.length === 0 ? (
        <EmptyState icon={BookIcon} title={texts.nothing}>
          {about && about.version === null ? texts.none : ''}
        </EmptyState>
      ) : (
        (entries || !error) && <CatalogueTable entries={entries} onEdit={mayEdit ? edit : null} />
      )}
      {hasNextPage && (
        <div>
          <Button size="compact-sm" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {texts.more}
          </Button>
        </div>
      )}
      <Muted>{`${texts.unit}. ${about?.version ? texts.version(about.version) : ''}`}</Muted>
      {mayEdit && <EditDialog entries={entries} />}
    </Page>
  );
}
