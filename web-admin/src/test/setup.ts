/* What jsdom lacks and Mantine asks for. */
import { cleanup, configure } from '@testing-library/react';
import { notifications } from '@mantine/notifications';
import { afterEach, vi } from 'vitest';

vi.mock('../ui/code_mirror', () => import('./code_mirror'));

window.matchMedia = (query: string) =>
  ({ matches: false, media: query, onchange: null, addEventListener: () => {}, removeEventListener: () => {}, addListener: () => {}, removeListener: () => {}, dispatchEvent: () => false }) as MediaQueryList;

class NoResizeObserver {
  observe() {}
  unobserve() {}
  disconnect() {}
}
window.ResizeObserver = NoResizeObserver;
window.scrollTo = () => {};
Object.defineProperty(document, 'fonts', { value: new EventTarget() });
Element.prototype.scrollIntoView = () => {};

afterEach(() => {
  notifications.clean();
  cleanup();
  vi.unstubAllGlobals();
  localStorage.clear();
});

// Conditions are waited for; a busy machine may take its time.
configure({ asyncUtilTimeout: 10_000 });
