import { useEffect, useRef } from "react";
import type { Feed } from "../feed/useFeed";

/** The distance above the end at which the next page is requested: two screens, so that scrolling shows no spinner. */
const AHEAD = "1600px";

/** Asks for the next page when its place comes near, and says so when there is none or it failed. */
export function EndOfFeed({ feed }: { feed: Feed }) {
  const { state, readMore } = feed;
  const sentinel = useRef<HTMLDivElement>(null);
  const isWaiting = state.phase === "ready" && state.hasMore;
  // A page may bring nothing that is not shown already; the observer is made anew for each, so it looks again.
  useEffect(() => {
    if (!isWaiting || sentinel.current === null) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && readMore(), {
      rootMargin: `0px 0px ${AHEAD} 0px`,
    });
    observer.observe(sentinel.current);
    return () => observer.disconnect();
  }, [isWaiting, readMore, state.end]);
  return (
    <div ref={sentinel} className="end-of-feed">
      {state.phase === "loading-more" && <p>Loading more…</p>}
      {state.phase === "more-failed" && (
        <p role="alert">
          {state.failure?.message}{" "}
          <button type="button" className="button" onClick={readMore}>
            Try again
          </button>
        </p>
      )}
      {state.phase === "ready" && !state.hasMore && state.places.length > 0 && <p>You've reached the end.</p>}
    </div>
  );
}
