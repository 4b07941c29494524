import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import { parseEvent, parseEvents } from './schema';

export const LAST_EVENTS = 20;

/* Read anew every two seconds while the page is seen. */
export const lastEventsQuery = queryOptions({
  queryKey: ['events', 'last'],
  queryFn: async ({ signal }) => (await api.get('/events', parseEvents, { query: { limit: LAST_EVENTS }, signal })).data,
  refetchInterval: 2000,
  refetchIntervalInBackground: false,
});

export const eventQuery = (id: string) =>
  queryOptions({
    queryKey: ['events', 'one', id],
    queryFn: ({ signal }) => api.get('/events/{id}', parseEvent, { params: { id }, signal }),
    staleTime: Infinity, // what is recorded does not change
  });
