import { Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';
import { useMay } from '../../app/permissions';
import type { Column } from '../../ui/data_table';
import { LinkButton, TextLink } from '../../ui/link_button';
import { Muted, Tags } from '../../ui/values';
import { DocumentListPage } from '../documents/list_page';
import { NewDocumentPage } from '../documents/new_page';
import { DocumentPage, type DocumentSearch } from '../documents/page';
import type { Document } from '../documents/schema';
import { configKind } from './kind';
import { usesQuery, type Use } from './queries';
import { texts } from './texts';

const wordOf = ({ by, name }: Use) => texts.uses[by](name);

function Uses({ document }: { document: Document }) {
  const { data, error } = useQuery(usesQuery);
  if (!data) return error ? <Muted>–</Muted> : <Skeleton height={12} width={80} />;
  const uses = [...(data.get(document.name) ?? []), ...(data.get(document.id) ?? [])];
  return uses.length > 0 ? <Tags values={uses.map(wordOf)} /> : <Muted>{texts.uses.none}</Muted>;
}

const EXTRA: Column<Document>[] = [{ id: 'uses', header: 'Used by', cell: (document) => <Uses document={document} /> }];

const nameOf = (document: Document) => (
  <TextLink to="/configs/$id" params={{ id: document.id }} title={document.description || undefined}>
    {document.name}
  </TextLink>
);

export function ConfigsPage() {
  return <DocumentListPage kind={configKind} name={nameOf} extra={EXTRA} />;
}

export function NewConfigPage() {
  return <NewDocumentPage kind={configKind} />;
}

export function ConfigPage() {
  const { id } = useParams({ from: '/shell/configs/$id' });
  const search = useSearch({ from: '/shell/configs/$id' });
  const navigate = useNavigate({ from: '/configs/$id' });
  const may = useMay();
  const onSearch = useCallback((next: DocumentSearch) => navigate({ search: next }), [navigate]);
  return (
    <DocumentPage
      key={id}
      kind={configKind}
      id={id}
      search={search}
      onSearch={onSearch}
      uses={(document) => <Uses document={document} />}
      actions={(document, version) =>
        may('routing.explain') && (
          <LinkButton variant="default" to="/explain" search={{ config: document.id, version }}>
            {texts.explain}
          </LinkButton>
        )
      }
    />
  );
}
