import { useCallback, useEffect, useState } from "react";
import type { Status } from "../../services/onboarding";
import { isPutOff, putOff } from "./keptAnswers";

/** The quiz opens by itself once for a viewer of whom nothing is known, and afterwards when it is asked for. */
export function useQuizModal(viewer: string, status: Status | null) {
  const [isOpen, setOpen] = useState(false);
  const isNeeded = status?.needsOnboarding ?? false;
  useEffect(() => {
    if (isNeeded && !isPutOff(viewer)) setOpen(true);
  }, [isNeeded, viewer]);
  const close = useCallback(() => {
    putOff(viewer);
    setOpen(false);
  }, [viewer]);
  return { isOpen, open: useCallback(() => setOpen(true), []), close };
}
