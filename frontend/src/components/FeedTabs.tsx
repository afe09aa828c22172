import type { KeyboardEvent } from "react";
import type { Tab } from "../hooks/useAddress";

const TABS: { tab: Tab; label: string }[] = [
  { tab: "for-you", label: "For You" },
  { tab: "trending", label: "Trending" },
  { tab: "new", label: "New" },
];

const STEPS: Record<string, (at: number) => number> = {
  ArrowRight: (at) => at + 1,
  ArrowLeft: (at) => at - 1 + TABS.length,
  Home: () => 0,
  End: () => TABS.length - 1,
};

/** The feeds, as the tabs pattern of WAI-ARIA: one stop for Tab, arrows between them. */
export function FeedTabs({ tab, onChange }: { tab: Tab; onChange: (tab: Tab) => void }) {
  const step = (event: KeyboardEvent, at: number) => {
    const next = TABS[(STEPS[event.key]?.(at) ?? Number.NaN) % TABS.length];
    if (next === undefined) return;
    event.preventDefault();
    onChange(next.tab);
    document.getElementById(`tab-${next.tab}`)?.focus();
  };
  return (
    <div role="tablist" aria-label="Feeds" className="tabs">
      {TABS.map((one, at) => (
        <button
          key={one.tab}
          id={`tab-${one.tab}`}
          type="button"
          role="tab"
          aria-selected={one.tab === tab}
          aria-controls="feed"
          tabIndex={one.tab === tab ? 0 : -1}
          onClick={() => onChange(one.tab)}
          onKeyDown={(event) => step(event, at)}
        >
          {one.label}
        </button>
      ))}
    </div>
  );
}
