/* Where a thing that is made belongs: places where the reader may make it. */
import { NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useMay, type Permission } from '../../app/permissions';
import { workspacesQuery } from './queries';

export interface PlaceOption {
  value: string; // a workspace's id; "": the organization
  label: string;
}

/* shared: it may belong to the organization. */
export function usePlaces(permission: Permission, shared: boolean): PlaceOption[] {
  const may = useMay();
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  return [...(shared && may(permission, null) ? [{ value: '', label: 'The organization' }] : []), ...workspaces.filter((one) => may(permission, one.id)).map((one) => ({ value: one.id, label: one.name }))];
}

export function WorkspaceField({ places, ...field }: { places: PlaceOption[]; label?: string } & Record<string, unknown>) {
  return <NativeSelect label="Belongs to" {...field} data={places} />;
}

/* Names by id. */
export function useWorkspaceNames(): Map<string, string> {
  const { data } = useQuery(workspacesQuery);
  return useMemo(() => new Map(data?.map(({ id, name }) => [id, name])), [data]);
}

/* What is chosen, or the first when the choice is no longer offered (or was made before the places were known). */
export function placeOf(places: PlaceOption[], chosen: string): string {
  return places.some((place) => place.value === chosen) ? chosen : (places[0]?.value ?? '');
}
