// Every route of the admin API with the permission that it needs, and every endpoint of the data plane. tests/e2e/isolation.test.mjs walks them
// all; a route that is served and not listed fails it. Behind the permission: "own" (about the caller alone), "reads" (a POST that changes
// nothing), "alone" (not by several at once), "needs=x" (signed in is enough to
// ask, and x to be answered about others).
const TEXT = `
GET /openapi.json public
GET /schemas/routing-config public
POST /session public own
GET /session signed_in own
DELETE /session signed_in own
GET /session/providers public own
GET /session/oidc/{id}/start public own
GET /session/oidc/callback public own
GET /sessions signed_in needs=session.read
DELETE /sessions/{id} signed_in alone needs=session.revoke
POST /session/password signed_in own
GET /organizations organization.read
POST /organizations organization.manage
GET /organizations/{id} organization.read
PATCH /organizations/{id} organization.write
DELETE /organizations/{id} organization.manage
GET /workspaces workspace.read
POST /workspaces workspace.manage
GET /workspaces/{id} workspace.read
PATCH /workspaces/{id} workspace.write
DELETE /workspaces/{id} workspace.manage
GET /users user.read
POST /users user.write
GET /users/{id} user.read
PATCH /users/{id} user.write
DELETE /users/{id} user.write
GET /memberships member.read
POST /memberships member.write
GET /memberships/{id} member.read
PATCH /memberships/{id} member.write
DELETE /memberships/{id} member.write
GET /roles role.read
POST /roles role.write
GET /roles/{id} role.read
PATCH /roles/{id} role.write
DELETE /roles/{id} role.write
GET /permissions signed_in
GET /teams team.read
POST /teams team.write
GET /teams/{id} team.read
PATCH /teams/{id} team.write
DELETE /teams/{id} team.write
GET /teams/{id}/members team.read
GET /teams/{id}/members/{user_id} team.read
PUT /teams/{id}/members/{user_id} team.write
DELETE /teams/{id}/members/{user_id} team.write alone
GET /service-accounts service_account.read
POST /service-accounts service_account.write
GET /service-accounts/{id} service_account.read
PATCH /service-accounts/{id} service_account.write
DELETE /service-accounts/{id} service_account.write
GET /keys key.read
POST /keys key.write
POST /keys/bulk key.write
POST /keys/check key.read reads
GET /keys/{id} key.read
PATCH /keys/{id} key.write
DELETE /keys/{id} key.write
POST /keys/{id}/revoke key.write
POST /keys/{id}/rotate key.write
POST /keys/{id}/block key.write
POST /keys/{id}/unblock key.write
GET /budgets budget.read
POST /budgets budget.write
GET /budgets/{id} budget.read
PATCH /budgets/{id} budget.write
DELETE /budgets/{id} budget.write
POST /budgets/{id}/increase budget.write
GET /budgets/{id}/accounts budget.read
GET /limits/{id}/accounts limit.read
GET /ledger/leases budget.read
POST /ledger/leases/write-off budget.write_off
GET /alerts alert.read
GET /limits limit.read
POST /limits limit.write
GET /limits/{id} limit.read
PATCH /limits/{id} limit.write
DELETE /limits/{id} limit.write
GET /providers provider.read
POST /providers provider.write
GET /providers/{id} provider.read
PATCH /providers/{id} provider.write
DELETE /providers/{id} provider.write
GET /provider-kinds signed_in
POST /providers/{id}/test provider.test reads alone
GET /models model.read
POST /models model.write
GET /models/{id} model.read
PATCH /models/{id} model.write
DELETE /models/{id} model.write
POST /explain routing.explain reads alone
GET /targets provider.read alone
POST /cache/purge cache.purge alone
GET /configs config.read
POST /configs config.write
POST /configs/validate config.read reads
GET /configs/{id} config.read
PATCH /configs/{id} config.write
DELETE /configs/{id} config.write
GET /configs/{id}/versions config.read
POST /configs/{id}/versions config.write
GET /configs/{id}/versions/{number} config.read
POST /configs/{id}/publish config.publish
PUT /configs/{id}/labels/{label} config.publish
DELETE /configs/{id}/labels/{label} config.publish
GET /prompts prompt.read
POST /prompts prompt.write
POST /prompts/validate prompt.read reads
GET /prompts/{id} prompt.read
PATCH /prompts/{id} prompt.write
DELETE /prompts/{id} prompt.write
GET /prompts/{id}/versions prompt.read
POST /prompts/{id}/versions prompt.write
GET /prompts/{id}/versions/{number} prompt.read
POST /prompts/{id}/publish prompt.publish
PUT /prompts/{id}/labels/{label} prompt.publish
DELETE /prompts/{id}/labels/{label} prompt.publish
GET /price-books price.read
POST /price-books price.write
POST /price-books/validate price.read reads
GET /price-books/{id} price.read
PATCH /price-books/{id} price.write
DELETE /price-books/{id} price.write
GET /price-books/{id}/versions price.read
POST /price-books/{id}/versions price.write
GET /price-books/{id}/versions/{number} price.read
POST /price-books/{id}/publish price.publish
PUT /price-books/{id}/labels/{label} price.publish
DELETE /price-books/{id}/labels/{label} price.publish
GET /price-groups price.read
POST /price-groups price.write
GET /price-groups/{id} price.read
PATCH /price-groups/{id} price.write
DELETE /price-groups/{id} price.write
GET /prices/effective price.read
GET /statements statement.read
GET /catalogue model.read
GET /catalogue/providers model.read
POST /catalogue/update catalogue.manage
GET /catalogue/{id} model.read
GET /catalogue-overrides model.read
POST /catalogue-overrides catalogue.write
GET /catalogue-overrides/{id} model.read
PATCH /catalogue-overrides/{id} catalogue.write
DELETE /catalogue-overrides/{id} catalogue.write
GET /data-plane-groups data_plane.write
POST /data-plane-groups data_plane.write
GET /data-plane-groups/{id} data_plane.write
PATCH /data-plane-groups/{id} data_plane.write
DELETE /data-plane-groups/{id} data_plane.write
GET /data-planes data_plane.read
GET /data-planes/{id} data_plane.read
POST /data-planes/{id}/revoke data_plane.write
GET /enrolment-tokens data_plane.write
POST /enrolment-tokens data_plane.write
GET /admin-tokens token.read
POST /admin-tokens token.write
GET /admin-tokens/{id} token.read
PATCH /admin-tokens/{id} token.write
DELETE /admin-tokens/{id} token.write
POST /admin-tokens/{id}/revoke token.write
GET /issuers issuer.read
POST /issuers issuer.write
GET /issuers/{id} issuer.read
PATCH /issuers/{id} issuer.write
DELETE /issuers/{id} issuer.write
POST /issuers/{id}/test issuer.write reads
POST /issuers/{id}/dry-run issuer.read reads
GET /events usage.read
GET /events/{id} usage.read
GET /usage/summary usage.read
GET /audit audit.read
GET /audit/export audit.read
GET /audit/heads audit.read
GET /secret-references secret.read
GET /status status.read
POST /apply config.apply
GET /export config.export
`;

export const ROUTES = TEXT.trim().split('\n').filter(Boolean).map((line) => {
  const [method, path, permission, ...words] = line.trim().split(/\s+/);
  return { method, path, permission, own: words.includes('own'), reads: words.includes('reads'), alone: words.includes('alone'), needs: words.find((w) => w.startsWith('needs='))?.slice(6) };
});

const said = [{ role: 'user', content: 'Hi' }];
const parts = { parts: [{ text: 'Hi' }] }, contents = { contents: [{ role: 'user', ...parts }] };
const claude = { max_tokens: 5, messages: said }, converse = { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] };
const gemini = (verb, body) => (m) => [`/v1beta/models/${m}:${verb}`, typeof body === 'function' ? body(m) : body];
const vertex = (verb, body) => (m) => [`/v1/projects/p/locations/l/publishers/${m.replace(/model$/, 'provider')}/models/gpt-4o:${verb}`, body];
const bedrock = (verb, body) => (m) => [`/model/${m}/${verb}`, body];

// What dataplane/stages/faces.c has in its tables: how a model is named there. name → [path, body].
export const FACES = {
  '/chat/completions': (m) => ['/v1/chat/completions', { model: m, messages: said }],
  '/responses': (m) => ['/v1/responses', { model: m, input: 'Hi' }],
  '/embeddings': (m) => ['/v1/embeddings', { model: m, input: 'Hi' }],
  '/rerank': (m) => ['/v1/rerank', { model: m, query: 'Hi', documents: ['a', 'b'] }],
  '/v1/messages': (m) => ['/v1/messages', { model: m, ...claude }],
  '/v1/messages/count_tokens': (m) => ['/v1/messages/count_tokens', { model: m, messages: said }],
  '/v2/rerank': (m) => ['/v2/rerank', { model: m, query: 'Hi', documents: ['a', 'b'] }],
  '/v2/embed': (m) => ['/v2/embed', { model: m, texts: ['Hi'], input_type: 'search_query' }],
  generateContent: gemini('generateContent', contents),
  streamGenerateContent: gemini('streamGenerateContent', contents),
  countTokens: gemini('countTokens', contents),
  embedContent: gemini('embedContent', { content: parts }),
  batchEmbedContents: gemini('batchEmbedContents', (m) => ({ requests: [{ model: `models/${m}`, content: parts }] })),
  rawPredict: vertex('rawPredict', { anthropic_version: 'vertex-2023-10-16', ...claude }),
  streamRawPredict: vertex('streamRawPredict', { anthropic_version: 'vertex-2023-10-16', stream: true, ...claude }),
  predict: vertex('predict', { instances: [{ content: 'Hi' }] }),
  converse: bedrock('converse', converse),
  'converse-stream': bedrock('converse-stream', converse),
  invoke: bedrock('invoke', { anthropic_version: 'bedrock-2023-05-31', ...claude }),
  'invoke-with-response-stream': bedrock('invoke-with-response-stream', { anthropic_version: 'bedrock-2023-05-31', ...claude }),
  'count-tokens': bedrock('count-tokens', { input: { converse } }),
};

// Other ways to name what is somebody's; w has names and ids: model, provider, config, configId, promptId. w → [method, path, body, headers].
const chat = (model, headers) => ['POST', '/v1/chat/completions', { model, messages: said }, headers];
export const NAMINGS = {
  'a provider before the model': (w) => chat(`${w.provider}/gpt-4o`),
  'a provider after an @': (w) => chat(`@${w.provider}/gpt-4o`),
  'a provider in a header': (w) => chat('gpt-4o', { 'x-weir-provider': w.provider }),
  'a provider\'s own path': (w) => ['POST', `/${w.provider}/v1/chat/completions`, { model: 'gpt-4o', messages: said }],
  'a file of a provider\'s own path': (w) => ['GET', `/${w.provider}/v1/files`],
  'a deployment of Azure': (w) => ['POST', `/openai/deployments/${w.model}/chat/completions?api-version=2024-10-21`, { messages: said }],
  'a config by its id': (w) => chat('gpt-4o', { 'x-weir-config': w.configId }),
  'a config by its name': (w) => chat('gpt-4o', { 'x-weir-config': w.config }),
  'a config as Portkey does': (w) => chat('gpt-4o', { 'x-portkey-config': w.configId }),
  'a provider as Portkey does': (w) => chat('gpt-4o', { 'x-portkey-virtual-key': w.provider }),
  'a provider as Portkey does now': (w) => chat('gpt-4o', { 'x-portkey-provider': `@${w.provider}` }),
  'an inline config that names a provider': (w) => chat('gpt-4o', { 'x-weir-config': JSON.stringify({ targets: [{ provider: w.provider, model: 'gpt-4o' }] }) }),
  'a prompt to complete': (w) => ['POST', `/v1/prompts/${w.promptId}/completions`, { variables: {} }],
  'a prompt to render': (w) => ['POST', `/v1/prompts/${w.promptId}/render`, { variables: {} }],
  'a prompt by its name': (w) => ['POST', `/v1/prompts/${w.prompt}/render`, { variables: {} }],
  'one model of the list': (w) => ['GET', `/v1/models/${w.model}`],
  'one model of Gemini\'s list': (w) => ['GET', `/v1beta/models/${w.model}`],
  'what is cached': (w) => chat(w.model, { 'x-weir-cache': 'on' }),
};
// Lists of what is the caller's.
export const LISTS = ['/v1/models', '/v1beta/models', '/v1/usage'];
