import { boolean, list, nullable, number, object, optional, page, text, type Parsed } from '../../api/parse';

export const parseProvider = object({
  id: text,
  name: text,
  kind: text,
  base_url: optional(text, ''),
  api_key_mask: optional(text, ''),
  api_keys_count: optional(number, 0),
  health_check: nullable(object({ interval_ms: nullable(number) })),
  disabled: optional(boolean, false),
});

export const parseProviders = page(parseProvider);

/* What a provider may be, and what each kind needs. */
export const parseKinds = object({
  data: list(
    object({
      kind: text,
      title: text,
      aliases: optional(list(text), []),
      base_url: optional(text, ''),
      needs_base_url: optional(boolean, false),
      endpoints: optional(list(text), []),
      settings: optional(list(object({ name: text, about: optional(text, ''), secret: optional(boolean, false), type: optional(text, 'text'), default: nullable(text) })), []),
      docs: optional(text, ''),
    }),
  ),
});

/* A data plane's verdict; result is null when it gave none. */
export const parseTest = object({
  data_plane: object({ name: optional(text, '') }),
  result: nullable(
    object({
      ok: boolean,
      status: optional(number, 0),
      latency_ms: optional(number, 0),
      models: optional(number, 0),
      error: nullable(text),
    }),
  ),
});

export type Provider = Parsed<typeof parseProvider>;
export type ProviderKind = Parsed<typeof parseKinds>['data'][number];
export type ProviderTest = Parsed<typeof parseTest>;
