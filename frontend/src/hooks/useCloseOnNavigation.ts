import { useEffect } from "react";
import { useStable } from "./useStable";

/**
 * Close a dialog with the browser's back button, which then stays on the page; a page that navigates in spite of it (by
 * the forward button, or in a browser without the Navigation API) closes it as well. Of nested dialogs, back closes the
 * innermost one.
 */
export function useCloseOnNavigation(dialog: { current: HTMLDialogElement | null }, onClose: () => void): void {
  const close = useStable(onClose);
  useEffect(() => {
    const stay = (event: NavigateEvent) => {
      const isBack = event.navigationType === "traverse" && event.destination.index < currentIndex();
      if (!isBack || !event.cancelable || !isInnermost(dialog.current)) return;
      event.preventDefault();
      close();
    };
    window.navigation?.addEventListener("navigate", stay);
    addEventListener("popstate", close);
    return () => {
      window.navigation?.removeEventListener("navigate", stay);
      removeEventListener("popstate", close);
    };
  }, [dialog, close]);
}

function currentIndex(): number {
  return window.navigation?.currentEntry?.index ?? 0;
}

function isInnermost(dialog: HTMLDialogElement | null): boolean {
  return [...document.querySelectorAll("dialog[open]")].at(-1) === dialog;
}
