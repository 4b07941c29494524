import { crud } from '../../api/crud';
import { parseLimit } from './schema';

export const limits = crud('/limits', parseLimit);
