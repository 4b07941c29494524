export const texts = {
  title: 'Sessions',
  lead: 'Where you are signed in. End what you do not know, and change your password.',
  mine: 'Mine',
  others: 'Other people',
  columns: { person: 'Person', browser: 'With', address: 'From', since: 'Signed in', seen: 'Last seen', ends: 'Ends', actions: 'Actions' },
  current: 'this one',
  by: (issuer: string) => `by ${issuer}`,
  empty: { title: 'Nobody else is signed in', text: 'Sessions of the organization’s people stand here while they go on.' },
  end: {
    action: 'End',
    label: (who: string) => `End the session of ${who}`,
    title: (who: string) => `End the session of ${who}?`,
    text: 'Its next request is asked to sign in again.',
    confirm: 'End session',
    done: (who: string) => `The session of ${who} has ended`,
  },
};
