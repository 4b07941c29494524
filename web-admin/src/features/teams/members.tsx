/* Who is in a team: added from those who hold a role, taken out. */
import { Button, Drawer, Group, NativeSelect, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import type { Column } from '../../ui/data_table';
import { TeamIcon } from '../../ui/icons';
import { RowList, useRows } from '../../ui/list_page';
import { ErrorNotice } from '../../ui/notices';
import { RowActions } from '../../ui/row_actions';
import { Day } from '../../ui/time_text';
import { Muted } from '../../ui/values';
import { membersQuery } from '../members/queries';
import { teamMembersQuery, useTeamMember } from './queries';
import type { Team, TeamMember } from './schema';
import { texts } from './texts';

function columnsFor(remove: ((member: TeamMember) => void) | null): Column<TeamMember>[] {
  return [
    { id: 'person', header: texts.members.columns.person, cell: ({ email, user_name }) => <span>{user_name || email} {user_name && <Muted>{email}</Muted>}</span>, sortBy: ({ email }) => email, main: true },
    { id: 'since', header: texts.members.columns.since, cell: ({ created_at }) => <Day at={created_at} /> },
    {
      id: 'actions',
      header: texts.members.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (member) => (remove ? <RowActions actions={[{ text: texts.members.remove, label: texts.members.removeLabel(member.email), onClick: () => remove(member), bad: true }]} /> : <Muted>{texts.members.source(member.owned_by)}</Muted>),
    },
  ];
}

function AddMember({ members, busy, onAdd }: { members: TeamMember[]; busy: boolean; onAdd: (user: string) => void }) {
  const { data: people = [] } = useQuery(membersQuery);
  const [chosen, setChosen] = useState('');
  const others = [...new Map(people.map(({ user_id, email }) => [user_id, email])).entries()].filter(([id]) => !members.some((member) => member.user_id === id));
  return (
    <Group align="flex-end" gap="xs">
      <NativeSelect label={texts.members.person} description={texts.members.others} value={chosen} onChange={(event) => setChosen(event.currentTarget.value)} data={[{ value: '', label: texts.members.choose }, ...others.map(([value, label]) => ({ value, label }))]} />
      <Button
        disabled={chosen === ''}
        loading={busy}
        onClick={() => {
          onAdd(chosen);
          setChosen('');
        }}
      >
        {texts.members.add}
      </Button>
    </Group>
  );
}

export function MembersDrawer({ team, onClose }: { team: Team; onClose: () => void }) {
  const may = useMay();
  const list = useRows<TeamMember>(teamMembersQuery(team.id));
  const change = useTeamMember(team.id);
  const { mutate } = change;
  const mayChange = may('team.write', team.workspace_id);
  const columns = useMemo(() => columnsFor(mayChange ? (member) => mutate({ user: member.user_id, joins: false }) : null), [mayChange, mutate]);
  return (
    <Drawer opened onClose={onClose} title={texts.members.title(team.name)}>
      <Stack gap="md">
        {mayChange && may('member.read') && <AddMember members={list.rows ?? []} busy={change.isPending} onAdd={(user) => mutate({ user, joins: true })} />}
        {change.error && <ErrorNotice error={change.error} />}
        {list.rows?.length === 0 ? (
          <Text size="sm" c="dimmed">
            {texts.members.none}
          </Text>
        ) : (
          <RowList list={list} label={texts.members.title(team.name)} columns={columns} rowId={(member) => member.user_id} empty={{ icon: TeamIcon, title: '', text: '' }} />
        )}
      </Stack>
    </Drawer>
  );
}
