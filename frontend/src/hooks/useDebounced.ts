import { useEffect, useState } from "react";

/** Milliseconds of rest after which typing counts as done: below it each letter would be a search. */
export const TYPING_REST_MS = 200;

/** A value as it was when it last came to rest. */
export function useDebounced<T>(value: T, rest = TYPING_REST_MS): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), rest);
    return () => clearTimeout(timer);
  }, [value, rest]);
  return rested;
}
