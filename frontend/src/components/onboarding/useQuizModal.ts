import { useCallback, useEffect, useState } from "react";
import type { Status } from "../../services/onboarding";
import { isPutOff, keptAnswers, putOff } from "./keptAnswers";

/**
 * The quiz opens by itself once for a viewer of whom nothing is known, and for one who was in the middle of it when the
 * page was left: to the gateway a single answer is enough. Whoever closes it is not asked again.
 */
export function useQuizModal(viewer: string, status: Status | null) {
  const [isOpen, setOpen] = useState(false);
  const isKnown = status !== null;
  const isNeeded = status?.needsOnboarding ?? false;
  useEffect(() => {
    const isUnfinished = isKnown && Object.keys(keptAnswers(viewer)).length > 0;
    if ((isNeeded || isUnfinished) && !isPutOff(viewer)) setOpen(true);
  }, [isKnown, isNeeded, viewer]);
  const close = useCallback(() => {
    putOff(viewer);
    setOpen(false);
  }, [viewer]);
  return { isOpen, open: useCallback(() => setOpen(true), []), close };
}
