import { useEffect, useRef } from "react";
import type { FeedState } from "../feed/feedReducer";

/** Seconds until a feed is asked for again when nobody answers: soon at first, then patiently. */
const WAITS_S = [1, 2, 4, 8, 15, 30];

/** Try again by itself as long as the gateway or the network is away; at once when the browser is back on line. */
export function useRetry(state: FeedState, retry: () => void): void {
  const tries = useRef(0);
  const latest = useRef(retry);
  latest.current = retry;
  const isAway = state.failure?.kind === "unreachable" || state.failure?.kind === "offline";
  if (state.phase === "ready") tries.current = 0;
  useEffect(() => {
    if (!isAway) return;
    const again = () => latest.current();
    const wait = WAITS_S[Math.min(tries.current, WAITS_S.length - 1)] ?? 30;
    const timer = setTimeout(again, wait * 1_000);
    tries.current += 1;
    addEventListener("online", again);
    return () => {
      clearTimeout(timer);
      removeEventListener("online", again);
    };
  }, [isAway, state.failure]);
}
