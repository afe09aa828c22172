import { type PointerEvent, useRef, useState } from "react";

/** Pixels that a card must be drawn to one side to count: past a trembling finger, short of half a phone. */
const FAR_ENOUGH = 72;

/** Pixels to tell drawing from pressing. */
const BEGINS = 10;

interface Swipe {
  /** How far the card is drawn to the right at the moment; negative to the left. */
  offset: number;
  bind: {
    onPointerDown: (event: PointerEvent<HTMLElement>) => void;
    onPointerMove: (event: PointerEvent<HTMLElement>) => void;
    onPointerUp: () => void;
    onPointerCancel: () => void;
  };
}

/** Draw something to the left or right by finger, pen or mouse. Scrolling up and down stays the browser's. */
export function useSwipe({ left, right }: { left: () => void; right: () => void }): Swipe {
  const start = useRef<{ x: number; y: number; id: number } | null>(null);
  /** As `offset`, but current in events that come before the next render. */
  const drawn = useRef(0);
  const [offset, setOffset] = useState(0);
  const move = (pixels: number) => {
    drawn.current = pixels;
    setOffset(pixels);
  };
  const stop = () => {
    start.current = null;
    move(0);
  };
  const end = () => {
    if (drawn.current <= -FAR_ENOUGH) left();
    if (drawn.current >= FAR_ENOUGH) right();
    stop();
  };
  return {
    offset,
    bind: {
      onPointerDown: (event) => {
        const isWriting = (event.target as HTMLElement).closest("textarea, input[type='search']") !== null;
        if (event.isPrimary && event.button === 0 && !isWriting) {
          start.current = {
            x: event.clientX,
            y: event.clientY,
            id: event.pointerId,
          };
        }
      },
      onPointerMove: (event) => {
        if (start.current === null || event.pointerId !== start.current.id) return;
        const pixels = event.clientX - start.current.x;
        const isSideways = Math.abs(pixels) > Math.abs(event.clientY - start.current.y);
        if (drawn.current === 0 && (Math.abs(pixels) < BEGINS || !isSideways)) return;
        // From here on it is no press: the chip below the finger must not take it for one.
        event.currentTarget.setPointerCapture(event.pointerId);
        move(pixels);
      },
      onPointerUp: end,
      onPointerCancel: stop,
    },
  };
}
