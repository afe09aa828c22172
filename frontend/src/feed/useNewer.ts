import { useCallback, useState } from "react";
import type { FeedKind } from "../gql/graphql";

/** The reason for a newer feed. */
export type NewerReason = "own act" | "elsewhere";

const WORDS: Record<NewerReason, string> = {
  "own act": "Your page was updated: show it",
  elsewhere: "New on your page: show it",
};

/** The label of the button that loads a newer feed, if there is one. The viewer's own interactions change For You only. */
export function useNewer(feed: FeedKind): {
  words: string | null;
  tell: (reason: NewerReason) => void;
  forget: () => void;
} {
  const [reason, setReason] = useState<NewerReason | null>(null);
  const forget = useCallback(() => setReason(null), []);
  const isNews = reason === "elsewhere" || feed === "FOR_YOU";
  return { words: reason && isNews ? WORDS[reason] : null, tell: setReason, forget };
}
