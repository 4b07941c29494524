export const texts = {
  title: 'Last requests',
  columns: { time: 'Time', key: 'Key', model: 'Model', provider: 'Provider', status: 'Status', outcome: 'Outcome', tokensIn: 'Tokens in', tokensOut: 'Out', duration: 'Duration' },
  outcome: {
    ok: 'Answered',
    refused: 'Refused by Weir',
    provider_error: 'Provider error',
    timeout: 'Timed out',
    client_gone: 'Client left',
    cut: 'Cut off',
    failed: 'Fault of Weir',
    unknown: 'Unknown',
  } as Record<string, string>,
  attempts: (n: number) => `${n} attempts`,
  estimated: 'Counted by Weir: the provider sent no number',
  bound: 'Upper bound: how it ended is not known',
  none: '–',
  streamed: 'streamed',
};
