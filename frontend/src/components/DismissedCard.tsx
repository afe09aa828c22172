import { useEffect, useRef } from "react";

interface Props {
  title: string;
  /** What else the dismissal did, if anything. */
  also?: string | undefined;
  onUndo: () => void;
}

/** Stands where a dismissed card was, so that nothing moves and undoing is where the mistake was made. */
export function DismissedCard({ title, also, onUndo }: Props) {
  const undo = useRef<HTMLButtonElement>(null);
  // The button that was pressed is gone; whoever uses a keyboard goes on from here.
  useEffect(() => {
    if (document.activeElement === document.body) undo.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div className="card dismissed">
      <p>You won't see this again:</p>
      <p dir="auto" className="dismissed-title">
        {title}
      </p>
      {also && <p>{also}</p>}
      <button type="button" ref={undo} className="button" onClick={onUndo}>
        Undo
      </button>
    </div>
  );
}
