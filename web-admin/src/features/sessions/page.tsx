import { useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import { useSession } from '../../app/session';
import type { Column } from '../../ui/data_table';
import { ScreenIcon } from '../../ui/icons';
import { RowList, useRows } from '../../ui/list_page';
import { Page, Section } from '../../ui/page';
import { RemoveDialog } from '../../ui/remove_dialog';
import { RowActions } from '../../ui/row_actions';
import { StateMark } from '../../ui/state_mark';
import { Ago, Moment } from '../../ui/time_text';
import { Mono, Muted } from '../../ui/values';
import { sessionsQuery, useEndSession } from './queries';
import { browserOf, type SessionRow } from './schema';
import { texts } from './texts';

const nameOf = ({ name, email }: SessionRow) => name || email;

function columnsFor(onEnd: ((session: SessionRow) => void) | null): Column<SessionRow>[] {
  return [
    {
      id: 'person',
      header: texts.columns.person,
      cell: (session) => <span>{nameOf(session)} {session.issuer && <Muted>{texts.by(session.issuer)}</Muted>} {session.current && <StateMark tone="good">{texts.current}</StateMark>}</span>,
      sortBy: nameOf,
      main: true,
    },
    { id: 'browser', header: texts.columns.browser, cell: ({ user_agent }) => <span title={user_agent}>{browserOf(user_agent) || '–'}</span> },
    { id: 'address', header: texts.columns.address, cell: ({ address }) => <Mono>{address}</Mono> },
    { id: 'since', header: texts.columns.since, cell: ({ created_at }) => <Moment at={created_at} />, sortBy: ({ created_at }) => created_at.getTime() },
    { id: 'seen', header: texts.columns.seen, cell: ({ last_seen_at }) => <Ago at={last_seen_at} />, sortBy: ({ last_seen_at }) => last_seen_at.getTime() },
    { id: 'ends', header: texts.columns.ends, cell: ({ expires_at }) => <Moment at={expires_at} />, sortBy: ({ expires_at }) => expires_at.getTime() },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (session) => onEnd && !session.current && <RowActions actions={[{ text: texts.end.action, label: texts.end.label(nameOf(session)), onClick: () => onEnd(session), bad: true }]} />,
    },
  ];
}

function Others({ onEnd }: { onEnd: ((session: SessionRow) => void) | null }) {
  const me = useSession()?.user.id;
  const list = useRows<SessionRow>(sessionsQuery(true));
  const rows = useMemo(() => list.rows?.filter((session) => session.user_id !== me), [list.rows, me]);
  const columns = useMemo(() => columnsFor(onEnd), [onEnd]);
  return (
    <Section title={texts.others}>
      <RowList list={{ ...list, rows }} label={texts.others} columns={columns} empty={{ icon: ScreenIcon, ...texts.empty }} />
    </Section>
  );
}

export function SessionsPage() {
  const may = useMay();
  const list = useRows<SessionRow>(sessionsQuery(false));
  const [doomed, setDoomed] = useState<SessionRow | null>(null);
  const end = useEndSession();
  const columns = useMemo(() => columnsFor(setDoomed), []);
  return (
    <Page title={texts.title} lead={texts.lead}>
      <Section title={texts.mine}>
        <RowList list={list} label={texts.mine} columns={columns} empty={{ icon: ScreenIcon, ...texts.empty }} />
      </Section>
      {may('session.read', null) && <Others onEnd={may('session.revoke', null) ? setDoomed : null} />}
      <RemoveDialog doomed={doomed && { id: doomed.id, name: nameOf(doomed) }} remove={end} texts={texts.end} onClose={() => setDoomed(null)} />
    </Page>
  );
}
