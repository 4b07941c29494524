export const texts = {
  title: 'Usage',
  lead: 'Requests and what they cost, added up. The last 30 days where no other days are chosen.',
  by: 'By',
  from: 'First day',
  to: 'Last day',
  groupings: { day: 'day', model: 'model', key_id: 'key', config_id: 'routing config', prompt_id: 'prompt', cache_status: 'cache' } as Record<string, string>,
  columns: { share: 'Share of the cost', requests: 'Requests', hits: 'From the cache', cost: 'Cost', saved: 'Saved by the cache' },
  none: 'none',
  total: 'Total',
  summary: (requests: number, hits: number) => `${requests.toLocaleString('en')} requests, ${hits.toLocaleString('en')} of them from the cache`,
  saved: (amount: string) => `${amount} saved by the cache`,
  empty: { title: 'No requests in these days', text: 'As soon as requests are answered, they are added up here.' },
};
