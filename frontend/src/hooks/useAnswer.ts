import { useEffect, useState } from "react";
import { asFailure, type Failure } from "../services/failures";

export interface Asked<T> {
  answer: T | null;
  failure: Failure | null;
  isLoading: boolean;
}

/**
 * The answer to a question; asked again whenever `ask` is another function (so make it with useCallback), and not yet while it is null.
 *
 * The last answer stays while the next one is on its way, and an answer that was overtaken is never shown.
 */
export function useAnswer<T>(ask: ((signal: AbortSignal) => Promise<T>) | null): Asked<T> {
  const [asked, setAsked] = useState<Asked<T>>({ answer: null, failure: null, isLoading: true });
  useEffect(() => {
    if (ask === null) return;
    const controller = new AbortController();
    const show = (next: Partial<Asked<T>>) => {
      if (!controller.signal.aborted) setAsked((before) => ({ ...before, isLoading: false, ...next }));
    };
    setAsked((before) => ({ ...before, isLoading: true }));
    ask(controller.signal).then(
      (answer) => show({ answer, failure: null }),
      (thrown) => show({ failure: asFailure(thrown) }),
    );
    return () => controller.abort();
  }, [ask]);
  return asked;
}
