/* Lets a new data plane join: makes a token, shows the command once, and watches until the proxy is there. */
import { Button, Group, Loader, Modal, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { CodeBlock } from '../../ui/code_block';
import { ErrorNotice } from '../../ui/notices';
import { StateMark } from '../../ui/state_mark';
import { dataPlanesQuery, useCreateEnrolment } from './queries';
import { texts } from './texts';

const ENROL_PORT = 8443; // default of weir-control --enrol-listen

export function enrolCommand(token: string, host: string): string {
  return `weir-proxy --enrol ${token} --control ${host.includes(':') ? `[${host}]` : host}:${ENROL_PORT}`;
}

/* The newcomer, once there is one. */
function Arrival({ before }: { before: ReadonlySet<string> }) {
  const { data: planes = [] } = useQuery(dataPlanesQuery);
  const newcomer = planes.find((plane) => !before.has(plane.id));
  return (
    <Group gap="xs" role="status">
      {newcomer ? (
        <StateMark tone="good">{texts.enrol.arrived(newcomer.name)}</StateMark>
      ) : (
        <>
          <Loader size={14} />
          <Text size="sm" c="dimmed">
            {texts.enrol.waiting}
          </Text>
        </>
      )}
    </Group>
  );
}

export function EnrolDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { data: planes = [] } = useQuery(dataPlanesQuery);
  const [before, setBefore] = useState<ReadonlySet<string>>(new Set());
  const create = useCreateEnrolment();
  const close = () => {
    onClose();
    create.reset(); // the token goes with it
  };
  const start = () => {
    setBefore(new Set(planes.map((plane) => plane.id)));
    create.mutate(undefined, { onSuccess: onClose });
  };
  const made = create.data;
  return (
    <Modal opened={opened || made !== undefined} onClose={close} title={texts.enrol.title} size={made ? 'lg' : 'md'} closeOnClickOutside={!made} closeOnEscape={!made}>
      <Stack gap="md">
        {create.error && <ErrorNotice error={create.error} />}
        {made ? (
          <>
            <Text size="sm">{texts.enrol.intro}</Text>
            <div>
              <CodeBlock secret label={texts.enrol.command} value={enrolCommand(made.token, window.location.hostname.replace(/^\[|\]$/g, ''))} copyLabel={texts.enrol.copy} />
              <Text size="xs" c="dimmed" mt={6}>
                {texts.enrol.addressHelp} {texts.enrol.once}
              </Text>
            </div>
            <Group justify="space-between">
              <Arrival before={before} />
              <Button onClick={close}>{texts.enrol.close}</Button>
            </Group>
          </>
        ) : (
          <>
            <Text size="sm">{texts.enrol.startText}</Text>
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={close}>
                {texts.enrol.cancel}
              </Button>
              <Button loading={create.isPending} onClick={start} data-autofocus>
                {texts.enrol.start}
              </Button>
            </Group>
          </>
        )}
      </Stack>
    </Modal>
  );
}
