/* Builds the web admin so that it runs under any base path: every address in it is relative to <base href>, which
 * weir-control writes into index.html when it serves the page. */
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/* What weir-control does when it serves index.html, for `npm run dev`. */
function servePlaceholders(): Plugin {
  return {
    name: 'weir-placeholders',
    apply: 'serve',
    transformIndexHtml: (html) => html.replaceAll('__WEIR_BASE__', '/').replaceAll('__WEIR_NONCE__', ''),
  };
}

export default defineConfig({
  base: './',
  plugins: [react(), servePlaceholders()],
  build: {
    target: 'es2022',
    assetsDir: 'assets',
    assetsInlineLimit: (file) => file.endsWith('.svg'),
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: process.env.WEIR_CONTROL_URL ?? 'http://127.0.0.1:8080' } },
  },
  test: {
    environment: 'jsdom',
    setupFiles: ['src/test/setup.ts'],
    css: false,
    testTimeout: 20_000, // typing in jsdom is slow on a busy machine
  },
});
