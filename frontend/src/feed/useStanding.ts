import { createContext, use, useSyncExternalStore } from "react";
import type { Act, Standing } from "../services/acts";
import type { Card } from "../services/explore";
import type { Standings } from "./standings";

export const StandingsContext = createContext<Standings | null>(null);

/** The viewer's likes, saves and dismissals of a project, and a function to change them. */
export function useStanding(card: Card): [Standing, (act: Act, want: boolean) => void] {
  const standings = use(StandingsContext);
  if (standings === null) throw new Error("there is no StandingsContext around this component");
  const changed = useSyncExternalStore(standings.subscribe, () => standings.get(card.key));
  const before = standingOf(card);
  return [changed ?? before, (act, want) => standings.wish(card.key, act, want, before)];
}

/** The state when the feed was loaded. */
export function standingOf(card: Card): Standing {
  return {
    liked: card.viewerHasLiked,
    saved: card.viewerHasSaved,
    dismissed: false,
    likeCount: card.likeCount,
  };
}
