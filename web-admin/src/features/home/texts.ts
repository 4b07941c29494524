export const texts = {
  title: 'Home',
  live: 'Live',
  liveHelp: 'Read anew every two seconds while this page is seen',
  stale: 'Not current',
  tiles: {
    planes: 'Data planes connected',
    planesOf: (n: number, all: number) => `${n} of ${all}`,
    version: 'Configuration version',
    requests: 'Requests today',
    keys: 'Virtual keys',
    providers: 'Providers',
    unknown: '–',
  },
  planes: 'Data planes',
  allPlanes: 'All data planes',
  noPlanes: {
    title: 'No data plane yet',
    text: 'Requests go through a data plane. Adding one is one command on the machine where it is to live.',
    action: 'Add data plane',
  },
  noEvents: {
    title: 'No request yet',
    text: 'This list fills by itself as applications send requests through a data plane.',
    steps: {
      providers: 'Add a provider, so that somebody can answer.',
      models: 'Name a model, so that applications have something to ask for.',
      keys: 'Create a virtual key, so that an application may ask.',
      planes: 'Add a data plane, so that there is something to ask.',
      ready: 'All is in place. The dialog that shows a new key has a curl line to try.',
    },
    actions: { providers: 'Add provider', models: 'Add model', keys: 'Create key', planes: 'Add data plane' },
  },
};
