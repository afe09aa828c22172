import { useCallback, useEffect, useMemo, useState } from "react";
import type { Beacons } from "../services/beacons";
import type { Gateway } from "../services/gateway";
import { fetchStatus, type Status } from "../services/onboarding";
import { useAnswer } from "./useAnswer";

/**
 * How well the viewer is known: asked with each ranking that comes, and set from answers that bring it along.
 *
 * What the settings say of beacons comes with it.
 */
export function useStatus(
  gateway: Gateway,
  ranking: string | undefined,
  beacons: Beacons,
): [Status | null, (status: Status) => void] {
  const [told, setTold] = useState<Status | null>(null);
  const ask = useCallback((signal: AbortSignal) => fetchStatus(gateway, signal), [gateway]);
  const { answer } = useAnswer(useMemo(() => (ranking ? (signal) => ask(signal) : null), [ask, ranking]));
  useEffect(() => {
    if (answer === null) return;
    setTold(answer.status);
    beacons.allow(answer.mayLearnFromViews);
  }, [answer, beacons]);
  return [told, setTold];
}
