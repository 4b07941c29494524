import { crud } from '../../api/crud';
import { parseServiceAccount } from './schema';

export const accounts = crud('/service-accounts', parseServiceAccount);
