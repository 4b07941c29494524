/* A link to a file that the API makes: opened by the browser itself, with the organization in the address. */
import { Button } from '@mantine/core';
import { apiRoot, caller } from '../api/client';

export function DownloadLink({ path, query, file, children }: { path: string; query: Record<string, string | undefined>; file: string; children: string }) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) search.set(name, value);
  if (caller.organization) search.set('organization', caller.organization);
  return (
    <Button component="a" variant="default" href={`${apiRoot}${path}?${search}`} download={file}>
      {children}
    </Button>
  );
}
