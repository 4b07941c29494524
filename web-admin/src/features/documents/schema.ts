/* Routing configs and prompts are alike: documents with numbered versions, labels that point at versions, and at most one
 * version that is published. */
import { boolean, list, nullable, number, object, optional, page, ShapeError, text, time, type Parsed, type Parser } from '../../api/parse';

/* What a document holds is read where it is shown. */
const anything: Parser<unknown> = (value) => value ?? null;

const labels: Parser<Record<string, number>> = (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeError(at, 'an object', value);
  return Object.fromEntries(Object.entries(value).map(([name, version]) => [name, number(version, `${at}.${name}`)]));
};

export const parseDocument = object({
  id: text,
  workspace_id: nullable(text),
  name: text,
  description: optional(text, ''),
  published_version: number,
  latest_version: number,
  labels: optional(labels, {}),
  owned_by: optional(text, 'api'),
  revision: optional(number, 0),
  updated_at: time,
  partial: optional(boolean, false),
  document: anything,
});

export const parseDocuments = page(parseDocument);

export const parseVersion = object({
  number,
  document: anything,
  note: optional(text, ''),
  created_at: time,
  created_by: optional(text, ''),
  published: optional(boolean, false),
  labels: optional(list(text), []),
});

export const parseVersions = page(parseVersion);

export const parseVerdict = object({
  valid: boolean,
  error: nullable(object({ code: optional(text, ''), message: text, param: nullable(text) })),
  variables: optional(list(object({ name: text, required: optional(boolean, false), default: anything })), []),
});

export type Document = Parsed<typeof parseDocument>;
export type Version = Parsed<typeof parseVersion>;
export type Verdict = Parsed<typeof parseVerdict>;
export type Variable = Verdict['variables'][number];

/* Why a text cannot be a label; null: it can. */
export function faultOfLabel(label: string): 'form' | 'latest' | null {
  if (!/^[a-z][a-z0-9_-]{0,62}$/.test(label)) return 'form';
  return label === 'latest' ? 'latest' : null;
}

export const isName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name);
