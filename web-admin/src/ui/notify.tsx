/* Short messages in the corner, for what needs no answer. */
import { notifications } from '@mantine/notifications';
import { BadMark, CheckIcon } from './icons';

export function notifyDone(message: string): void {
  notifications.show({ message, icon: <CheckIcon size={16} />, color: 'weir', autoClose: 4000 });
}

export function notifyFailure(message: string): void {
  notifications.show({ message, icon: <BadMark size={16} />, color: 'red', autoClose: 8000 });
}
