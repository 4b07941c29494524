/* Line icons, drawn on a grid of 20. They are decoration: what they say stands beside them in words. */
import type { ReactNode } from 'react';

export interface IconProps {
  size?: number;
  className?: string;
}

export type Icon = (props: IconProps) => ReactNode;

function icon(shapes: ReactNode, filled = false): Icon {
  return function LineIcon({ size = 18, className }) {
    return (
      <svg
        className={className}
        width={size}
        height={size}
        viewBox="0 0 20 20"
        fill={filled ? 'currentColor' : 'none'}
        stroke={filled ? 'none' : 'currentColor'}
        strokeWidth="1.6"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        focusable="false"
      >
        {shapes}
      </svg>
    );
  };
}

const path = (d: string) => <path d={d} />;

export const HomeIcon = icon(path('M3.5 9 10 3.5 16.5 9v7a.8.8 0 0 1-.8.8h-3.6v-4.6H7.9v4.6H4.3a.8.8 0 0 1-.8-.8Z'));
export const BookIcon = icon(path('M10 5.2C8.4 4 6.2 3.6 3.5 3.8v11.4c2.7-.2 4.9.2 6.5 1.4 1.6-1.2 3.8-1.6 6.5-1.4V3.8C13.8 3.6 11.6 4 10 5.2Zm0 0v11.4'));
export const KeyIcon = icon(<><circle cx="6.7" cy="13.3" r="3.4" /><path d="m9.2 10.8 6.9-6.9M13.3 6.7l2.3 2.3M11 9l1.6 1.6" /></>);
export const PlugIcon = icon(path('M7 3v4M13 3v4M5.2 7h9.6v2.6a4.8 4.8 0 0 1-9.6 0ZM10 14.4V17'));
export const PlaneIcon = icon(<><rect x="3" y="3.5" width="14" height="5.4" rx="1.4" /><rect x="3" y="11.1" width="14" height="5.4" rx="1.4" /><path d="M6 6.2h.01M6 13.8h.01M9 6.2h5M9 13.8h5" /></>);
export const CubeIcon = icon(path('m10 2.8 6.4 3.6v7.2L10 17.2l-6.4-3.6V6.4ZM3.8 6.5 10 10l6.2-3.5M10 10v7'));
export const RouteIcon = icon(<><circle cx="4.6" cy="10" r="1.9" /><circle cx="15.4" cy="5" r="1.9" /><circle cx="15.4" cy="15" r="1.9" /><path d="M6.5 10H8c2.6 0 2.4-5 5.5-5M8 10c2.6 0 2.4 5 5.5 5" /></>);
export const PromptIcon = icon(path('M3.4 5.2c0-.9.7-1.6 1.6-1.6h10c.9 0 1.6.7 1.6 1.6v6.9c0 .9-.7 1.6-1.6 1.6H9l-3.7 3v-3H5c-.9 0-1.6-.7-1.6-1.6ZM7 7.4h6M7 10.1h3.6'));
export const PulseIcon = icon(path('M2.6 10.4h3.2l2-5.6 3.6 10.6 2.3-7 1 2h2.7'));
export const QuestionIcon = icon(<><circle cx="10" cy="10" r="7.2" /><path d="M7.8 8a2.2 2.2 0 1 1 3.1 2c-.6.3-.9.7-.9 1.4M10 13.9h.01" /></>);
export const ChartIcon = icon(path('M3.4 3.4v13.2h13.2M6.6 13.4v-3M10 13.4V6.6M13.4 13.4V9'));
export const BellIcon = icon(path('M5 13.6V9a5 5 0 0 1 10 0v4.6M3.6 13.6h12.8M8.4 16.4a1.8 1.8 0 0 0 3.2 0'));
export const CoinIcon = icon(<><circle cx="10" cy="10" r="7" /><path d="M12.2 7.6c-.4-.7-1.2-1.1-2.2-1.1-1.3 0-2.3.6-2.3 1.7 0 2.4 4.7 1.1 4.7 3.5 0 1.1-1 1.8-2.4 1.8-1.1 0-2-.5-2.4-1.3M10 5.2v9.6" /></>);
export const GaugeIcon = icon(path('M4.6 15.4a7.2 7.2 0 1 1 10.8 0M10 11l3.2-3.8'));
export const TagIcon = icon(<><path d="M3.4 4.6c0-.7.5-1.2 1.2-1.2h5.2l6.8 6.8-6.4 6.4-6.8-6.8Z" /><path d="M7 7h.01" /></>);
export const PercentIcon = icon(<><circle cx="6.2" cy="6.2" r="2" /><circle cx="13.8" cy="13.8" r="2" /><path d="m15 5-10 10" /></>);
export const ReceiptIcon = icon(path('M4.8 3.2v13.6l2-1.3 1.6 1.3 1.6-1.3 1.6 1.3 1.6-1.3 2 1.3V3.2ZM7.6 7h4.8M7.6 10h4.8'));
export const TeamIcon = icon(<><circle cx="7.4" cy="7" r="2.6" /><path d="M2.6 15.8c.4-2.6 2.3-4 4.8-4s4.4 1.4 4.8 4M12.6 4.6a2.6 2.6 0 0 1 0 4.8M14.4 12.2c1.6.5 2.7 1.8 3 3.6" /></>);
export const PersonIcon = icon(<><circle cx="10" cy="6.6" r="3" /><path d="M4.2 16.4c.5-3 2.8-4.6 5.8-4.6s5.3 1.6 5.8 4.6" /></>);
export const RobotIcon = icon(<><rect x="4" y="7" width="12" height="8.6" rx="1.8" /><path d="M10 7V4M7.4 10.6h.01M12.6 10.6h.01M8 13.2h4" /></>);
export const ShieldIcon = icon(path('M10 2.8 4.2 5v4.6c0 3.6 2.4 6.2 5.8 7.6 3.4-1.4 5.8-4 5.8-7.6V5ZM7.4 9.8l1.9 1.9 3.3-3.5'));
export const DoorIcon = icon(path('M8 3.6h6.4c.7 0 1.2.5 1.2 1.2v10.4c0 .7-.5 1.2-1.2 1.2H8M3.4 10h8M8.8 7.2 11.6 10l-2.8 2.8'));
export const ListIcon = icon(path('M7.4 5.4h8.8M7.4 10h8.8M7.4 14.6h8.8M3.8 5.4h.01M3.8 10h.01M3.8 14.6h.01'));
export const LockIcon = icon(<><rect x="4.4" y="8.8" width="11.2" height="7.8" rx="1.6" /><path d="M6.8 8.8V6.4a3.2 3.2 0 0 1 6.4 0v2.4M10 12v1.6" /></>);
export const PlusIcon = icon(path('M10 4.2v11.6M4.2 10h11.6'));
export const CopyIcon = icon(<><rect x="7" y="7" width="9.5" height="9.5" rx="1.6" /><path d="M13 7V5.1c0-.9-.7-1.6-1.6-1.6H5.1c-.9 0-1.6.7-1.6 1.6v6.3c0 .9.7 1.6 1.6 1.6H7" /></>);
export const CheckIcon = icon(path('m4.2 10.6 3.7 3.7 7.9-8.6'));
export const CrossIcon = icon(path('m5 5 10 10M15 5 5 15'));
export const SunIcon = icon(<><circle cx="10" cy="10" r="3.2" /><path d="M10 2.6v1.6M10 15.8v1.6M2.6 10h1.6M15.8 10h1.6M4.8 4.8l1.1 1.1M14.1 14.1l1.1 1.1M15.2 4.8l-1.1 1.1M5.9 14.1l-1.1 1.1" /></>);
export const MoonIcon = icon(path('M16.4 11.8A6.8 6.8 0 0 1 8.2 3.6a6.8 6.8 0 1 0 8.2 8.2Z'));
export const ScreenIcon = icon(<><rect x="2.8" y="3.8" width="14.4" height="9.8" rx="1.4" /><path d="M7 16.6h6M10 13.6v3" /></>);
export const SignOutIcon = icon(path('M12.4 6.4V4.9c0-.8-.6-1.4-1.4-1.4H5c-.8 0-1.4.6-1.4 1.4v10.2c0 .8.6 1.4 1.4 1.4h6c.8 0 1.4-.6 1.4-1.4v-1.5M8.4 10h8.2M14 7.3l2.7 2.7-2.7 2.7'));
export const RefreshIcon = icon(path('M16.2 8.4A6.5 6.5 0 0 0 4.6 6.3L3.4 7.7M3.4 4v3.7h3.7M3.8 11.6a6.5 6.5 0 0 0 11.6 2.1l1.2-1.4M16.6 16v-3.7h-3.7'));
export const BoltIcon = icon(path('M11 2.8 4.6 11.3h4.6l-.6 5.9 6.8-8.9h-4.8Z'));
export const SortIcon = icon(path('m6.5 8 3.5-3.5L13.5 8M6.5 12l3.5 3.5 3.5-3.5'));
export const SortUpIcon = icon(path('m5.8 11.8 4.2-4.2 4.2 4.2'));
export const SortDownIcon = icon(path('m5.8 8.2 4.2 4.2 4.2-4.2'));

/* Marks of a state: each has a shape of its own, so that none depends on its colour. */
export const GoodMark = icon(path('M10 2a8 8 0 1 1 0 16 8 8 0 0 1 0-16Zm3.7 5.2-4.6 5-2.3-2.2-1.2 1.3 3.6 3.4 5.8-6.3Z'), true);
export const WarnMark = icon(path('M10 2.2 18.6 17H1.4ZM9 7.6v4.6h2V7.6Zm0 5.8v1.9h2v-1.9Z'), true);
export const BadMark = icon(path('M6.6 2h6.8L18 6.6v6.8L13.4 18H6.6L2 13.4V6.6Zm.7 4.1L6.1 7.3 8.8 10l-2.7 2.7 1.2 1.2 2.7-2.7 2.7 2.7 1.2-1.2-2.7-2.7 2.7-2.7-1.2-1.2L10 8.8Z'), true);
export const IdleMark = icon(path('M10 2a8 8 0 1 1 0 16 8 8 0 0 1 0-16ZM6 9v2h8V9Z'), true);

/* The mark of the product: water that steps down. */
export function WeirLogo({ size = 26 }: IconProps) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#0b7687" />
      <g fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round">
        <path d="M6 10.5h8.5c4.2 0 3.2 11 7.5 11h4" />
        <path d="M6 16h5.5" opacity=".75" />
        <path d="M6 21.5h7" opacity=".5" />
      </g>
    </svg>
  );
}
