/* A prompt's messages as rows of a form, and back: what the form has no field for stays as it is. */
import { isObject, type Json } from '../configs/describe';

export type Row =
  | { kind: 'message'; role: string; content: string; rest: Json }
  | { kind: 'slot'; template: string } // "{{history}}": messages that the caller brings
  | { kind: 'other'; value: unknown }; // parts, tool calls: in JSON

export function rowsOf(document: unknown): Row[] | null {
  if (!isObject(document) || !Array.isArray(document.messages)) return null;
  return document.messages.map((value): Row => {
    if (typeof value === 'string') return { kind: 'slot', template: value };
    if (!isObject(value) || typeof value.role !== 'string' || typeof value.content !== 'string') return { kind: 'other', value };
    const { role, content, ...rest } = value;
    return { kind: 'message', role, content: content as string, rest };
  });
}

const valueOf = (row: Row): unknown => (row.kind === 'slot' ? row.template : row.kind === 'other' ? row.value : { role: row.role, content: row.content, ...row.rest });

export function withRows(document: Json, rows: Row[]): Json {
  return { ...document, messages: rows.map(valueOf) };
}

export const moved = <T>(rows: T[], from: number, to: number): T[] => {
  const next = [...rows];
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
};

/* A partial's text: it is the document, or a member of it. */
export function partialText(document: unknown): string | null {
  if (typeof document === 'string') return document;
  return isObject(document) && typeof document.text === 'string' ? document.text : null;
}

export const withPartialText = (document: unknown, text: string): unknown => (isObject(document) ? { ...document, text } : text);

/* What somebody typed for a variable: JSON where it is a list or an object, else a text. Nothing typed: not given. */
export function valueTyped(typed: string): unknown {
  if (/^\s*[[{]/.test(typed)) {
    try {
      return JSON.parse(typed);
    } catch {
      return typed;
    }
  }
  return typed;
}

export function variablesTyped(typed: Record<string, string>, names: string[]): Json {
  return Object.fromEntries(names.filter((name) => (typed[name] ?? '') !== '').map((name) => [name, valueTyped(typed[name]!)]));
}
