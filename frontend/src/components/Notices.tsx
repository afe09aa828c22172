import { createContext, type ReactNode, use, useCallback, useEffect, useState } from "react";
import { CrossIcon } from "./icons";

/** The lifetime of a notice without an action; one with an action stays until it is closed. */
const NOTICE_MS = 6_000;

interface Notice {
  text: string;
  action?: { label: string; run: () => void };
}

type Say = (text: string, action?: Notice["action"]) => void;

const NoticesContext = createContext<Say>(() => undefined);

/** A way to tell the viewer one thing, seen and read aloud; a newer one takes its place. */
export function useNotices(): Say {
  return use(NoticesContext);
}

export function Notices({ children }: { children: ReactNode }) {
  const [notice, setNotice] = useState<Notice | null>(null);
  const say = useCallback<Say>((text, action) => setNotice({ text, ...(action && { action }) }), []);
  const close = useCallback(() => setNotice(null), []);
  return (
    <NoticesContext value={say}>
      {children}
      {/* The region is there before its words, or a screen reader would not read them. */}
      <div className="notices" role="status" aria-live="polite">
        {notice && <NoticeBar notice={notice} close={close} />}
      </div>
    </NoticesContext>
  );
}

function NoticeBar({ notice, close }: { notice: Notice; close: () => void }) {
  const { action } = notice;
  useEffect(() => {
    if (notice.action) return;
    const timer = setTimeout(close, NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice, close]);
  return (
    <div className="notice">
      <p>{notice.text}</p>
      {action && (
        <button
          type="button"
          className="button"
          onClick={() => {
            action.run();
            close();
          }}
        >
          {action.label}
        </button>
      )}
      <button type="button" className="act" onClick={close}>
        <CrossIcon />
        <span className="visually-hidden">Close message</span>
      </button>
    </div>
  );
}
