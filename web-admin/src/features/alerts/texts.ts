export const texts = {
  title: 'Alerts',
  lead: 'Budgets that passed one of their thresholds, newest first. Each threshold is told once a window.',
  empty: { title: 'No alerts', text: 'When what is spent passes a percent that a budget names, it stands here.' },
  columns: { at: 'When', what: 'What', bucket: 'Account', percent: 'Passed', spent: 'Spent' },
  kinds: { budget_threshold: 'Budget threshold' } as Record<string, string>,
  everybody: 'All together',
  percent: (n: number) => `${n} %`,
  gone: 'a deleted budget',
  spent: (settled: string, amount: string) => `${settled} of ${amount}`,
};
