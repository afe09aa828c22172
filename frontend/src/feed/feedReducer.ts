/**
 * A feed as it grows under somebody's eyes: pure, so that what may happen out of order can be tried in order.
 *
 * Everything that answers a request carries the number of the reading it belongs to. When a new reading begins (another
 * tab, another viewer, a search that goes on being typed), answers of the one before are ignored, however late they come.
 */

import type { Card, FeedPage } from "../services/explore";
import type { Failure } from "../services/failures";

/** A card in its place. */
export interface Place {
  /** Names this place in this ranking, for asking why it is here. */
  id: string;
  rank: number;
  score: number;
  /** The ranking that gave it this place. */
  snapshotId: string;
  card: Card;
}

export type Phase = "loading" | "ready" | "loading-more" | "failed" | "more-failed";

export interface FeedState {
  reading: number;
  phase: Phase;
  places: Place[];
  /** Where the next page begins; null for the first page of a ranking. */
  end: string | null;
  hasMore: boolean;
  /** Of the ranking that the last page came from; null until there is one. */
  origin: Pick<FeedPage, "kind" | "strategy" | "degraded" | "snapshotId" | "generatedAt"> | null;
  /** Places (by index) from which on a newer ranking is shown, because the older one was kept no longer. */
  seams: number[];
  failure: Failure | null;
}

export type FeedAction =
  | { type: "read"; reading: number; keep: boolean }
  | { type: "read more"; reading: number }
  | { type: "page"; reading: number; page: FeedPage }
  | { type: "ranking expired"; reading: number }
  | { type: "failed"; reading: number; failure: Failure };

export const EMPTY_FEED: FeedState = {
  reading: 0,
  phase: "loading",
  places: [],
  end: null,
  hasMore: true,
  origin: null,
  seams: [],
  failure: null,
};

export function feedReducer(state: FeedState, action: FeedAction): FeedState {
  if (action.type === "read") return beginning(state, action.reading, action.keep);
  if (action.reading !== state.reading) return state;
  switch (action.type) {
    case "read more":
      return { ...state, phase: state.places.length > 0 ? "loading-more" : "loading", failure: null };
    case "page":
      return withPage(state, action.page);
    case "ranking expired":
      // What is on the screen stays where it is. The new ranking is read from its top, and only what has not been
      // shown yet is put behind it.
      return { ...state, end: null, seams: [...state.seams, state.places.length] };
    case "failed":
      return {
        ...state,
        phase: state.places.length > 0 && state.phase !== "loading" ? "more-failed" : "failed",
        failure: action.failure,
      };
  }
}

/** With `keep` the old cards stay until the new ones are there, so that a refresh does not flash. */
function beginning(state: FeedState, reading: number, keep: boolean): FeedState {
  return keep ? { ...state, reading, phase: "loading", failure: null } : { ...EMPTY_FEED, reading };
}

function withPage(state: FeedState, page: FeedPage): FeedState {
  const before = state.phase === "loading" ? [] : state.places;
  return {
    ...state,
    phase: "ready",
    places: [...before, ...unseen(before, placesOf(page))],
    end: page.pageInfo.endCursor,
    hasMore: page.pageInfo.hasNextPage,
    origin: page,
    seams: state.phase === "loading" ? [] : state.seams,
    failure: null,
  };
}

function placesOf(page: FeedPage): Place[] {
  return page.edges.map((edge) => ({
    id: edge.id,
    rank: edge.rank,
    score: edge.score,
    snapshotId: page.snapshotId,
    card: edge.node,
  }));
}

function unseen(before: Place[], places: Place[]): Place[] {
  const seen = new Set(before.map((place) => place.card.key));
  return places.filter((place) => !seen.has(place.card.key));
}
