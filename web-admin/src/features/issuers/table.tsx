import type { May } from '../../app/permissions';
import type { Column } from '../../ui/data_table';
import { RowActions } from '../../ui/row_actions';
import { StateMark } from '../../ui/state_mark';
import { Ago } from '../../ui/time_text';
import ui from '../../ui/ui.module.css';
import { Mono, Muted, Tags } from '../../ui/values';
import type { Issuer } from './schema';
import { texts } from './texts';

export interface IssuerActions {
  onTest: (issuer: Issuer) => void;
  onTry: (issuer: Issuer) => void;
  onChange: (issuer: Issuer) => void;
  onRemove: (issuer: Issuer) => void;
}

function Keys({ issuer: { fetched_at, fetch_error } }: { issuer: Issuer }) {
  if (fetch_error) return <StateMark tone="bad" title={fetch_error}>{fetch_error}</StateMark>;
  return fetched_at ? <span>{texts.fetched} <Ago at={fetched_at} /></span> : <Muted>{texts.notYet}</Muted>;
}

/* platform: the reader administers the installation, and so its issuers. */
export function columnsFor(may: May, platform: boolean, { onTest, onTry, onChange, onRemove }: IssuerActions): Column<Issuer>[] {
  return [
    {
      id: 'name',
      header: texts.columns.name,
      cell: ({ name, disabled, organization_id }) => <span>{name} {organization_id === null && <Muted>{texts.everybody}</Muted>} {disabled && <StateMark tone="idle">{texts.disabled}</StateMark>}</span>,
      sortBy: ({ name }) => name.toLowerCase(),
      main: true,
    },
    { id: 'issuer', header: texts.columns.issuer, cell: ({ issuer }) => <Mono>{issuer}</Mono> },
    { id: 'opens', header: texts.columns.opens, cell: (issuer) => <Tags values={(['login', 'admin_api', 'data_plane'] as const).filter((name) => issuer[name]).map((name) => texts.opens[name])} /> },
    { id: 'rules', header: texts.columns.rules, cell: ({ group_rules }) => (group_rules.length > 0 ? <Tags values={group_rules.map(({ group, regex }) => (regex ? `/${regex}/` : group))} /> : <Muted>–</Muted>) },
    { id: 'keys', header: texts.columns.keys, cell: (issuer) => <span className={ui.stacked}><Keys issuer={issuer} /></span> },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (issuer) => {
        const mine = may('issuer.write', null) && (issuer.organization_id !== null || platform) && issuer.owned_by !== 'file';
        return (
          <RowActions
            actions={[
              { text: texts.dryRun.action, label: texts.dryRun.label(issuer.name), onClick: () => onTry(issuer) },
              mine && { text: texts.test.action, label: texts.test.label(issuer.name), onClick: () => onTest(issuer) },
              mine && { text: texts.change.action, label: texts.change.label(issuer.name), onClick: () => onChange(issuer) },
              mine && { text: texts.remove.action, label: texts.remove.label(issuer.name), onClick: () => onRemove(issuer), bad: true },
            ]}
          />
        );
      },
    },
  ];
}
