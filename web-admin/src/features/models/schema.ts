import { list, nullable, object, page, text, time, type Parsed } from '../../api/parse';

export const parseModel = object({
  id: text,
  name: text,
  config: nullable(text),
  targets: list(object({ provider: text, model: text })),
  created_at: time,
});

export const parseModels = page(parseModel);

export type Model = Parsed<typeof parseModel>;
