import { Button, Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { permissionsQuery, useMay } from '../../app/permissions';
import type { Column } from '../../ui/data_table';
import { useDialogs } from '../../ui/dialog_search';
import { PlusIcon, ShieldIcon } from '../../ui/icons';
import { RowList, useRow, useRows } from '../../ui/list_page';
import { ErrorNotice } from '../../ui/notices';
import { Page, Section } from '../../ui/page';
import { RemoveDialog } from '../../ui/remove_dialog';
import { RowActions } from '../../ui/row_actions';
import ui from '../../ui/ui.module.css';
import { Muted, Tags } from '../../ui/values';
import { RoleDialog } from './form';
import { Matrix } from './matrix';
import { roles } from './queries';
import type { Role } from './schema';
import { texts } from './texts';

interface Actions {
  onChange: (role: Role) => void;
  onRemove: (role: Role) => void;
}

function columnsFor(actions: Actions | null): Column<Role>[] {
  return [
    {
      id: 'name',
      header: texts.columns.name,
      cell: ({ name, description }) => (
        <span className={ui.stacked}>
          <span>{name}</span>
          {description && <Muted>{description}</Muted>}
        </span>
      ),
      sortBy: ({ name }) => name.toLowerCase(),
      main: true,
    },
    { id: 'scope', header: texts.columns.scope, cell: ({ scope }) => texts.scopes[scope] ?? scope },
    { id: 'permissions', header: texts.columns.permissions, cell: ({ permissions }) => <Tags values={permissions} most={5} /> },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (role) =>
        actions &&
        role.owned_by !== 'file' && (
          <RowActions
            actions={[
              { text: texts.change.action, label: texts.change.label(role.name), onClick: () => actions.onChange(role) },
              { text: texts.remove.action, label: texts.remove.label(role.name), onClick: () => actions.onRemove(role), bad: true },
            ]}
          />
        ),
    },
  ];
}

export function RolesPage() {
  const [search, show] = useDialogs<'edit'>();
  const list = useRows<Role>(roles.listQuery());
  const changed = useRow(list.rows, search.edit, roles.oneQuery);
  const [doomed, setDoomed] = useState<Role | null>(null);
  const remove = roles.useRemove();
  const { data: table, error, refetch } = useQuery(permissionsQuery);
  const mine = useMay()('role.write', null);
  const columns = useMemo(() => columnsFor(mine ? { onChange: ({ id }) => show({ edit: id }), onRemove: setDoomed } : null), [mine, show]);
  const close = () => show({});
  const button = mine && (
    <Button leftSection={<PlusIcon size={16} />} onClick={() => show({ new: true })}>
      {texts.create}
    </Button>
  );
  return (
    <Page title={texts.title} lead={texts.lead} actions={button}>
      <Section title={texts.own}>
        <RowList list={list} label={texts.own} columns={columns} empty={{ icon: ShieldIcon, ...texts.empty }} action={button} />
      </Section>
      <Section title={texts.matrix}>
        {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
        {table ? <Matrix table={table} own={list.rows ?? []} /> : !error && <Skeleton height={320} />}
      </Section>
      {search.new && mine && <RoleDialog row={null} onClose={close} />}
      {changed && <RoleDialog key={changed.id} row={changed} onClose={close} />}
      <RemoveDialog doomed={doomed} remove={remove} texts={texts.remove} onClose={() => setDoomed(null)} />
    </Page>
  );
}
