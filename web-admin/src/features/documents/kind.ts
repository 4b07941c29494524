/* What tells routing configs, prompts and price books from each other. */
import type { ComponentType } from 'react';
import type { Permission } from '../../app/permissions';
import type { Icon } from '../../ui/icons';
import type { Draft } from './draft';
import type { Root } from './queries';
import type { Document, Version } from './schema';

export interface EditorProps {
  draft: Draft;
  partial: boolean;
  readOnly: boolean;
  describedBy: string;
  saved: { document: Document; version: Version } | null; // null: it is not made yet
}

export interface SavedProps {
  draft: Draft;
  document: Document;
  version: Version;
}

export interface Template {
  value: string;
  label: string;
  document: unknown;
  partial?: boolean;
}

export interface Kind {
  root: Root;
  pathRoot: string; // what the server's paths into a document begin with
  icon: Icon;
  sharedOnly?: boolean; // always the organization's
  read: Permission;
  write: Permission;
  publish: Permission;
  Editor: ComponentType<EditorProps>;
  Below?: ComponentType<SavedProps>; // beneath a saved version

  templates: Template[];
  texts: {
    title: string;
    lead: string;
    noun: string;
    create: string;
    newTitle: string;
    newLead: string;
    empty: { title: string; text: string };
    explain?: string;
    namePlaceholder: string;
  };
}
