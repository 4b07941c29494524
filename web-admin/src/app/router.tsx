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

/* ?event=: the request whose dialog is open. */
function parseHomeSearch({ event }: Record<string, unknown>): { event?: string } {
  return { event: typeof event === 'string' && event !== '' ? event : undefined };
}

export const homeRoute = createRoute({ getParentRoute: () => shell, path: '/', validateSearch: parseHomeSearch, component: lazyRouteComponent(() => import('../features/home/page'), 'HomePage') });
/* ?revoked=true: those too. */
function parseKeysSearch(search: Record<string, unknown>): { new?: true; revoked?: true } {
  return { ...parseNew(search), revoked: search.revoked === true ? true : undefined };
}

export const keysRoute = createRoute({ getParentRoute: () => shell, path: '/keys', validateSearch: parseKeysSearch, component: lazyRouteComponent(() => import('../features/keys/page'), 'KeysPage') });
export const providersRoute = createRoute({ getParentRoute: () => shell, path: '/providers', validateSearch: parseNew, component: lazyRouteComponent(() => import('../features/providers/page'), 'ProvidersPage') });
export const modelsRoute = createRoute({ getParentRoute: () => shell, path: '/models', validateSearch: parseNew, component: lazyRouteComponent(() => import('../features/models/page'), 'ModelsPage') });
export const dataPlanesRoute = createRoute({ getParentRoute: () => shell, path: '/data-planes', validateSearch: parseNew, component: lazyRouteComponent(() => import('../features/data_planes/page'), 'DataPlanesPage') });

const wordOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

/* ?q=, ?provider=: what the list is narrowed to; ?edit=: the entry whose dialog is open. */
function parseCatalogueSearch(search: Record<string, unknown>): { q?: string; provider?: string; edit?: string } {
  return { q: wordOf(search.q), provider: wordOf(search.provider), edit: wordOf(search.edit) };
}

export const catalogueRoute = createRoute({ getParentRoute: () => shell, path: '/catalogue', validateSearch: parseCatalogueSearch, component: lazyRouteComponent(() => import('../features/catalogue/page'), 'CataloguePage') });

const versionOf = (value: unknown) => (typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined);

/* ?version=: which one is shown; ?left=&right=: which two are compared. */
function parseDocumentSearch({ version, left, right }: Record<string, unknown>): { version?: number; left?: number; right?: number } {
  return { version: versionOf(version), left: versionOf(left), right: versionOf(right) };
}

/* ?q=, ?state=: what the list is narrowed to. */
function parseTargetsSearch({ q, state }: Record<string, unknown>): { q?: string; state?: string } {
  return { q: typeof q === 'number' ? String(q) : wordOf(q), state: wordOf(state) };
}

/* ?config=, ?version=: which document is proposed. */
function parseExplainSearch({ config, version }: Record<string, unknown>): { config?: string; version?: number } {
  return { config: wordOf(config), version: versionOf(version) };
}

const configs = () => import('../features/configs/page');
const prompts = () => import('../features/prompts/page');

export const configsRoute = createRoute({ getParentRoute: () => shell, path: '/configs', component: lazyRouteComponent(configs, 'ConfigsPage') });
export const newConfigRoute = createRoute({ getParentRoute: () => shell, path: '/configs/new', component: lazyRouteComponent(configs, 'NewConfigPage') });
export const configRoute = createRoute({ getParentRoute: () => shell, path: '/configs/$id', validateSearch: parseDocumentSearch, component: lazyRouteComponent(configs, 'ConfigPage') });
export const promptsRoute = createRoute({ getParentRoute: () => shell, path: '/prompts', component: lazyRouteComponent(prompts, 'PromptsPage') });
export const newPromptRoute = createRoute({ getParentRoute: () => shell, path: '/prompts/new', component: lazyRouteComponent(prompts, 'NewPromptPage') });
export const promptRoute = createRoute({ getParentRoute: () => shell, path: '/prompts/$id', validateSearch: parseDocumentSearch, component: lazyRouteComponent(prompts, 'PromptPage') });
export const targetsRoute = createRoute({ getParentRoute: () => shell, path: '/targets', validateSearch: parseTargetsSearch, component: lazyRouteComponent(() => import('../features/targets/page'), 'TargetsPage') });
export const explainRoute = createRoute({ getParentRoute: () => shell, path: '/explain', validateSearch: parseExplainSearch, component: lazyRouteComponent(() => import('../features/explain/page'), 'ExplainPage') });

const tree = root.addChildren([
  signInRoute,
  shell.addChildren([
    homeRoute, keysRoute, promptsRoute, newPromptRoute, promptRoute, configsRoute, newConfigRoute, configRoute, modelsRoute, catalogueRoute, providersRoute, targetsRoute, explainRoute, dataPlanesRoute,
  ]),
]);

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
