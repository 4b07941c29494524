/* What goes on now: who serves, and the last requests. */
import { Anchor, Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { BoltIcon, PlaneIcon } from '../../ui/icons';
import { LinkButton } from '../../ui/link_button';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { Page, Section } from '../../ui/page';
import { dataPlanesQuery } from '../data_planes/queries';
import type { DataPlane } from '../data_planes/schema';
import { DataPlanesTable } from '../data_planes/table';
import { EventDialog } from '../events/details';
import { lastEventsQuery } from '../events/queries';
import { EventsTable } from '../events/table';
import { texts as eventTexts } from '../events/texts';
import { statusQuery, type Status } from '../status/queries';
import classes from './home.module.css';
import { texts } from './texts';

const counts = new Intl.NumberFormat();

function Tile({ label, value }: { label: string; value: string | undefined }) {
  return (
    <div className={classes.tile}>
      <dt>{label}</dt>
      <dd>{value ?? <Skeleton height={20} my={4} width={56} />}</dd>
    </div>
  );
}

function Tiles({ status, failed, planes }: { status: Status | undefined; failed: boolean; planes: DataPlane[] | undefined }) {
  const connected = planes?.filter((plane) => plane.state === 'connected').length ?? 0;
  const count = (n: number | undefined) => (n === undefined ? (failed ? texts.tiles.unknown : undefined) : counts.format(n));
  return (
    <dl className={classes.tiles}>
      <Tile label={texts.tiles.planes} value={planes && texts.tiles.planesOf(connected, planes.length)} />
      <Tile label={texts.tiles.version} value={count(planes?.[0]?.current_version ?? status?.config_version)} />
      <Tile label={texts.tiles.requests} value={count(status?.counts.events_today)} />
      <Tile label={texts.tiles.keys} value={count(status?.counts.keys)} />
      <Tile label={texts.tiles.providers} value={count(status?.counts.providers)} />
    </dl>
  );
}

/* Says what is still missing before a first request can be answered. */
function NoEvents({ status, planes }: { status: Status | undefined; planes: DataPlane[] | undefined }) {
  const { steps, actions } = texts.noEvents;
  // in the order in which each needs the one before
  const rows = [
    { lacks: status?.counts.providers === 0, step: steps.providers, to: '/providers', action: actions.providers },
    { lacks: status?.counts.models === 0, step: steps.models, to: '/models', action: actions.models },
    { lacks: planes?.length === 0, step: steps.planes, to: '/data-planes', action: actions.planes },
    { lacks: status?.counts.keys === 0, step: steps.keys, to: '/keys', action: actions.keys },
    { lacks: true, step: steps.ready, to: '/keys', action: actions.keys },
  ] as const;
  const missing = rows.find((row) => row.lacks)!;
  return (
    <EmptyState
      icon={BoltIcon}
      title={texts.noEvents.title}
      action={
        <LinkButton variant="default" to={missing.to} search={{ new: true }}>
          {missing.action}
        </LinkButton>
      }
    >
      {texts.noEvents.text} {missing.step}
    </EmptyState>
  );
}

function Live({ stale }: { stale: boolean }) {
  return (
    <span className={classes.live} data-stale={stale || undefined} title={texts.liveHelp}>
      {stale ? texts.stale : texts.live}
    </span>
  );
}

export function HomePage() {
  const { event } = useSearch({ from: '/shell/' });
  const navigate = useNavigate({ from: '/' });
  const planes = useQuery(dataPlanesQuery);
  const events = useQuery(lastEventsQuery);
  const status = useQuery(statusQuery);
  return (
    <Page title={texts.title}>
      <Tiles status={status.data} failed={status.isError} planes={planes.data} />
      <Section
        title={texts.planes}
        aside={
          <Anchor component={Link} to="/data-planes" size="xs">
            {texts.allPlanes}
          </Anchor>
        }
      >
        {planes.error && <ErrorNotice error={planes.error} onRetry={() => void planes.refetch()} />}
        {planes.data?.length === 0 ? (
          <EmptyState
            icon={PlaneIcon}
            title={texts.noPlanes.title}
            action={
              <LinkButton variant="default" to="/data-planes" search={{ new: true }}>
                {texts.noPlanes.action}
              </LinkButton>
            }
          >
            {texts.noPlanes.text}
          </EmptyState>
        ) : (
          (planes.data || !planes.error) && <DataPlanesTable planes={planes.data} />
        )}
      </Section>
      <Section title={eventTexts.title} aside={<Live stale={events.isError} />}>
        {events.error && <ErrorNotice error={events.error} onRetry={() => void events.refetch()} />}
        {events.data?.length === 0 ? <NoEvents status={status.data} planes={planes.data} /> : (events.data || !events.error) && <EventsTable events={events.data} />}
      </Section>
      {event !== undefined && <EventDialog id={event} onClose={() => void navigate({ search: {} })} />}
    </Page>
  );
}
