/* Names and words for completion, out of the JSON Schema of routing configs that the server hands out. Any name of any node is
 * offered anywhere: what may stand where is the server's verdict. */
import type { Suggestion } from '../../ui/code_editor';
import { isObject, type Json } from './describe';

export interface Words {
  names: Suggestion[];
  values: Suggestion[];
}

export function wordsOf(schema: unknown): Words {
  const names = new Map<string, Suggestion>();
  const values = new Map<string, Suggestion>();
  const seen = new Set<unknown>();
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (isObject(value)) {
      if (isObject(value.properties)) for (const [name, about] of Object.entries(value.properties)) names.set(name, names.get(name) ?? suggestion(name, about));
      for (const word of [...(Array.isArray(value.enum) ? value.enum : []), value.const]) if (typeof word === 'string') values.set(word, { name: word });
    }
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(schema);
  return { names: [...names.values()], values: [...values.values()] };
}

function suggestion(name: string, about: unknown): Suggestion {
  const { type, description } = isObject(about) ? about : ({} as Json);
  return { name, kind: typeof type === 'string' ? type : undefined, about: typeof description === 'string' ? description : undefined };
}
