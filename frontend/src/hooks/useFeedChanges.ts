import { useEffect, useRef } from "react";
import type { FeedKind } from "../gql/graphql";
import type { Gateway } from "../services/gateway";
import { type FeedChange, listen } from "../services/live";

/** Milliseconds in which the answer to an act of this page should be there. */
const ANSWER_MS = 1_500;

/** Feeds that do not change by themselves have no subscription. */
const TOLD: FeedKind[] = ["FOR_YOU", "TRENDING", "NEWEST"];

/**
 * Calls when the feed on the screen has changed by other means than this page.
 *
 * What the page does itself it knows from the answers, which say the viewer's version; an event may come before its
 * answer does, and waits for it a moment.
 *
 * A browser opens six connections to one address for all its tabs together, so only a tab that is looked at listens;
 * it asks from the version it knew, and so misses nothing of what the viewer did elsewhere.
 */
export function useFeedChanges(
  gateway: Gateway,
  feed: FeedKind,
  isReady: boolean,
  onChanged: () => void,
): void {
  const latest = useRef(onChanged);
  latest.current = onChanged;
  useEffect(() => {
    if (!isReady || !TOLD.includes(feed)) return;
    let stop: (() => void) | null = null;
    const told = async ({ reason, version }: FeedChange) => {
      if (reason === "VIEWER") {
        await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
        if (version <= (gateway.version ?? 0)) return;
        gateway.version = version;
      }
      latest.current();
    };
    const begin = () =>
      listen(
        gateway.identity,
        [feed],
        () => gateway.version,
        (change) => void told(change),
      );
    const turn = () => {
      stop?.();
      stop = document.visibilityState === "visible" ? begin() : null;
    };
    turn();
    document.addEventListener("visibilitychange", turn);
    return () => {
      document.removeEventListener("visibilitychange", turn);
      stop?.();
    };
  }, [gateway, feed, isReady]);
}
