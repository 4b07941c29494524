/* Asks before what is not saved is lost: on the way to another page, another version, or out of the web admin. */
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useBlocker } from '@tanstack/react-router';
import { texts } from './texts';

const versionOf = (search: unknown): unknown => (search as { version?: number }).version;

export function LeaveGuard({ isDirty }: { isDirty: () => boolean }) {
  const { status, proceed, reset } = useBlocker({
    shouldBlockFn: ({ current, next }) => isDirty() && (current.pathname !== next.pathname || versionOf(current.search) !== versionOf(next.search)),
    enableBeforeUnload: isDirty,
    withResolver: true,
  });
  return (
    <Modal opened={status === 'blocked'} onClose={() => reset?.()} title={texts.leave.title}>
      <Stack gap="md">
        <Text size="sm">{texts.leave.text}</Text>
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={() => reset?.()} data-autofocus>
            {texts.leave.stay}
          </Button>
          <Button color="red.9" onClick={() => proceed?.()}>
            {texts.leave.confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
