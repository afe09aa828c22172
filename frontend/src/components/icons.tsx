import type { ReactNode } from "react";

/** Drawn for this page on a grid of 20; strokes take the colour of the text. Each stands beside words or a label. */
function Icon({ children, filled = false }: { children: ReactNode; filled?: boolean }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 20 20"
      width="20"
      height="20"
      fill={filled ? "currentColor" : "none"}
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const HeartIcon = ({ filled = false }) => (
  <Icon filled={filled}>
    <path d="M10 16.5 4 10.6a3.8 3.8 0 0 1 0-5.4 3.8 3.8 0 0 1 5.4 0l.6.6.6-.6a3.8 3.8 0 0 1 5.4 0 3.8 3.8 0 0 1 0 5.4Z" />
  </Icon>
);

export const BookmarkIcon = ({ filled = false }) => (
  <Icon filled={filled}>
    <path d="M5.5 3.5h9v13L10 13l-4.5 3.5Z" />
  </Icon>
);

export const CrossIcon = () => (
  <Icon>
    <path d="m5 5 10 10M15 5 5 15" />
  </Icon>
);

/** Bars that add up to one: the sign of "why". */
export const WhyIcon = () => (
  <Icon>
    <path d="M3.5 5h9M3.5 10h6M3.5 15h11" />
    <path d="M16.5 3.5v13" />
  </Icon>
);

export const SearchIcon = () => (
  <Icon>
    <circle cx="9" cy="9" r="5" />
    <path d="m13 13 3.5 3.5" />
  </Icon>
);

export const SlidersIcon = () => (
  <Icon>
    <path d="M3 6h8M15 6h2M3 14h2M9 14h8" />
    <circle cx="13" cy="6" r="2" />
    <circle cx="7" cy="14" r="2" />
  </Icon>
);

export const ThemeIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="6.5" />
    <path d="M10 3.5a6.5 6.5 0 0 1 0 13Z" fill="currentColor" />
  </Icon>
);

export const ArrowUpIcon = () => (
  <Icon>
    <path d="M10 16V4M5 9l5-5 5 5" />
  </Icon>
);
