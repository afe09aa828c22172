/** Queries of the page, one function for each. */

import {
  type CardFragment,
  type FeedPageFragment,
  ForYouDocument,
  NewestDocument,
  type ProjectFilter,
  SearchDocument,
  TrendingDocument,
} from "../gql/graphql";
import { Failure } from "./failures";
import type { Gateway } from "./gateway";

export type Card = CardFragment;
export type FeedPage = FeedPageFragment;

/** The source of a feed; equal sources have the same feed. */
export type FeedSource =
  | { kind: "FOR_YOU" | "TRENDING" | "NEWEST"; where: ProjectFilter }
  | { kind: "SEARCH"; where: ProjectFilter; query: string; alpha: number };

/** Cards in one page: three screens of a laptop, 30 KB. */
export const PAGE_SIZE = 24;

/** One page of a feed, from behind `after` on. */
export async function fetchFeed(
  gateway: Gateway,
  source: FeedSource,
  after: string | null,
  signal?: AbortSignal,
  first = PAGE_SIZE,
): Promise<FeedPage> {
  const { feed } = await askFeed(gateway, source, { first, after, where: source.where }, signal);
  if (feed == null) throw new Failure("broken");
  return feed;
}

function askFeed(
  gateway: Gateway,
  source: FeedSource,
  page: { first: number; after: string | null; where: ProjectFilter },
  signal?: AbortSignal,
) {
  switch (source.kind) {
    case "FOR_YOU":
      return gateway.ask(ForYouDocument, page, signal);
    case "TRENDING":
      return gateway.ask(TrendingDocument, page, signal);
    case "NEWEST":
      return gateway.ask(NewestDocument, page, signal);
    case "SEARCH":
      return gateway.ask(SearchDocument, { ...page, query: source.query, alpha: source.alpha }, signal);
  }
}
