import { describe, expect, test } from 'vitest';
import { list, nullable, number, object, optional, page, ShapeError, text, time } from './parse';

const parse = page(object({ id: text, count: number, at: nullable(time), note: optional(text, 'none') }));
const good = { id: 'a', count: 1, at: '2030-01-31T12:00:00.000Z' };

describe('a reply', () => {
  test('of the right shape passes, with defaults filled in and unknown fields left out', () => {
    const { data } = parse({ data: [{ ...good, newer: true }], next_cursor: null, more: 1 }, '');
    expect(data).toEqual([{ id: 'a', count: 1, at: new Date('2030-01-31T12:00:00Z'), note: 'none' }]);
  });

  test.each([
    [{ data: [{ ...good, count: '1' }] }, 'data[0].count: expected a number, got a string'],
    [{ data: [good, { ...good, id: undefined }] }, 'data[1].id: expected a text, got nothing'],
    [{ data: [{ ...good, at: 'soon' }] }, 'data[0].at: expected a time, got a string'],
    [{ data: {} }, 'data: expected a list, got an object'],
    [[], 'reply: expected an object, got a list'],
    [null, 'reply: expected an object, got null'],
  ])('of a wrong shape is refused, and the place is named: %j', (reply, message) => {
    expect(() => parse(reply, '')).toThrow(ShapeError);
    expect(() => parse(reply, '')).toThrow(message);
  });

  test('a list of numbers takes no NaN', () => {
    expect(() => list(number)([Number.NaN], 'n')).toThrow('n[0]: expected a number');
  });
});
