/* Everything around the router. */
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider, type QueryClient } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useState } from 'react';
import { caller } from '../api/client';
import { styleNonce } from './page_settings';
import { makeRouter } from './router';
import { dropSession } from './session';
import { cssVariables, theme } from './theme';

export function App({ queryClient }: { queryClient: QueryClient }) {
  const [router] = useState(() => {
    const made = makeRouter(queryClient);
    caller.onSignedOut = () => {
      dropSession(queryClient);
      void made.invalidate();
    };
    return made;
  });
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" cssVariablesResolver={cssVariables} getStyleNonce={styleNonce}>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
        <Notifications position="bottom-right" />
      </QueryClientProvider>
    </MantineProvider>
  );
}
