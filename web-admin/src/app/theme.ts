/* One accent, slate greys, small radii, dense type. */
import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const weir: MantineColorsTuple = ['#eaf6f8', '#d5ebef', '#a9d6de', '#7bc0cc', '#54acbc', '#3a9eb0', '#2991a4', '#187f92', '#0b7082', '#005f70'];
const dark: MantineColorsTuple = ['#d8dde4', '#b5bdc8', '#929dab', '#6d7988', '#333d49', '#29323c', '#1d242c', '#161b21', '#0f1318', '#0a0d11'];

const sans = '"Inter Variable", ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif';
const mono = 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace';

export const theme = createTheme({
  primaryColor: 'weir',
  primaryShade: { light: 8, dark: 8 },
  colors: { weir, dark },
  fontFamily: sans,
  fontFamilyMonospace: mono,
  headings: { fontFamily: sans, fontWeight: '620' },
  defaultRadius: 'sm',
  radius: { xs: '3px', sm: '6px', md: '8px', lg: '12px', xl: '16px' },
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  cursorType: 'pointer',
  components: {
    Button: { defaultProps: { size: 'sm' } },
    Modal: { defaultProps: { centered: true, radius: 'md', overlayProps: { backgroundOpacity: 0.4, blur: 2 }, transitionProps: { duration: 120 }, closeButtonProps: { 'aria-label': 'Close' } } },
    Drawer: { defaultProps: { position: 'right', size: 'lg', overlayProps: { backgroundOpacity: 0.4, blur: 2 }, transitionProps: { duration: 120 }, closeButtonProps: { 'aria-label': 'Close' } } },
    Tooltip: { defaultProps: { openDelay: 200, withArrow: true } },
    Paper: { defaultProps: { radius: 'md' } },
  },
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--weir-canvas': '#f6f8f9',
    '--weir-surface': '#ffffff',
    '--weir-line': '#e2e7ec',
    '--weir-muted': '#5b6776',
    '--weir-hover': '#f2f5f7',
    '--weir-good': '#0b6b3a',
    '--weir-good-bg': '#e3f5ea',
    '--weir-warn': '#8a5200',
    '--weir-warn-bg': '#fdf1dc',
    '--weir-bad': '#b3261e',
    '--weir-bad-bg': '#fdeae8',
    '--weir-idle': '#525d6b',
    '--weir-idle-bg': '#eceff3',
    '--mantine-color-text': '#18202a',
    '--mantine-color-dimmed': '#5b6776',
    '--mantine-color-error': '#b3261e',
  },
  dark: {
    '--weir-canvas': '#0f1318',
    '--weir-surface': '#161b21',
    '--weir-line': '#29323c',
    '--weir-muted': '#9aa5b3',
    '--weir-hover': '#1b2128',
    '--weir-good': '#6fd79b',
    '--weir-good-bg': '#12301f',
    '--weir-warn': '#f0bb61',
    '--weir-warn-bg': '#362710',
    '--weir-bad': '#ff9a91',
    '--weir-bad-bg': '#3d1a18',
    '--weir-idle': '#aab4c0',
    '--weir-idle-bg': '#252d36',
    '--mantine-color-text': '#e0e5eb',
    '--mantine-color-dimmed': '#9aa5b3',
    '--mantine-color-error': '#ff9a91',
  },
});
