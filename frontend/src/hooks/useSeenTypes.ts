import { useMemo, useRef } from "react";
import type { Place } from "../feed/feedReducer";

/** The types of all projects seen so far on this page: the gateway has no list of them, for a platform may add one. */
export function useSeenTypes(places: readonly Place[], chosen: readonly string[]): string[] {
  const seen = useRef(new Set<string>());
  return useMemo(() => {
    for (const type of chosen) seen.current.add(type);
    for (const { card } of places) seen.current.add(card.type);
    return [...seen.current].sort();
  }, [places, chosen]);
}
