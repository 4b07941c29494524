import { expect, test } from 'vitest';
import { lineOf, readJson, spanOf, writeJson } from './json_text';

const at = (text: string, path: string, root = 'config') => {
  const { from, to } = spanOf(readJson(text), path, root);
  return text.slice(from, to);
};

test('what JSON.parse takes is read alike', () => {
  for (const text of ['{}', '[]', ' null ', '"a\\u00e9\\n\\"b"', '-1.5e3', '{"a":[1,{"b":true}],"c":"","__proto__":1}', writeJson({ deep: [[[{ x: 0 }]]] })]) {
    const read = readJson(text);
    expect(read.error).toBeNull();
    expect(JSON.stringify(read.value)).toBe(JSON.stringify(JSON.parse(text)));
  }
});

test('what is no JSON is told with its place', () => {
  const faults: [string, number, RegExp][] = [
    ['', 0, /ends too early/],
    ['{"a": }', 6, /value is expected/],
    ['{"a": 1,}', 8, /name of a member/],
    ['{"a" 1}', 5, /: is expected/],
    ['{"a": 1 "b": 2}', 8, /, or }/],
    ['[1, 2', 5, /, or ]/],
    ['{} x', 3, /ends before/],
    ['{"a": "b\n"}', 6, /no end/],
    ['{"a": 01}', 7, /, or }/],
    ['{"a": 1, "a": 2}', 9, /twice/],
    ['['.repeat(300), 201, /deeply/],
  ];
  for (const [text, place, message] of faults) {
    const { error, value } = readJson(text);
    expect(error?.message).toMatch(message);
    expect([text.slice(0, 20), error?.at, value]).toEqual([text.slice(0, 20), place, undefined]);
  }
});

test('a path of the server is found in the text, or what is nearest around it', () => {
  const text = '{"targets": [{"provider": "a", "retry": {"attempts": 99}}], "strategy": {"conditions": [{"query": {"metadata.plan": {"$regex": "("}}}]}}';
  expect(at(text, 'config.targets[0].retry.attempts')).toBe('99');
  expect(at(text, 'config.targets[0].retry.base_ms')).toBe('{"attempts": 99}');
  expect(at(text, 'config.targets[7].name')).toBe('[{"provider": "a", "retry": {"attempts": 99}}]');
  expect(at(text, 'config.strategy.conditions[0].query.metadata.plan.$regex')).toBe('"("');
  expect(at(text, 'config')).toBe(text);
  expect(at(text, 'config.target')).toBe(text);
  expect(at('{"messages": ["x"]}', 'messages[0]', '')).toBe('"x"');
  expect(lineOf('a\nb\nc', 0)).toBe(1);
  expect(lineOf('a\nb\nc', 4)).toBe(3);
});
