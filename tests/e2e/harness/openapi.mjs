// docs/openapi.json held against a running control plane: every answer that a test gets is looked at as it comes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 as Ajv } from 'ajv/dist/2020.js';
import { root } from './process.mjs';

const api = JSON.parse(readFileSync(join(root, 'docs/openapi.json'), 'utf8'));
const ajv = new Ajv({ strict: false, validateFormats: false });
ajv.addSchema(api, 'api');
const patterns = Object.keys(api.paths).map((path) => ({ path, matches: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`), literal: !path.includes('{') }))
  .sort((a, b) => Number(b.literal) - Number(a.literal));
const validators = new Map();

function validator(path, method, status) {
  const operation = api.paths[path]?.[method.toLowerCase()];
  const named = operation?.responses && [String(status), `${String(status)[0]}XX`].find((s) => operation.responses[s]);
  const at = `${method} ${path} ${named}`;
  if (!validators.has(at)) {
    let where = `api#/paths/${path.replace(/~/g, '~0').replace(/\//g, '~1').replace(/[{}]/g, encodeURIComponent)}/${method.toLowerCase()}/responses/${named}`;
    let response = operation?.responses[named];
    if (response?.$ref) {
      where = `api${response.$ref}`;
      response = response.$ref.slice(2).split('/').reduce((o, k) => o[k], api);
    }
    const schema = response?.content?.['application/json']?.schema;
    validators.set(at, { known: Boolean(named), validate: schema && ajv.compile({ $ref: `${where}/content/application~1json/schema` }) });
  }
  return validators.get(at);
}

// What is wrong with an answer; null: nothing.
function faultOf(method, path, { status, json, text }) {
  const pathname = path.split('?')[0];
  const of = (p) => api.paths[p.path][method.toLowerCase()];
  const pattern = patterns.find((p) => p.matches.test(pathname) && of(p))?.path;
  if (!pattern) return status >= 400 ? null : `${method} ${path} answers ${status} and is not described`;
  const { known, validate } = validator(pattern, method, status);
  if (!known) return `${method} ${pattern} answers ${status}, which is not described`;
  if (!validate || validate(json)) return null;
  return `${method} ${pattern} ${status}: ${ajv.errorsText(validate.errors)} in ${text.slice(0, 1000)}`;
}

// From here on each call of the control plane is checked. Returns the faults that were found, each once.
export function checkAnswers(control) {
  const faults = [], known = new Set();
  const call = control.call.bind(control);
  control.call = async (method, path, body, headers) => {
    const r = await call(method, path, body, headers);
    const fault = faultOf(method, path, r);
    const kind = fault?.split(' in ')[0].replace(/\/\d+/g, '/N');
    if (fault && !known.has(kind)) {
      known.add(kind);
      faults.push(fault);
    }
    return r;
  };
  return faults;
}
