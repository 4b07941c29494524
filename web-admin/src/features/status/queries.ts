/* How the installation is. */
import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { list, number, object, text, type Parsed } from '../../api/parse';

const parseStatus = object({
  version: text,
  config_version: number,
  control_planes: list(object({ id: text, version: text })),
  counts: object({ keys: number, providers: number, models: number, events_today: number }),
});

export type Status = Parsed<typeof parseStatus>;

export const statusQuery = queryOptions({
  queryKey: ['status'],
  queryFn: ({ signal }) => api.get('/status', parseStatus, { signal }),
  refetchInterval: 10_000,
  refetchIntervalInBackground: false,
});
