import type { KeyboardEvent } from "react";
import type { Tab } from "../hooks/useAddress";

const FEEDS: { tab: Tab; label: string }[] = [
  { tab: "for-you", label: "For You" },
  { tab: "trending", label: "Trending" },
  { tab: "new", label: "New" },
];

interface Props {
  tab: Tab;
  /** Whether a search is shown in place of the tab's feed: it has a tab of its own for as long as it lasts. */
  isSearch: boolean;
  onChange: (tab: Tab) => void;
}

/** The id of the tab that names what is shown. */
export function tabId(tab: Tab, isSearch: boolean): string {
  return `tab-${isSearch ? "results" : tab}`;
}

/** The feeds, as the tabs pattern of WAI-ARIA: one stop for Tab, arrows between them. */
export function FeedTabs({ tab, isSearch, onChange }: Props) {
  const at = isSearch ? FEEDS.length : FEEDS.findIndex((feed) => feed.tab === tab);
  const step = (event: KeyboardEvent) => {
    const many = FEEDS.length + (isSearch ? 1 : 0);
    const target = { ArrowRight: at + 1, ArrowLeft: at - 1 + many, Home: 0, End: many - 1 }[event.key];
    const next = target === undefined ? undefined : FEEDS[target % many];
    if (next === undefined) return;
    event.preventDefault();
    onChange(next.tab);
    document.getElementById(tabId(next.tab, false))?.focus();
  };
  return (
    <div role="tablist" aria-label="Feeds" className="tabs">
      {FEEDS.map((feed, place) => (
        <button
          key={feed.tab}
          id={tabId(feed.tab, false)}
          type="button"
          role="tab"
          aria-selected={place === at}
          aria-controls="feed"
          tabIndex={place === at ? 0 : -1}
          onClick={() => onChange(feed.tab)}
          onKeyDown={step}
        >
          {feed.label}
        </button>
      ))}
      {isSearch && (
        <button
          id={tabId(tab, true)}
          type="button"
          role="tab"
          aria-selected
          aria-controls="feed"
          tabIndex={0}
          onKeyDown={step}
        >
          Results
        </button>
      )}
    </div>
  );
}
