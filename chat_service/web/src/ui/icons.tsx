// Drawn for this page, 24 units square. Hidden from screen readers.

import type { ReactNode } from "react";

function Icon({ children, size = 20 }: { children: ReactNode; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.9"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const Logo = () => (
  <svg width="34" height="34" viewBox="0 0 32 32" aria-hidden="true" focusable="false" className="logo">
    <rect width="32" height="32" rx="9" />
    <path
      className="logo-bubble"
      d="M8.500 8h15A2.500 2.500 0 0 1 26 10.500v8a2.500 2.500 0 0 1-2.500 2.500H16l-5.200 4.300c-.5.4-1.300.1-1.300-.6V21h-1A2.500 2.500 0 0 1 6 18.500v-8A2.500 2.500 0 0 1 8.500 8z"
    />
    <path className="logo-tick" d="M11 14.800l3 3 7-6.300" />
  </svg>
);

export const Back = () => (
  <Icon>
    <path d="M15 5l-7 7 7 7" />
  </Icon>
);
export const Close = () => (
  <Icon>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);
export const Search = () => (
  <Icon size={18}>
    <circle cx="11" cy="11" r="6.500" />
    <path d="M16 16l4.500 4.500" />
  </Icon>
);
export const SendArrow = () => (
  <Icon>
    <path d="M12 19V5M6 11l6-6 6 6" />
  </Icon>
);
export const Down = () => (
  <Icon size={18}>
    <path d="M12 5v14M6 13l6 6 6-6" />
  </Icon>
);
export const Up = () => (
  <Icon size={16}>
    <path d="M12 19V5M6 11l6-6 6 6" />
  </Icon>
);
export const Pencil = () => (
  <Icon size={16}>
    <path d="M4 20l1-4L16.500 4.500a2.100 2.100 0 0 1 3 3L8 19l-4 1z" />
  </Icon>
);
export const Bin = () => (
  <Icon size={16}>
    <path d="M4 7h16M9 7V4.500h6V7M6.500 7l1 13h9l1-13" />
  </Icon>
);
export const Bell = () => (
  <Icon>
    <path d="M6 16V11a6 6 0 0 1 12 0v5l1.500 2h-15L6 16zM10 20.500a2 2 0 0 0 4 0" />
  </Icon>
);
export const Devices = () => (
  <Icon>
    <rect x="3" y="5" width="13" height="10" rx="1.500" />
    <path d="M2 19h11" />
    <rect x="16" y="10" width="6" height="10" rx="1.200" />
  </Icon>
);
export const Leave = () => (
  <Icon>
    <path d="M14 4H5v16h9M10 12h11M17 8l4 4-4 4" />
  </Icon>
);
export const Dots = () => (
  <Icon>
    <path d="M5 12h.01M12 12h.01M19 12h.01" strokeWidth="3" />
  </Icon>
);
export const Clock = () => (
  <Icon size={14}>
    <circle cx="12" cy="12" r="9" />
    <path d="M12 7v5.500l3.500 2" />
  </Icon>
);
export const Warning = () => (
  <Icon size={14}>
    <path d="M12 3.500L22 20H2L12 3.500zM12 10v4.500M12 17.300v.2" />
  </Icon>
);
export const Tick = () => (
  <Icon size={16}>
    <path d="M5 12.500l4.500 4.500L19 7" />
  </Icon>
);
export const ReadTick = () => (
  <Icon size={16}>
    <circle cx="12" cy="12" r="10" fill="currentColor" />
    <path className="read-tick" d="M7.500 12.500l3 3 6-6.500" />
  </Icon>
);
export const TwoTicks = () => (
  <Icon size={16}>
    <path d="M1.500 12.500L6 17l9.500-10M11.500 16l1 1L22 7" />
  </Icon>
);
