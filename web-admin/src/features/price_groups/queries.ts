import { crud } from '../../api/crud';
import { parsePriceGroup } from './schema';

export const priceGroups = crud('/price-groups', parsePriceGroup);
