import { TagIcon } from '../../ui/icons';
import type { Kind } from '../documents/kind';
import { PriceBookEditor } from './editor';
import { texts } from './texts';

export const priceBookKind: Kind = {
  root: '/price-books',
  pathRoot: '',
  icon: TagIcon,
  sharedOnly: true,
  read: 'price.read',
  write: 'price.write',
  publish: 'price.publish',
  Editor: PriceBookEditor,
  templates: [
    { value: 'contract', label: 'A discount by contract', document: { rules: [{ name: 'contract', provider: 'openai', ratio: '0.93' }] } },
    { value: 'margin', label: 'A margin on everything', document: { rules: [{ name: 'margin', ratio: '1.05' }] } },
    {
      value: 'tiers',
      label: 'Service tiers and a time of day',
      document: {
        rules: [
          { provider: 'openai', service_tiers: { batch: { ratio: '0.5' }, flex: { ratio: '0.5' }, priority: { ratio: '1.7' } } },
          { model: 'deepseek-*', hours: [{ from: '16:30', until: '00:30', zone: 'UTC' }], ratio: '0.5' },
        ],
      },
    },
    { value: 'own', label: 'Prices of one’s own models', document: { rules: [{ provider: ['my-vllm'], prices: { token_in: 100000, token_out: 400000 } }] } },
  ],
  texts,
};
