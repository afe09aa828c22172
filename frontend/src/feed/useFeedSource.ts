import { useMemo } from "react";
import type { Address } from "../hooks/useAddress";
import type { FeedSource } from "../services/explore";

const KINDS = { "for-you": "FOR_YOU", trending: "TRENDING", new: "NEWEST" } as const;

/** The source that an address names; the same object as long as it names the same. */
export function useFeedSource(address: Address): FeedSource {
  const { tab, query, alpha } = address;
  const said = JSON.stringify([address.types, address.tools, address.categories]);
  return useMemo(() => {
    const [types, tools, categories] = JSON.parse(said) as [string[], string[], string[]];
    const where = { types, tools, categories };
    return query.trim() ? { kind: "SEARCH", where, query: query.trim(), alpha } : { kind: KINDS[tab], where };
  }, [tab, query, alpha, said]);
}

/** True if filters are set. */
export function isNarrowed({ types, tools, categories }: Address): boolean {
  return types.length + tools.length + categories.length > 0;
}
