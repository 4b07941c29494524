import { useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import type { Column } from '../../ui/data_table';
import { useDialogs } from '../../ui/dialog_search';
import { PercentIcon } from '../../ui/icons';
import { ListPage, useRow, useRows } from '../../ui/list_page';
import { RemoveDialog } from '../../ui/remove_dialog';
import { RowActions } from '../../ui/row_actions';
import ui from '../../ui/ui.module.css';
import { Muted, Tags } from '../../ui/values';
import { PriceGroupDialog } from './form';
import { priceGroups } from './queries';
import { percentText, type PriceGroup } from './schema';
import { texts } from './texts';

interface Actions {
  onChange: (group: PriceGroup) => void;
  onRemove: (group: PriceGroup) => void;
}

function columnsFor(actions: Actions | null): Column<PriceGroup>[] {
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
    { id: 'ratio', header: texts.columns.ratio, cell: ({ ratio }) => <span>{`× ${ratio}`} <Muted>{percentText(ratio)}</Muted></span>, sortBy: ({ ratio }) => Number(ratio) },
    { id: 'overrides', header: texts.columns.overrides, cell: ({ overrides }) => (overrides.length > 0 ? <Tags values={overrides.map(({ provider, model, ratio }) => texts.override(provider, model, ratio))} /> : <Muted>–</Muted>) },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (group) =>
        actions &&
        group.owned_by !== 'file' && (
          <RowActions
            actions={[
              { text: texts.change.action, label: texts.change.label(group.name), onClick: () => actions.onChange(group) },
              { text: texts.remove.action, label: texts.remove.label(group.name), onClick: () => actions.onRemove(group), bad: true },
            ]}
          />
        ),
    },
  ];
}

export function PriceGroupsPage() {
  const [search, show] = useDialogs<'edit'>();
  const list = useRows<PriceGroup>(priceGroups.listQuery());
  const changed = useRow(list.rows, search.edit, priceGroups.oneQuery);
  const [doomed, setDoomed] = useState<PriceGroup | null>(null);
  const remove = priceGroups.useRemove();
  const mine = useMay()('price.write', null);
  const columns = useMemo(() => columnsFor(mine ? { onChange: ({ id }) => show({ edit: id }), onRemove: setDoomed } : null), [mine, show]);
  const close = () => show({});
  return (
    <ListPage title={texts.title} lead={texts.lead} list={list} columns={columns} empty={{ icon: PercentIcon, ...texts.empty }} create={mine ? { label: texts.create, onClick: () => show({ new: true }) } : null}>
      {search.new && mine && <PriceGroupDialog row={null} onClose={close} />}
      {changed && <PriceGroupDialog key={changed.id} row={changed} onClose={close} />}
      <RemoveDialog doomed={doomed} remove={remove} texts={texts.remove} onClose={() => setDoomed(null)} />
    </ListPage>
  );
}
