import { useCallback, useEffect, useState } from "react";
import type { Gateway } from "../services/gateway";
import { fetchStatus, type Status } from "../services/onboarding";
import { useAnswer } from "./useAnswer";

/** How well the viewer is known; asked anew with each ranking, and set from answers that bring it along. */
export function useStatus(
  gateway: Gateway,
  ranking: string | undefined,
): [Status | null, (status: Status) => void] {
  const [told, setTold] = useState<Status | null>(null);
  // Another ranking is the reason to ask again.
  const ask = useCallback((signal: AbortSignal) => fetchStatus(gateway, signal), [gateway, ranking]);
  const { answer } = useAnswer(ask);
  useEffect(() => setTold(answer), [answer]);
  return [told, setTold];
}
