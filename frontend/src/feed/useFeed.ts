import { useCallback, useEffect, useMemo, useReducer, useRef } from "react";
import { useRetry } from "../hooks/useRetry";
import { type FeedPage, type FeedSource, fetchFeed } from "../services/explore";
import { asFailure, Failure } from "../services/failures";
import type { Gateway } from "../services/gateway";
import { EMPTY_FEED, type FeedState, feedReducer } from "./feedReducer";

/** Cards a page when a ranking is read anew behind what is shown already: most of them are, so take many. */
const CATCH_UP_SIZE = 100;

export interface Feed {
  state: FeedState;
  /** Read the next page, if there is one and none is on its way. */
  readMore: () => void;
  /** Read the feed anew from its top; the cards stay until the new ones are there. */
  refresh: () => void;
  /** Show this first page, which came with another answer (the quiz brings one). */
  show: (page: FeedPage) => void;
}

/** A feed that is read page by page, anew whenever the source changes. */
export function useFeed(gateway: Gateway, source: FeedSource): Feed {
  const [state, dispatch] = useReducer(feedReducer, EMPTY_FEED);
  const latest = useRef(state);
  latest.current = state;
  const reading = useRef(0);
  const onItsWay = useRef<AbortController | null>(null);

  const read = useCallback(
    async (after: string | null) => {
      const number = reading.current;
      const controller = new AbortController();
      onItsWay.current?.abort();
      onItsWay.current = controller;
      try {
        const onExpired = () => dispatch({ type: "ranking expired", reading: number });
        const page = await pageBehind(gateway, source, after, controller.signal, onExpired);
        dispatch({ type: "page", reading: number, page });
      } catch (thrown) {
        dispatch({ type: "failed", reading: number, failure: asFailure(thrown) });
      } finally {
        if (onItsWay.current === controller) onItsWay.current = null;
      }
    },
    [gateway, source],
  );

  const begin = useCallback(
    (keep: boolean) => {
      reading.current += 1;
      dispatch({ type: "read", reading: reading.current, keep });
      void read(null);
    },
    [read],
  );

  const readMore = useCallback(() => {
    const { phase, hasMore, end, places } = latest.current;
    if (onItsWay.current !== null || !hasMore || phase === "loading") return;
    dispatch({ type: "read more", reading: reading.current });
    void read(places.length === 0 ? null : end);
  }, [read]);

  const show = useCallback((page: FeedPage) => {
    onItsWay.current?.abort();
    onItsWay.current = null;
    reading.current += 1;
    dispatch({ type: "read", reading: reading.current, keep: false });
    dispatch({ type: "page", reading: reading.current, page });
  }, []);

  useRetry(state, () => (state.phase === "more-failed" ? readMore() : begin(state.places.length > 0)));

  const shown = useRef<FeedSource["kind"] | null>(null);
  useEffect(() => {
    // While a search goes on being typed, what it found so far stays until there is something better.
    begin(source.kind === "SEARCH" && shown.current === "SEARCH");
    shown.current = source.kind;
    return () => onItsWay.current?.abort();
  }, [begin, source]);

  const refresh = useCallback(() => begin(true), [begin]);
  return useMemo(() => ({ state, readMore, refresh, show }), [state, readMore, refresh, show]);
}

/** The page behind a cursor; the top of a new ranking if the cursor's own is kept no longer. */
async function pageBehind(
  gateway: Gateway,
  source: FeedSource,
  after: string | null,
  signal: AbortSignal,
  onExpired: () => void,
): Promise<FeedPage> {
  try {
    return await fetchFeed(gateway, source, after, signal);
  } catch (thrown) {
    if (!(thrown instanceof Failure) || thrown.kind !== "expired" || after === null) throw thrown;
    onExpired();
    return fetchFeed(gateway, source, null, signal, CATCH_UP_SIZE);
  }
}
