import { crud } from '../../api/crud';
import { parseRole } from './schema';

export const roles = crud('/roles', parseRole);
