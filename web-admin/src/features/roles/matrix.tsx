/* Who may do what: a row for each permission, a column for each role. */
import type { Permissions } from '../../app/permissions';
import { CheckIcon } from '../../ui/icons';
import ui from '../../ui/ui.module.css';
import { Muted } from '../../ui/values';
import classes from './roles.module.css';
import { groupsOf, type Role } from './schema';
import { texts } from './texts';

interface ColumnOf {
  key: string;
  label: string;
  title: string;
  holds: (permission: Permissions['permissions'][number]) => boolean;
}

export function Matrix({ table, own }: { table: Permissions; own: Role[] }) {
  const columns: ColumnOf[] = [
    ...table.roles.map(({ key, name, scope, text }) => ({ key, label: texts.column(name, scope), title: text, holds: ({ roles }: { roles: string[] }) => roles.includes(key) })),
    ...own.map(({ id, name, scope, description, permissions }) => ({ key: id, label: texts.column(name, scope), title: description, holds: (permission: { name: string }) => permissions.includes(permission.name) })),
  ];
  return (
    <div className={classes.matrix}>
      <table aria-label={texts.matrix}>
        <thead>
          <tr>
            <th scope="col">{texts.columns.permission}</th>
            {columns.map(({ key, label, title }) => (
              <th key={key} scope="col" title={title}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        {groupsOf(table.permissions).map((group) => (
          <tbody key={group.name}>
            <tr data-group>
              <th scope="rowgroup" colSpan={columns.length + 1}>
                {texts.resource(group.name)}
              </th>
            </tr>
            {group.permissions.map((permission) => (
              <tr key={permission.name}>
                <th scope="row">
                  {permission.name}
                  <small>{permission.text}</small>
                </th>
                {columns.map(({ key, holds }) => (
                  <td key={key}>{holds(permission) ? <><CheckIcon size={15} /><span className={ui.readOut}>{texts.yes}</span></> : <Muted title={texts.no}>·</Muted>}</td>
                ))}
              </tr>
            ))}
          </tbody>
        ))}
      </table>
    </div>
  );
}
