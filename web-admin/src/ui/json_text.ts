/* Reads JSON as somebody is typing it: the value, where each part of it stands in the text, and for what is no JSON an
 * error that says where and what was expected. Stricter than JSON.parse in one thing: a member may stand once only, since
 * of two the server would refuse the document. */

export interface Span {
  from: number;
  to: number;
}

export interface JsonError {
  message: string;
  at: number;
}

export type JsonRead = { value: unknown; spans: Map<string, Span>; error: null } | { value: undefined; spans: Map<string, Span>; error: JsonError };

class Fault extends Error {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message);
  }
}

const DEEPEST = 200;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORDS: [string, unknown][] = [['true', true], ['false', false], ['null', null]];

class Reader {
  readonly spans = new Map<string, Span>();
  private at = 0;

  constructor(private readonly text: string) {}

  document(): unknown {
    const value = this.value('', 0);
    this.blanks();
    if (this.at < this.text.length) throw new Fault('the document ends before this', this.at);
    return value;
  }

  private blanks() {
    while (this.at < this.text.length && ' \t\n\r'.includes(this.text[this.at]!)) this.at++;
  }

  private take(character: string): boolean {
    this.blanks();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? null;
    if (found !== null) this.at += found.length;
    return found;
  }

  private string(what: string): string {
    const from = this.at;
    const found = this.match(TEXT);
    if (found !== null) return JSON.parse(found) as string;
    throw new Fault(this.text[from] === '"' ? 'this text has no end on its line, or a character that must be escaped' : `${what} is expected here`, from);
  }

  private value(path: string, depth: number): unknown {
    this.blanks();
    if (depth > DEEPEST) throw new Fault('too deeply nested', this.at);
    const from = this.at;
    const value = this.bare(path, depth);
    this.spans.set(path, { from, to: this.at });
    return value;
  }

  private bare(path: string, depth: number): unknown {
    const first = this.text[this.at];
    if (first === '{') return this.object(path, depth);
    if (first === '[') return this.list(path, depth);
    if (first === '"') return this.string('a value');
    const word = WORDS.find(([name]) => this.text.startsWith(name, this.at));
    if (word) {
      this.at += word[0].length;
      return word[1];
    }
    const digits = this.match(NUMBER);
    if (digits !== null) return Number(digits);
    throw new Fault(first === undefined ? 'the document ends too early' : 'a value is expected here', this.at);
  }

  private object(path: string, depth: number): unknown {
    const result: Record<string, unknown> = {};
    this.at++;
    if (this.take('}')) return result;
    do {
      this.blanks();
      const at = this.at;
      const name = this.string('the name of a member, in quotes,');
      if (Object.hasOwn(result, name)) throw new Fault(`“${name}” stands here twice`, at);
      if (!this.take(':')) throw new Fault('a : is expected here', this.at);
      Object.defineProperty(result, name, { value: this.value(path ? `${path}.${name}` : name, depth + 1), enumerable: true, writable: true, configurable: true });
    } while (this.take(','));
    if (!this.take('}')) throw new Fault('a , or } is expected here', this.at);
    return result;
  }

  private list(path: string, depth: number): unknown {
    const result: unknown[] = [];
    this.at++;
    if (this.take(']')) return result;
    do result.push(this.value(`${path}[${result.length}]`, depth + 1));
    while (this.take(','));
    if (!this.take(']')) throw new Fault('a , or ] is expected here', this.at);
    return result;
  }
}

export function readJson(text: string): JsonRead {
  const reader = new Reader(text);
  try {
    return { value: reader.document(), spans: reader.spans, error: null };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { value: undefined, spans: reader.spans, error: { message: error.message, at: Math.min(error.at, text.length) } };
  }
}

/* Where the server's path ("config.targets[1].retry.attempts") stands in the text: of what is not there, what is nearest
 * around it. root: what paths begin with. */
export function spanOf(read: JsonRead, path: string, root = ''): Span {
  let rest = path;
  if (root && (rest === root || rest.startsWith(`${root}.`) || rest.startsWith(`${root}[`))) rest = rest.slice(root.length).replace(/^\./, '');
  for (;;) {
    const span = read.spans.get(rest);
    if (span) return span;
    if (rest === '') return { from: 0, to: 0 };
    rest = rest.slice(0, Math.max(rest.lastIndexOf('.'), rest.lastIndexOf('['), 0));
  }
}

export function lineOf(text: string, at: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

export const writeJson = (value: unknown): string => JSON.stringify(value, null, 2);
