import type { ReactNode } from "react";
import { useTheme } from "../hooks/useTheme";
import { ThemeIcon } from "./icons";

/** The name of the page, and beside it what is about the viewer. */
export function PageHeader({ children }: { children: ReactNode }) {
  const [theme, nextTheme] = useTheme();
  return (
    <header className="page-header">
      <h1>Explore</h1>
      {children}
      <button type="button" className="act" onClick={nextTheme} title={`Theme: ${theme}`}>
        <ThemeIcon />
        <span className="visually-hidden">Theme: {theme}</span>
      </button>
    </header>
  );
}
