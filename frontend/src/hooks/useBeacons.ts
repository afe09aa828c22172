import { useEffect, useMemo, useRef } from "react";
import type { Place } from "../feed/feedReducer";
import { type FeedKind, RecordDocument } from "../gql/graphql";
import { accepted } from "../services/acts";
import { Beacons } from "../services/beacons";
import type { Gateway } from "../services/gateway";

/** Milliseconds away at a project's own page from which on it counts as looked at: a mistaken click is back sooner. */
const DWELL_MS = 10_000;

/** The beacons of this viewer, sent at the latest when the page is left. */
export function useBeacons(gateway: Gateway): Beacons {
  const beacons = useMemo(
    () =>
      new Beacons(
        async (events, keepalive) =>
          accepted((await gateway.act(RecordDocument, { events }, { keepalive })).result),
        gateway.identity.name,
      ),
    [gateway],
  );
  useEffect(() => {
    const leave = () => {
      if (document.visibilityState === "hidden") void beacons.flush(true);
    };
    document.addEventListener("visibilitychange", leave);
    return () => {
      document.removeEventListener("visibilitychange", leave);
      void beacons.flush(true);
    };
  }, [beacons]);
  return beacons;
}

/** Notes a click on a project, and a view once the viewer has stayed with it for a while before coming back. */
export function useOpened(beacons: Beacons): (feed: FeedKind, place: Place) => void {
  const opened = useRef<{ feed: FeedKind; place: Place; at: Date } | null>(null);
  useEffect(() => {
    let leftAt = 0;
    const turn = () => {
      if (document.visibilityState === "hidden") {
        leftAt = Date.now();
        return;
      }
      if (opened.current && leftAt > 0 && Date.now() - leftAt >= DWELL_MS) {
        beacons.note("VIEW", opened.current.feed, opened.current.place, opened.current.at);
      }
      opened.current = null;
    };
    document.addEventListener("visibilitychange", turn);
    return () => document.removeEventListener("visibilitychange", turn);
  }, [beacons]);
  return (feed, place) => {
    opened.current = { feed, place, at: new Date() };
    beacons.note("CLICK", feed, place);
  };
}
