import { RouteIcon } from '../../ui/icons';
import type { Kind } from '../documents/kind';
import { ConfigEditor } from './editor';
import { texts } from './texts';

const first = { provider: 'openai', override_params: { model: 'gpt-5' } };
const second = { provider: 'anthropic', override_params: { model: 'claude-sonnet-4-5' } };

export const configKind: Kind = {
  root: '/configs',
  pathRoot: 'config',
  icon: RouteIcon,
  read: 'config.read',
  write: 'config.write',
  publish: 'config.publish',
  Editor: ConfigEditor,
  templates: [
    { value: 'fallback', label: 'Fallback: the next one when one fails', document: { strategy: { mode: 'fallback' }, retry: { attempts: 2 }, targets: [first, second] } },
    { value: 'weighted', label: 'Load balance: by weight', document: { strategy: { mode: 'weighted' }, targets: [{ ...first, weight: 3 }, { ...second, weight: 1 }] } },
    {
      value: 'conditional',
      label: 'Conditions: by what a request holds',
      document: {
        strategy: { mode: 'conditional', conditions: [{ query: { 'metadata.plan': { $eq: 'pro' } }, then: 'best' }], default: 'cheap' },
        targets: [{ name: 'best', ...second }, { name: 'cheap', ...first }],
      },
    },
    { value: 'split', label: 'Experiment: fixed shares', document: { strategy: { mode: 'split', by: ['metadata.user'] }, targets: [{ name: 'now', share: 90, ...first }, { name: 'new', share: 10, ...second }] } },
    { value: 'cache', label: 'One target with a cache', document: { cache: { mode: 'simple', max_age: 3600 }, ...first } },
  ],
  texts,
};
