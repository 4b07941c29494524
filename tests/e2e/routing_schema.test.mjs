// The JSON Schema of routing configs gives the same verdicts as the compiler: both read one table of documents
// (the unit test test_route_config_documents.c compiles them).
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv2020 as Ajv } from 'ajv/dist/2020.js';

const read = (path) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
const schema = read('docs/schema/routing-config.schema.json');
const options = { strict: true, allowUnionTypes: true, strictRequired: false, strictTypes: false };
const documents = read('tests/unit/common/rules/route_documents.json');

test('the schema of routing configs is a valid JSON Schema 2020-12', () => {
  const ajv = new Ajv(options);
  assert.equal(ajv.validateSchema(schema), true, JSON.stringify(ajv.errors));
});

test('the schema accepts what the compiler accepts and refuses what it refuses', () => {
  const validate = new Ajv(options).compile(schema);
  const checked = documents.filter((d) => !d.schema_cannot);
  const wrong = checked.filter(({ document, ok }) => validate(document) !== ok)
    .map(({ name, document }) => `${name}: ${validate(document)} ${JSON.stringify(validate.errors?.slice(0, 3))}`);
  assert.deepEqual(wrong, []);
  assert.ok(checked.filter((d) => d.ok).length > 50 && checked.filter((d) => !d.ok).length > 50);
});

test('what the schema cannot say is marked so, and is fine by the schema', () => {
  const validate = new Ajv(options).compile(schema);
  const marked = documents.filter((d) => d.schema_cannot);
  assert.ok(marked.length > 5);
  for (const { name, document, ok } of marked) {
    assert.equal(ok, false, name);
    assert.equal(validate(document), true, name);
  }
});

test('every part of the schema is described, and every member of a node is in the table', () => {
  const used = JSON.stringify(documents);
  for (const [name, part] of Object.entries(schema.$defs.node.properties)) {
    const described = part.description ?? schema.$defs[part.$ref?.split('/').pop()]?.description ?? schema.$defs.node.description;
    assert.ok(described, name);
  }
  for (const name of ['strategy', 'targets', 'retry', 'cache', 'circuit_breaker', 'override_params', 'default_params', 'drop_params',
    'forward_headers', 'custom_host', 'request_timeout', 'passthrough', 'strict_open_ai_compliance', 'deployments']) {
    assert.ok(used.includes(`"${name}"`), name);
  }
});
