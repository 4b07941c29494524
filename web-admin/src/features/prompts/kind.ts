import { PromptIcon } from '../../ui/icons';
import type { Kind } from '../documents/kind';
import { PromptEditor } from './editor';
import { texts } from './texts';
import { TryOut } from './try_out';

export const promptKind: Kind = {
  root: '/prompts',
  pathRoot: '',
  icon: PromptIcon,
  read: 'prompt.read',
  write: 'prompt.write',
  publish: 'prompt.publish',
  Editor: PromptEditor,
  Below: TryOut,
  templates: [
    { value: 'question', label: 'A system message and a question', document: { model: 'gpt-4o', messages: [{ role: 'system', content: 'You are a helper for {{product}}.' }, { role: 'user', content: '{{question}}' }] } },
    { value: 'history', label: 'A conversation that the caller brings', document: { model: 'gpt-4o', messages: [{ role: 'system', content: 'Answer in {{language}}.' }, '{{history}}', { role: 'user', content: '{{question}}' }] } },
    { value: 'partial', label: 'A partial: a piece for several prompts', document: 'Answer briefly.', partial: true },
  ],
  texts,
};
