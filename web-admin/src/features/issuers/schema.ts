import { boolean, list, nullable, number, object, optional, text, time, type Parsed } from '../../api/parse';

const parseRule = object({
  group: optional(text, ''),
  regex: optional(text, ''),
  claim: nullable(text),
  organization: nullable(text),
  workspace: nullable(text),
  role: nullable(text),
  team: nullable(text),
});

const CLAIMS = { user: optional(text, ''), email: optional(text, ''), email_verified: optional(text, ''), name: optional(text, ''), groups: optional(text, ''), team: optional(text, ''), key: optional(text, ''), end_user: optional(text, '') };

export const claimNames = Object.keys(CLAIMS) as (keyof typeof CLAIMS)[];

export const parseIssuer = object({
  id: text,
  organization_id: nullable(text),
  name: text,
  issuer: text,
  client_id: optional(text, ''),
  client_secret_set: optional(boolean, false),
  scopes: optional(list(text), []),
  audiences: optional(list(text), []),
  algorithms: optional(list(text), []),
  login: optional(boolean, false),
  admin_api: optional(boolean, false),
  data_plane: optional(boolean, false),
  claims: optional(object({ ...CLAIMS, metadata: ((value: unknown) => value ?? null) as (value: unknown) => unknown }), {} as never),
  group_rules: optional(list(parseRule), []),
  email_domains: optional(list(text), []),
  key_ids: optional(list(text), []),
  leeway_s: optional(number, 60),
  jwks_uri: optional(text, ''),
  fetched_at: nullable(time),
  fetch_error: optional(text, ''),
  disabled: optional(boolean, false),
  redirect_uri: optional(text, ''),
  owned_by: optional(text, 'api'),
  revision: optional(number, 0),
});

export type Issuer = Parsed<typeof parseIssuer>;

export const parseTest = object({
  ok: boolean,
  error: nullable(text),
  keys: optional(number, 0),
  fetched_at: nullable(time),
  discovery: optional(object({ authorization_endpoint: nullable(text), token_endpoint: nullable(text), userinfo_endpoint: nullable(text), end_session_endpoint: nullable(text), jwks_uri: nullable(text) }), null as never),
});

export type Test = Parsed<typeof parseTest>;

export const parseDryRun = object({
  access: boolean,
  reason: nullable(text),
  subject: optional(text, ''),
  email: nullable(text),
  name: nullable(text),
  groups: optional(list(text), []),
  user_email: nullable(text),
  platform_admin: optional(boolean, false),
  memberships: optional(list(object({ workspace_id: nullable(text), role: nullable(text), role_id: nullable(text) })), []),
  teams: optional(list(object({ team_id: text, name: optional(text, '') })), []),
  warnings: optional(list(text), []),
});

export type DryRun = Parsed<typeof parseDryRun>;

/* A rule as the form has it; a pattern is written between slashes. */
export interface RuleDraft {
  group: string;
  workspace: string;
  role: string;
  team: string;
}

export function ruleDraftOf({ group, regex, workspace, role, team }: Issuer['group_rules'][number]): RuleDraft {
  return { group: regex ? `/${regex}/` : group, workspace: workspace ?? '', role: role ?? '', team: team ?? '' };
}

/* Members that the form does not show are kept from the rule that stood there. */
export function rulesOf(drafts: RuleDraft[], before: Issuer['group_rules'] = []) {
  return drafts.map(({ group, workspace, role, team }) => {
    const same = before.find((rule) => ruleDraftOf(rule).group === group.trim());
    const pattern = /^\/(.+)\/$/.exec(group.trim());
    return {
      ...(pattern ? { regex: pattern[1] } : { group: group.trim() }),
      ...(same?.claim && { claim: same.claim }),
      ...(same?.organization && { organization: same.organization }),
      ...(workspace.trim() && { workspace: workspace.trim() }),
      ...(role.trim() && { role: role.trim() }),
      ...(team.trim() && { team: team.trim() }),
    };
  });
}
