/* The frame around every page of somebody who is signed in: navigation in groups, organization, colour scheme, sign-out. */
import { AppShell, Burger, Menu, NativeSelect, UnstyledButton, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useRouter, useRouterState } from '@tanstack/react-router';
import { useEffect } from 'react';
import { describeError } from '../api/errors';
import { caller } from '../api/client';
import {
  BellIcon, BookIcon, ChartIcon, CoinIcon, CubeIcon, DoorIcon, GaugeIcon, HomeIcon, KeyIcon, ListIcon, LockIcon, MoonIcon, PercentIcon, PersonIcon, PlaneIcon, PlugIcon, PromptIcon, PulseIcon,
  QuestionIcon, ReceiptIcon, RobotIcon, RouteIcon, ScreenIcon, ShieldIcon, SignOutIcon, SunIcon, TagIcon, TeamIcon, WeirLogo, type Icon,
} from '../ui/icons';
import { notifyFailure } from '../ui/notify';
import { useMay, type Permission } from './permissions';
import { chooseOrganization, signOut, useSession, type Session } from './session';
import classes from './shell.module.css';
import { texts } from './shell_texts';

type Place = {
  to:
    | '/' | '/keys' | '/prompts' | '/configs' | '/models' | '/catalogue' | '/providers' | '/targets' | '/explain' | '/data-planes' | '/usage' | '/alerts' | '/budgets' | '/limits'
    | '/teams' | '/service-accounts' | '/members' | '/roles' | '/price-books' | '/price-groups' | '/statements' | '/issuers' | '/audit' | '/secret-references';
  label: string;
  icon: Icon;
  needs?: Permission; // to be offered it
};

const PLACES: { group: string | null; places: Place[] }[] = [
  { group: null, places: [{ to: '/', label: texts.home, icon: HomeIcon }] },
  { group: texts.groups.use, places: [{ to: '/keys', label: texts.keys, icon: KeyIcon, needs: 'key.read' }, { to: '/prompts', label: texts.prompts, icon: PromptIcon, needs: 'prompt.read' }] },
  {
    group: texts.groups.observe,
    places: [
      { to: '/usage', label: texts.usage, icon: ChartIcon, needs: 'usage.read' },
      { to: '/alerts', label: texts.alerts, icon: BellIcon, needs: 'alert.read' },
      { to: '/targets', label: texts.targets, icon: PulseIcon, needs: 'provider.read' },
      { to: '/explain', label: texts.explain, icon: QuestionIcon, needs: 'routing.explain' },
    ],
  },
  {
    group: texts.groups.control,
    places: [
      { to: '/configs', label: texts.configs, icon: RouteIcon, needs: 'config.read' },
      { to: '/models', label: texts.models, icon: CubeIcon, needs: 'model.read' },
      { to: '/catalogue', label: texts.catalogue, icon: BookIcon, needs: 'model.read' },
      { to: '/providers', label: texts.providers, icon: PlugIcon, needs: 'provider.read' },
    ],
  },
  {
    group: texts.groups.govern,
    places: [
      { to: '/budgets', label: texts.budgets, icon: CoinIcon, needs: 'budget.read' },
      { to: '/limits', label: texts.limits, icon: GaugeIcon, needs: 'limit.read' },
      { to: '/price-books', label: texts.priceBook, icon: TagIcon, needs: 'price.read' },
      { to: '/price-groups', label: texts.priceGroups, icon: PercentIcon, needs: 'price.read' },
      { to: '/statements', label: texts.statements, icon: ReceiptIcon, needs: 'statement.read' },
      { to: '/teams', label: texts.teams, icon: TeamIcon, needs: 'team.read' },
      { to: '/members', label: texts.members, icon: PersonIcon, needs: 'member.read' },
      { to: '/service-accounts', label: texts.serviceAccounts, icon: RobotIcon, needs: 'service_account.read' },
      { to: '/roles', label: texts.roles, icon: ShieldIcon, needs: 'role.read' },
      { to: '/issuers', label: texts.issuers, icon: DoorIcon, needs: 'issuer.read' },
      { to: '/audit', label: texts.audit, icon: ListIcon, needs: 'audit.read' },
    ],
  },
  {
    group: texts.groups.system,
    places: [
      { to: '/data-planes', label: texts.dataPlanes, icon: PlaneIcon, needs: 'data_plane.read' },
      { to: '/secret-references', label: texts.secretReferences, icon: LockIcon, needs: 'secret.read' },
    ],
  },
];

const SCHEMES = [
  { value: 'light', label: texts.scheme.light, icon: SunIcon },
  { value: 'dark', label: texts.scheme.dark, icon: MoonIcon },
  { value: 'auto', label: texts.scheme.auto, icon: ScreenIcon },
] as const;

function Brand() {
  return (
    <Link to="/" className={classes.brand}>
      <WeirLogo />
      Weir
    </Link>
  );
}

function OrganizationSwitcher({ session: { organizations } }: { session: Session }) {
  const queryClient = useQueryClient();
  const router = useRouter();
  if (organizations.length < 2) return null;
  return (
    <div className={classes.switcher}>
      <NativeSelect
        size="xs"
        aria-label={texts.organization}
        data={organizations.map((o) => ({ value: o.id, label: o.name }))}
        defaultValue={caller.organization ?? undefined}
        onChange={(event) => {
          chooseOrganization(queryClient, event.currentTarget.value);
          void router.invalidate();
        }}
      />
    </div>
  );
}

function PersonMenu({ session: { user } }: { session: Session }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const queryClient = useQueryClient();
  const router = useRouter();
  const leave = useMutation({
    mutationFn: () => signOut(queryClient),
    onSuccess: (elsewhere) => (elsewhere ? window.location.assign(elsewhere) : router.navigate({ to: '/sign-in' })),
    onError: (error) => notifyFailure(describeError(error).title),
  });
  return (
    <Menu position="top-start" width={220} shadow="md" withInitialFocusPlaceholder={false}>
      <Menu.Target>
        <UnstyledButton className={classes.person}>
          <span className={classes.initial} aria-hidden="true">
            {(user.name || user.email).charAt(0).toUpperCase()}
          </span>
          <span className={classes.who}>{user.name || user.email}</span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{texts.scheme.title}</Menu.Label>
        <Menu.RadioGroup value={colorScheme} onChange={(value) => setColorScheme(value as typeof colorScheme)}>
          {SCHEMES.map(({ value, label, icon: Mark }) => (
            <Menu.RadioItem key={value} value={value} rightSection={<Mark size={16} />}>
              {label}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
        <Menu.Divider />
        <Menu.Item leftSection={<ScreenIcon size={16} />} onClick={() => void router.navigate({ to: '/sessions' })}>
          {texts.sessions}
        </Menu.Item>
        <Menu.Item leftSection={<SignOutIcon size={16} />} onClick={() => leave.mutate()}>
          {texts.signOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

export function Shell() {
  const [opened, { toggle, close }] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const session = useSession();
  const may = useMay();
  useEffect(close, [path, close]);
  if (!session) return null;
  return (
    <AppShell header={{ height: { base: 52, sm: 0 } }} navbar={{ width: 224, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding={{ base: 'md', sm: 'xl' }} transitionDuration={120}>
      <a href="#main" className="skip-link" onClick={(event) => {
        event.preventDefault(); // <base> would make "#main" another page
        document.getElementById('main')?.focus();
      }}>
        {texts.skip}
      </a>
      <AppShell.Header hiddenFrom="sm" className={classes.bar}>
        <Burger opened={opened} onClick={toggle} size="sm" aria-expanded={opened} aria-label={opened ? texts.closeNavigation : texts.openNavigation} />
        <Brand />
      </AppShell.Header>
      <AppShell.Navbar className={classes.nav} aria-label={texts.navigation}>
        <Brand />
        <OrganizationSwitcher session={session} />
        <div className={classes.links}>
          {PLACES.map(({ group, places }) => ({ group, places: places.filter(({ needs }) => !needs || may(needs)) })).filter(({ places }) => places.length > 0).map(({ group, places }) => (
            <div key={group ?? 'top'}>
              {group && <h2>{group}</h2>}
              <ul>
                {places.map(({ to, label, icon: Mark }) => (
                  <li key={to}>
                    <Link to={to} activeOptions={{ exact: to === '/', includeSearch: false }}>
                      <Mark />
                      {label}
                    </Link>
                  </li>
                ))}
              </ul>
            </div>
          ))}
        </div>
        <PersonMenu session={session} />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} className={classes.main}>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}
