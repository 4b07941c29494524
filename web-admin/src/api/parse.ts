/* Parsers for replies. The server is not believed to send what the types say: a reply of the wrong shape becomes a
 * ShapeError that names the place, never an undefined that surfaces three components later. Fields that are not
 * asked for are ignored, so a newer server may add some. */

export class ShapeError extends Error {
  constructor(
    readonly at: string,
    readonly expected: string,
    got: unknown,
  ) {
    super(`${at || 'reply'}: expected ${expected}, got ${describe(got)}`);
    this.name = 'ShapeError';
  }
}

export type Parser<T> = (value: unknown, at: string) => T;
export type Parsed<P> = P extends Parser<infer T> ? T : never;

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

export const text: Parser<string> = (value, at) => {
  if (typeof value !== 'string') throw new ShapeError(at, 'a text', value);
  return value;
};

export const number: Parser<number> = (value, at) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new ShapeError(at, 'a number', value);
  return value;
};

export const boolean: Parser<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw new ShapeError(at, 'true or false', value);
  return value;
};

/* RFC 3339. */
export const time: Parser<Date> = (value, at) => {
  const date = typeof value === 'string' ? new Date(value) : undefined;
  if (!date || Number.isNaN(date.getTime())) throw new ShapeError(at, 'a time', value);
  return date;
};

export function nullable<T>(parse: Parser<T>): Parser<T | null> {
  return (value, at) => (value === null || value === undefined ? null : parse(value, at));
}

/* A field that may be left out. */
export function optional<T>(parse: Parser<T>, otherwise: T): Parser<T> {
  return (value, at) => (value === null || value === undefined ? otherwise : parse(value, at));
}

export function list<T>(parse: Parser<T>): Parser<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new ShapeError(at, 'a list', value);
    return value.map((item, i) => parse(item, `${at}[${i}]`));
  };
}

export function object<F extends Record<string, Parser<unknown>>>(fields: F): Parser<{ [K in keyof F]: Parsed<F[K]> }> {
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeError(at, 'an object', value);
    const given = value as Record<string, unknown>;
    const result: Record<string, unknown> = {};
    for (const [name, parse] of Object.entries(fields)) result[name] = parse(given[name], at ? `${at}.${name}` : name);
    return result as { [K in keyof F]: Parsed<F[K]> };
  };
}

/* One page of a list: {data, next_cursor}. */
export function page<T>(item: Parser<T>): Parser<{ data: T[]; next_cursor: string | null }> {
  return object({ data: list(item), next_cursor: nullable(text) });
}

/* An answer without a body, or with one that nobody reads. */
export const nothing: Parser<void> = () => undefined;
