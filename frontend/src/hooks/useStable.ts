import { useCallback, useRef } from "react";

/** A function that stays the same and calls the latest one, so that a memoized component does not render for it. */
export function useStable<Arguments extends unknown[]>(
  call: (...given: Arguments) => void,
): (...given: Arguments) => void {
  const latest = useRef(call);
  latest.current = call;
  return useCallback((...given) => latest.current(...given), []);
}
