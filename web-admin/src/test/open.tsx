/* Opens the whole web admin at an address, as a browser would. */
import { render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { App } from '../app/app';
import { makeQueryClient } from '../app/query_client';

export function open(address: string, { signedIn = true } = {}) {
  if (signedIn) localStorage.setItem('weir-signed-in', 'yes');
  window.history.pushState(null, '', address);
  const queryClient = makeQueryClient();
  const user = userEvent.setup();
  return { user, queryClient, ...render(<App queryClient={queryClient} />) };
}
