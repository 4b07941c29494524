/* THE table of pages. Every view is an address: dialogs and choices stand in the search part. A page's code is fetched
 * when somebody is about to go there. */
import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect, type ErrorComponentProps } from '@tanstack/react-router';
import { SignInPage } from '../features/sign_in/page';
import { LinkButton } from '../ui/link_button';
import { ErrorNotice } from '../ui/notices';
import { parseDialogs } from '../ui/dialog_search';
import { Page } from '../ui/page';
import { basePath } from './page_settings';
import { permissionsQuery } from './permissions';
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

/* "to" is an address within the web admin; anything else would be an open redirect. ?organization=: whose identity providers are offered. */
function parseSignInSearch({ to, organization }: Record<string, unknown>): { to?: string; organization?: string } {
  return { to: typeof to === 'string' && /^\/(?![/\\])/.test(to) ? to : undefined, organization: typeof organization === 'string' && organization !== '' ? organization : undefined };
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
    await context.queryClient.ensureQueryData(permissionsQuery);
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
/* ?revoked=true: those too; the others: the dialog that is open, with the id of its key. */
const parseKeyDialogs = parseDialogs('edit', 'rotate', 'bulk');
function parseKeysSearch(search: Record<string, unknown>): ReturnType<typeof parseKeyDialogs> & { revoked?: true } {
  return { ...parseKeyDialogs(search), revoked: search.revoked === true ? true : undefined };
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

/* Govern: in each list, the dialog that is open stands in the address. */
const parseForm = parseDialogs('edit');
const parseBudgets = parseDialogs('edit', 'accounts', 'increase');
const parseTeams = parseDialogs('edit', 'members');
const parseIssuers = parseDialogs('edit', 'try');
const parseStatement = parseDialogs('month', 'team', 'by');
const parseUsage = parseDialogs('by', 'from', 'to');
const parseAudit = parseDialogs('action', 'kind', 'object', 'from', 'to', 'entry');
const parseEffective = parseDialogs('provider', 'model', 'tier', 'at', 'group');

const priceBooks = () => import('../features/price_books/page');

export const budgetsRoute = createRoute({ getParentRoute: () => shell, path: '/budgets', validateSearch: parseBudgets, component: lazyRouteComponent(() => import('../features/budgets/page'), 'BudgetsPage') });
export const limitsRoute = createRoute({ getParentRoute: () => shell, path: '/limits', validateSearch: parseBudgets, component: lazyRouteComponent(() => import('../features/limits/page'), 'LimitsPage') });
export const teamsRoute = createRoute({ getParentRoute: () => shell, path: '/teams', validateSearch: parseTeams, component: lazyRouteComponent(() => import('../features/teams/page'), 'TeamsPage') });
export const serviceAccountsRoute = createRoute({ getParentRoute: () => shell, path: '/service-accounts', validateSearch: parseForm, component: lazyRouteComponent(() => import('../features/service_accounts/page'), 'ServiceAccountsPage') });
export const membersRoute = createRoute({ getParentRoute: () => shell, path: '/members', validateSearch: parseForm, component: lazyRouteComponent(() => import('../features/members/page'), 'MembersPage') });
export const rolesRoute = createRoute({ getParentRoute: () => shell, path: '/roles', validateSearch: parseForm, component: lazyRouteComponent(() => import('../features/roles/page'), 'RolesPage') });
export const priceBooksRoute = createRoute({ getParentRoute: () => shell, path: '/price-books', component: lazyRouteComponent(priceBooks, 'PriceBooksPage') });
export const newPriceBookRoute = createRoute({ getParentRoute: () => shell, path: '/price-books/new', component: lazyRouteComponent(priceBooks, 'NewPriceBookPage') });
export const priceBookRoute = createRoute({ getParentRoute: () => shell, path: '/price-books/$id', validateSearch: parseDocumentSearch, component: lazyRouteComponent(priceBooks, 'PriceBookPage') });
export const pricesRoute = createRoute({ getParentRoute: () => shell, path: '/prices', validateSearch: parseEffective, component: lazyRouteComponent(() => import('../features/prices/page'), 'PricesPage') });
export const priceGroupsRoute = createRoute({ getParentRoute: () => shell, path: '/price-groups', validateSearch: parseForm, component: lazyRouteComponent(() => import('../features/price_groups/page'), 'PriceGroupsPage') });
export const statementsRoute = createRoute({ getParentRoute: () => shell, path: '/statements', validateSearch: parseStatement, component: lazyRouteComponent(() => import('../features/statements/page'), 'StatementsPage') });
export const issuersRoute = createRoute({ getParentRoute: () => shell, path: '/issuers', validateSearch: parseIssuers, component: lazyRouteComponent(() => import('../features/issuers/page'), 'IssuersPage') });
export const sessionsRoute = createRoute({ getParentRoute: () => shell, path: '/sessions', component: lazyRouteComponent(() => import('../features/sessions/page'), 'SessionsPage') });
export const auditRoute = createRoute({ getParentRoute: () => shell, path: '/audit', validateSearch: parseAudit, component: lazyRouteComponent(() => import('../features/audit/page'), 'AuditPage') });
export const alertsRoute = createRoute({ getParentRoute: () => shell, path: '/alerts', component: lazyRouteComponent(() => import('../features/alerts/page'), 'AlertsPage') });
export const usageRoute = createRoute({ getParentRoute: () => shell, path: '/usage', validateSearch: parseUsage, component: lazyRouteComponent(() => import('../features/usage/page'), 'UsagePage') });
export const secretReferencesRoute = createRoute({ getParentRoute: () => shell, path: '/secret-references', component: lazyRouteComponent(() => import('../features/secret_references/page'), 'SecretReferencesPage') });

const tree = root.addChildren([
  signInRoute,
  shell.addChildren([
    homeRoute, keysRoute, promptsRoute, newPromptRoute, promptRoute, configsRoute, newConfigRoute, configRoute, modelsRoute, catalogueRoute, providersRoute, targetsRoute, explainRoute, dataPlanesRoute,
    budgetsRoute, limitsRoute, teamsRoute, serviceAccountsRoute, membersRoute, rolesRoute, priceBooksRoute, newPriceBookRoute, priceBookRoute, pricesRoute, priceGroupsRoute, statementsRoute,
    issuersRoute, sessionsRoute, auditRoute, alertsRoute, usageRoute, secretReferencesRoute,
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
