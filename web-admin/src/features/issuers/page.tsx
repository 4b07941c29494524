import { useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import { useSession } from '../../app/session';
import { useDialogs } from '../../ui/dialog_search';
import { DoorIcon } from '../../ui/icons';
import { ListPage, useRow, useRows } from '../../ui/list_page';
import { ErrorNotice, Notice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { RemoveDialog } from '../../ui/remove_dialog';
import { DryRunDialog } from './dry_run';
import { IssuerDialog } from './form';
import { issuers, useTestIssuer } from './queries';
import type { Issuer } from './schema';
import { columnsFor } from './table';
import { texts } from './texts';

export function IssuersPage() {
  const [search, show] = useDialogs<'edit' | 'try'>();
  const list = useRows<Issuer>(issuers.listQuery());
  const changed = useRow(list.rows, search.edit, issuers.oneQuery);
  const tried = useRow(list.rows, search.try, issuers.oneQuery);
  const [doomed, setDoomed] = useState<Issuer | null>(null);
  const remove = issuers.useRemove();
  const test = useTestIssuer();
  const { mutate } = test;
  const may = useMay();
  const mine = may('issuer.write', null);
  const platform = useSession()?.platform_admin ?? false;
  const columns = useMemo(
    () =>
      columnsFor(may, platform, {
        onTest: ({ id }) => mutate(id, { onSuccess: ({ ok, keys }) => ok && notifyDone(texts.test.ok(keys)) }),
        onTry: ({ id }) => show({ try: id }),
        onChange: ({ id }) => show({ edit: id }),
        onRemove: setDoomed,
      }),
    [may, platform, mutate, show],
  );
  const close = () => show({});
  return (
    <ListPage title={texts.title} lead={texts.lead} list={list} columns={columns} empty={{ icon: DoorIcon, ...texts.empty }} create={mine ? { label: texts.create, onClick: () => show({ new: true }) } : null}>
      {test.error && <ErrorNotice error={test.error} />}
      {test.data && !test.data.ok && (
        <Notice tone="bad" title={texts.test.bad} alert>
          <p>{test.data.error}</p>
        </Notice>
      )}
      {search.new && mine && <IssuerDialog row={null} onClose={close} />}
      {changed && <IssuerDialog key={changed.id} row={changed} onClose={close} />}
      {tried && <DryRunDialog key={tried.id} issuer={tried} onClose={close} />}
      <RemoveDialog doomed={doomed} remove={remove} texts={texts.remove} onClose={() => setDoomed(null)} />
    </ListPage>
  );
}
