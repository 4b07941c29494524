import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';
import type { Column } from '../../ui/data_table';
import { TextLink } from '../../ui/link_button';
import { DocumentListPage } from '../documents/list_page';
import { NewDocumentPage } from '../documents/new_page';
import { DocumentPage, type DocumentSearch } from '../documents/page';
import type { Document } from '../documents/schema';
import { promptKind } from './kind';
import { texts } from './texts';

const EXTRA: Column<Document>[] = [{ id: 'kind', header: texts.kindColumn, cell: (document) => (document.partial ? texts.kinds.partial : texts.kinds.prompt), sortBy: (document) => Number(document.partial) }];

const nameOf = (document: Document) => (
  <TextLink to="/prompts/$id" params={{ id: document.id }} title={document.description || undefined}>
    {document.name}
  </TextLink>
);

export function PromptsPage() {
  return <DocumentListPage kind={promptKind} name={nameOf} extra={EXTRA} />;
}

export function NewPromptPage() {
  return <NewDocumentPage kind={promptKind} />;
}

export function PromptPage() {
  const { id } = useParams({ from: '/shell/prompts/$id' });
  const search = useSearch({ from: '/shell/prompts/$id' });
  const navigate = useNavigate({ from: '/prompts/$id' });
  const onSearch = useCallback((next: DocumentSearch) => navigate({ search: next }), [navigate]);
  return <DocumentPage key={id} kind={promptKind} id={id} search={search} onSearch={onSearch} />;
}
