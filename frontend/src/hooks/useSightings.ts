import { useCallback, useEffect, useRef } from "react";

/** Share of a card that must be on the screen, and milliseconds for how long, until it counts as seen. */
const HALF = 0.5;
const SEEN_MS = 1_000;

type OnSeen = () => void;

/**
 * Tells which elements have really been seen, each once.
 *
 * @returns a function to watch an element with; it gives one back that stops watching
 */
export function useSightings(): (element: Element, onSeen: OnSeen) => () => void {
  const watched = useRef(new Map<Element, { onSeen: OnSeen; timer?: ReturnType<typeof setTimeout> }>());
  const observer = useRef<IntersectionObserver | null>(null);

  const follow = useCallback((entries: IntersectionObserverEntry[]) => {
    for (const { target, isIntersecting, intersectionRatio } of entries) {
      const one = watched.current.get(target);
      if (!one) continue;
      clearTimeout(one.timer);
      if (!isIntersecting || intersectionRatio < HALF) continue;
      one.timer = setTimeout(() => {
        // A tab in the background has everything "on the screen".
        if (document.visibilityState !== "visible") return;
        observer.current?.unobserve(target);
        watched.current.delete(target);
        one.onSeen();
      }, SEEN_MS);
    }
  }, []);

  useEffect(
    () => () => {
      observer.current?.disconnect();
      observer.current = null;
    },
    [],
  );

  return useCallback(
    (element, onSeen) => {
      observer.current ??= new IntersectionObserver(follow, { threshold: HALF });
      watched.current.set(element, { onSeen });
      observer.current.observe(element);
      return () => {
        clearTimeout(watched.current.get(element)?.timer);
        watched.current.delete(element);
        observer.current?.unobserve(element);
      };
    },
    [follow],
  );
}
