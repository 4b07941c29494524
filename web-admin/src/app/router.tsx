/* THE table of pages. Every view is an address: dialogs and choices stand in the search part. A page's code is fetched
 * when somebody is about to go there. */
import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect, type ErrorComponentProps } from '@tanstack/react-router';
import { SignInPage } from '../features/sign_in/page';
import { LinkButton } from '../ui/link_button';
import { ErrorNotice } from '../ui/notices';
import { Page } from '../ui/page';
import { basePath } from './page_settings';
import { sessionQuery } from './session';
import { Shell } from './shell';
import classes from './shell.module.css';
import { texts } from './shell_texts';

function PageError({ error, reset }: ErrorComponentProps) {
  return (
    <main className={classes.alone}>
      <ErrorNotice error={error} onRetry={reset} />
    </main>
  );
}

function NotFound() {
  return (
    <main className={classes.alone}>
      <Page title={texts.notFound.title} lead={texts.notFound.lead}>
        <div>
          <LinkButton to="/" variant="default">
            {texts.notFound.back}
          </LinkButton>
        </div>
      </Page>
    </main>
  );
}

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({ component: Outlet });

/* What a parser leaves out of its result stays as it came, so what is not good is set to undefined. */

/* "to" is an address within the web admin; anything else would be an open redirect. */
function parseSignInSearch({ to }: Record<string, unknown>): { to?: string } {
  return { to: typeof to === 'string' && /^\/(?![/\\])/.test(to) ? to : undefined };
}

export const signInRoute = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: parseSignInSearch,
  beforeLoad: async ({ context, search }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery).catch(() => null); // the form says what is wrong
    if (session) throw redirect({ to: search.to ?? '/' });
  },
  component: SignInPage,
});

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  beforeLoad: async ({ context, location }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    if (!session) throw redirect({ to: '/sign-in', search: location.href === '/' ? {} : { to: location.href } });
  },
  component: Shell,
});

/* ?new=true: the dialog that makes one is open. */
function parseNew(search: Record<string, unknown>): { new?: true } {
  return { new: search.new === true ? true : undefined };
}

export const homeRoute = createRoute({ getParentRoute: () => shell, path: '/', component: lazyRouteComponent(() => import('../features/home/page'), 'HomePage') });
/* ?revoked=true: those too. */
function parseKeysSearch(search: Record<string, unknown>): { new?: true; revoked?: true } {
  return { ...parseNew(search), revoked: search.revoked === true ? true : undefined };
}

export const keysRoute = createRoute({ getParentRoute: () => shell, path: '/keys', validateSearch: parseKeysSearch, component: lazyRouteComponent(() => import('../features/keys/page'), 'KeysPage') });
export const providersRoute = createRoute({ getParentRoute: () => shell, path: '/providers', validateSearch: parseNew, component: lazyRouteComponent(() => import('../features/providers/page'), 'ProvidersPage') });
export const modelsRoute = createRoute({ getParentRoute: () => shell, path: '/models', validateSearch: parseNew, component: lazyRouteComponent(() => import('../features/models/page'), 'ModelsPage') });
export const dataPlanesRoute = createRoute({ getParentRoute: () => shell, path: '/data-planes', validateSearch: parseNew, component: lazyRouteComponent(() => import('../features/data_planes/page'), 'DataPlanesPage') });

/* ?q=, ?provider=: what the list is narrowed to; ?edit=: the entry whose dialog is open. */
function parseCatalogueSearch(search: Record<string, unknown>): { q?: string; provider?: string; edit?: string } {
  const word = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  return { q: word(search.q), provider: word(search.provider), edit: word(search.edit) };
}

export const catalogueRoute = createRoute({ getParentRoute: () => shell, path: '/catalogue', validateSearch: parseCatalogueSearch, component: lazyRouteComponent(() => import('../features/catalogue/page'), 'CataloguePage') });

const tree = root.addChildren([signInRoute, shell.addChildren([homeRoute, keysRoute, modelsRoute, catalogueRoute, providersRoute, dataPlanesRoute])]);

export function makeRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree: tree,
    basepath: basePath,
    context: { queryClient },
    defaultErrorComponent: PageError,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: true,
    defaultPreload: 'intent',
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
