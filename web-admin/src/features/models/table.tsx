import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { DataTable, type Column } from '../../ui/data_table';
import { Day } from '../../ui/time_text';
import { Mono, Tags } from '../../ui/values';
import type { Model } from './schema';
import { texts } from './texts';

function columnsFor(onRemove: (model: Model) => void): Column<Model>[] {
  return [
    { id: 'name', header: texts.columns.name, cell: (model) => <Mono>{model.name}</Mono>, sortBy: (model) => model.name.toLowerCase(), main: true },
    { id: 'targets', header: texts.columns.targets, cell: (model) => model.config ? <span>{texts.byConfig} <Mono>{model.config}</Mono></span> : <Tags values={model.targets.map((target) => `${target.provider}/${target.model}`)} /> },
    { id: 'created', header: texts.columns.created, cell: (model) => <Day at={model.created_at} />, sortBy: (model) => model.created_at.getTime() },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (model) => (
        <Button size="compact-xs" variant="subtle" color="var(--weir-bad)" aria-label={texts.remove.label(model.name)} onClick={() => onRemove(model)}>
          {texts.remove.action}
        </Button>
      ),
    },
  ];
}

export function ModelsTable({ models, onRemove }: { models: Model[] | undefined; onRemove: (model: Model) => void }) {
  const columns = useMemo(() => columnsFor(onRemove), [onRemove]);
  return <DataTable label={texts.title} columns={columns} rows={models} rowId={(model) => model.id} />;
}
