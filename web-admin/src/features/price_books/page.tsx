import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';
import { LinkButton, TextLink } from '../../ui/link_button';
import { DocumentListPage } from '../documents/list_page';
import { NewDocumentPage } from '../documents/new_page';
import { DocumentPage, type DocumentSearch } from '../documents/page';
import type { Document } from '../documents/schema';
import { priceBookKind } from './kind';
import { texts } from './texts';

const nameOf = (document: Document) => (
  <TextLink to="/price-books/$id" params={{ id: document.id }} title={document.description || undefined}>
    {document.name}
  </TextLink>
);

const lookUp = (
  <LinkButton variant="default" to="/prices">
    {texts.lookUp}
  </LinkButton>
);

export function PriceBooksPage() {
  return <DocumentListPage kind={priceBookKind} name={nameOf} actions={lookUp} />;
}

export function NewPriceBookPage() {
  return <NewDocumentPage kind={priceBookKind} />;
}

export function PriceBookPage() {
  const { id } = useParams({ from: '/shell/price-books/$id' });
  const search = useSearch({ from: '/shell/price-books/$id' });
  const navigate = useNavigate({ from: '/price-books/$id' });
  const onSearch = useCallback((next: DocumentSearch) => navigate({ search: next }), [navigate]);
  return <DocumentPage key={id} kind={priceBookKind} id={id} search={search} onSearch={onSearch} actions={() => lookUp} />;
}
