import { useCallback, useState } from "react";

/** Why there is something newer than what is shown. */
export type NewerReason = "own act" | "elsewhere";

const WORDS: Record<NewerReason, string> = {
  "own act": "Your page has changed: show it",
  elsewhere: "New on your page: show it",
};

/** Whether the feed on the screen has been overtaken, in words for a button. */
export function useNewer(): {
  words: string | null;
  tell: (reason: NewerReason) => void;
  forget: () => void;
} {
  const [reason, setReason] = useState<NewerReason | null>(null);
  const forget = useCallback(() => setReason(null), []);
  return { words: reason && WORDS[reason], tell: setReason, forget };
}
