import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/app';
import { styleNonce } from './app/page_settings';
import { makeQueryClient } from './app/query_client';
import './app/styles.css';

/* For the style element that locks scrolling behind a dialog; Mantine's own get theirs from its provider. */
setNonce(styleNonce());

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App queryClient={makeQueryClient()} />
  </StrictMode>,
);
