import { type MouseEvent, type PointerEvent, type ReactNode, useEffect, useId, useRef } from "react";
import { useCloseOnNavigation } from "../hooks/useCloseOnNavigation";
import { CrossIcon } from "./icons";

interface Props {
  title: string;
  /** Smaller text above the title. */
  kicker?: string;
  className?: string;
  onClose: () => void;
  children: ReactNode;
}

/**
 * A modal dialog, the browser's own: it keeps the focus inside, closes with Escape and makes the rest inert.
 *
 * The back button, the close button and a press on the backdrop close it too. Its head stays in view while its body
 * scrolls. When it closes, the focus returns to the element that had it before.
 */
export function Dialog({ title, kicker, className = "", onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useFocusReturn(dialog);
  useCloseOnNavigation(dialog, onClose);
  const backdrop = useBackdrop(onClose);
  return (
    <dialog
      ref={dialog}
      className={`dialog ${className}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      {...backdrop}
    >
      <header className="dialog-head">
        <div>
          {kicker && <p className="kicker">{kicker}</p>}
          <h2 id={id} dir="auto">
            {title}
          </h2>
        </div>
        <button type="button" className="act" onClick={onClose}>
          <CrossIcon />
          <span className="visually-hidden">Close</span>
        </button>
      </header>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}

/** Open the dialog, and return the focus when it is removed. */
function useFocusReturn(dialog: { current: HTMLDialogElement | null }) {
  useEffect(() => {
    const element = dialog.current;
    const opener = document.activeElement;
    const place = opener?.closest("li");
    if (element && !element.open) element.showModal();
    return () => {
      element?.close();
      // The opener may be gone: the dialog has dismissed its card (the undo button stands in its place) or has replaced
      // the feed's banner.
      const target = opener?.isConnected ? opener : place?.querySelector("button");
      if (target instanceof HTMLElement && target !== document.body) target.focus({ preventScroll: true });
      else document.getElementById("feed")?.focus({ preventScroll: true });
    };
  }, [dialog]);
}

/** Close on a press that begins and ends on the backdrop; one that selects text out of the dialog only ends there. */
function useBackdrop(onClose: () => void) {
  const began = useRef(false);
  const ended = useRef(false);
  return {
    onPointerDown: (event: PointerEvent<HTMLDialogElement>) => {
      began.current = isOnBackdrop(event);
    },
    onPointerUp: (event: PointerEvent<HTMLDialogElement>) => {
      ended.current = isOnBackdrop(event);
    },
    onClick: () => {
      if (began.current && ended.current) onClose();
      began.current = false;
    },
  };
}

/** True for an event on the dialog's backdrop, which is outside its box. */
function isOnBackdrop(event: MouseEvent<HTMLDialogElement>): boolean {
  if (event.target !== event.currentTarget) return false;
  const { left, right, top, bottom } = event.currentTarget.getBoundingClientRect();
  const { clientX, clientY } = event;
  return clientX < left || clientX >= right || clientY < top || clientY >= bottom;
}
