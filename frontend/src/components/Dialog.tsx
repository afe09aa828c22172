import { type ReactNode, useEffect, useId, useRef } from "react";
import { CrossIcon } from "./icons";

interface Props {
  title: string;
  /** Said above the title, smaller. */
  kicker?: string;
  className?: string;
  onClose: () => void;
  children: ReactNode;
}

/**
 * A modal dialog: the browser's own, which keeps the focus inside, closes with Escape, makes the rest inert, and gives
 * the focus back to where it was.
 */
export function Dialog({ title, kicker, className = "", onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    const opener = document.activeElement;
    const around = opener?.closest("li");
    if (element && !element.open) element.showModal();
    return () => {
      element?.close();
      // Taken off the page, the browser forgets to whom the focus belongs. A card that was dismissed in here has taken
      // its buttons along: then it goes to what stands in their place.
      const heir = opener?.isConnected ? opener : around?.querySelector("button");
      if (heir instanceof HTMLElement) heir.focus({ preventScroll: true });
    };
  }, []);
  return (
    // A click beside the dialog is a click on its backdrop. With the keyboard Escape does the same, as `cancel`.
    <dialog
      ref={dialog}
      className={`dialog ${className}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className="dialog-body">
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
        {children}
      </div>
    </dialog>
  );
}
