/* A reference to a routing config: its name, or one of its versions or labels. What there is is offered; an id is taken too. */
import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useId, type ComponentProps } from 'react';
import { useMay } from '../../app/permissions';
import { referencesQuery } from './queries';
import { texts } from './texts';

export function ReferenceField(props: ComponentProps<typeof TextInput>) {
  const id = useId();
  const may = useMay();
  const { data = [] } = useQuery({ ...referencesQuery, enabled: may('config.read') });
  return (
    <>
      <TextInput label={texts.reference.label} description={texts.reference.help} placeholder={texts.reference.placeholder} maxLength={200} autoComplete="off" list={id} {...props} />
      <datalist id={id}>
        {data.map((reference) => (
          <option key={reference} value={reference} />
        ))}
      </datalist>
    </>
  );
}
