export const texts = {
  title: 'Secret references',
  lead: 'Secrets that stay where the operator keeps them: in the environment, a file or Vault. A provider’s credential may be ref:NAME in place of the secret itself. What they are is never shown.',
  empty: { title: 'None is declared', text: 'The operator declares names in the configuration of weir-control; nobody can from here.' },
  columns: { name: 'Name', reference: 'Write', source: 'Kept in', status: 'Status', read: 'Last read' },
  sources: { env: 'the environment', file: 'a file', vault: 'Vault' } as Record<string, string>,
  ok: 'Can be read',
  stale: 'The last good one is used',
  bad: 'Cannot be read',
  never: 'never',
};
