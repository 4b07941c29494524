import { nullable, number, object, optional, page, text, time, type Parsed } from '../../api/parse';

export const parseTeam = object({
  id: text,
  workspace_id: nullable(text),
  name: text,
  price_group: optional(text, ''),
  external_id: optional(text, ''),
  owned_by: optional(text, 'api'),
  revision: optional(number, 0),
  created_at: time,
});

export const parseTeamMember = object({ user_id: text, email: optional(text, ''), user_name: optional(text, ''), owned_by: optional(text, 'api'), created_at: time });
export const parseTeamMembers = page(parseTeamMember);

export type Team = Parsed<typeof parseTeam>;
export type TeamMember = Parsed<typeof parseTeamMember>;
