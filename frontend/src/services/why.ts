/** Why a project stands where it stands. */

import type { Place } from "../feed/feedReducer";
import {
  WhatWouldRemoveItDocument,
  WhyForYouDocument,
  WhyFoundDocument,
  type WhyFragment,
  type WhyHereFragment,
  WhyNewestDocument,
  WhyNowDocument,
  WhyTrendingDocument,
} from "../gql/graphql";
import type { FeedSource } from "./explore";
import { Failure } from "./failures";
import type { Gateway } from "./gateway";

export type Explanation = WhyFragment;
export type Contribution = Explanation["contributions"][number];
export type Reason = Explanation["reasons"][number];
export type Adjustment = Explanation["adjustments"][number];

export interface Why {
  explanation: Explanation;
  /** Whether these are the numbers that ranked the page on the screen; else those that would rank it now. */
  isOfThisPage: boolean;
}

/** @throws Failure if the gateway has no answer */
export async function explain(
  gateway: Gateway,
  source: FeedSource,
  place: Place,
  signal: AbortSignal,
): Promise<Why> {
  const here = await explainHere(gateway, source, place, signal);
  if (here !== null) return { explanation: here, isOfThisPage: true };
  const { project } = await gateway.ask(WhyNowDocument, { key: place.card.key }, signal);
  if (project?.explanation == null) {
    throw new Failure("refused", "This project is not to be seen any more, so there is nothing to explain.");
  }
  return { explanation: project.explanation, isOfThisPage: false };
}

async function explainHere(
  gateway: Gateway,
  source: FeedSource,
  place: Place,
  signal: AbortSignal,
): Promise<Explanation | null> {
  try {
    const feed = await askHere(gateway, source, place.after, signal);
    const edge = feed?.edges[0];
    // The first place has no cursor before it, so a newer ranking may answer; and what stood here may be hidden now.
    const isIt = edge?.node.key === place.card.key && feed?.snapshotId === place.snapshotId;
    return isIt ? (edge.explanation ?? null) : null;
  } catch (thrown) {
    if (thrown instanceof Failure && thrown.kind === "expired") return null;
    throw thrown;
  }
}

async function askHere(
  gateway: Gateway,
  source: FeedSource,
  after: string | null,
  signal: AbortSignal,
): Promise<WhyHereFragment | null> {
  const asked = { after, where: source.where };
  switch (source.kind) {
    case "FOR_YOU":
      return (await gateway.ask(WhyForYouDocument, asked, signal)).feed;
    case "TRENDING":
      return (await gateway.ask(WhyTrendingDocument, asked, signal)).feed;
    case "NEWEST":
      return (await gateway.ask(WhyNewestDocument, asked, signal)).feed;
    case "SEARCH": {
      const { query, alpha } = source;
      return (await gateway.ask(WhyFoundDocument, { ...asked, query, alpha }, signal)).feed;
    }
  }
}

/** In one sentence, what of the viewer's own doing keeps a project on the page; null if nothing small does. */
export async function whatWouldRemoveIt(
  gateway: Gateway,
  source: FeedSource,
  place: Place,
): Promise<string | null> {
  const { feed } = await gateway.ask(WhatWouldRemoveItDocument, { after: place.after, where: source.where });
  const edge = feed?.edges[0];
  return edge?.node.key === place.card.key ? (edge.explanation?.whatWouldRemoveIt?.text ?? null) : null;
}
