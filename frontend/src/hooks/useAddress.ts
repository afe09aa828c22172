import { useCallback, useEffect, useState } from "react";

export type Tab = "for-you" | "trending" | "new";

/** The state of the page in the address bar, so that it can be shared, reloaded and navigated. */
export interface Address {
  tab: Tab;
  query: string;
  /** Share of meaning in a search, 0 to 1; see the argument `alpha` of the field `search`. */
  alpha: number;
  types: string[];
  tools: string[];
  categories: string[];
}

export const DEFAULT_ALPHA = 0.7;

const TABS: readonly Tab[] = ["for-you", "trending", "new"];
const LISTS = ["types", "tools", "categories"] as const;

export function readAddress(search: string): Address {
  const given = new URLSearchParams(search);
  const tab = TABS.find((one) => one === given.get("tab")) ?? "for-you";
  const alpha = Number.parseFloat(given.get("alpha") ?? "");
  return {
    tab,
    query: given.get("q") ?? "",
    alpha: alpha >= 0 && alpha <= 1 ? alpha : DEFAULT_ALPHA,
    types: given.getAll("type"),
    tools: given.getAll("tool"),
    categories: given.getAll("category"),
  };
}

export function writeAddress(address: Address): string {
  const said = new URLSearchParams();
  if (address.tab !== "for-you") said.set("tab", address.tab);
  if (address.query) said.set("q", address.query);
  if (address.alpha !== DEFAULT_ALPHA) said.set("alpha", String(address.alpha));
  for (const list of LISTS) for (const key of address[list]) said.append(SINGULAR[list], key);
  const text = said.toString();
  return text ? `?${text}` : location.pathname;
}

const SINGULAR = { types: "type", tools: "tool", categories: "category" } as const;

/** The address, and a way to change parts of it. Another tab is a step to go back from; a letter typed is not. */
export function useAddress(): [Address, (change: Partial<Address>) => void] {
  const [address, setAddress] = useState(() => readAddress(location.search));
  useEffect(() => {
    const follow = () => setAddress(readAddress(location.search));
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);
  const change = useCallback((part: Partial<Address>) => {
    const next = { ...readAddress(location.search), ...part };
    const isStep = part.tab !== undefined;
    history[isStep ? "pushState" : "replaceState"](null, "", writeAddress(next));
    setAddress(next);
  }, []);
  return [address, change];
}
