export const texts = {
  title: 'Price book',
  lead: 'The organization’s own rules over the catalogue’s prices: discounts, margins, tiers by the length of a prompt, service tiers, times of day. What comes out is the list price.',
  create: 'New price book',
  newTitle: 'New price book',
  newLead: 'It becomes version 1. Versions never change, and each event says by which one it was priced.',
  noun: 'price book',
  namePlaceholder: 'house',
  empty: { title: 'No price book yet', text: 'Without one, the catalogue’s prices are the list prices. A book says what your contracts say, or what you charge on top.' },
  lookUp: 'Look up a price',
  document: 'Rules',
  format: 'Format',
  help: 'Rules apply one after the other, each to what the ones before it left. Prices are whole pico-USD (10⁻¹² USD) for one unit: 2500000 a token is 2.5 USD per million.',
};
