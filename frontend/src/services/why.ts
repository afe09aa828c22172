/** Explanations of projects in feeds. */

import type { Place } from "../feed/feedReducer";
import { WhatWouldRemoveItDocument, WhyDocument, type WhyFragment } from "../gql/graphql";
import { Failure } from "./failures";
import type { Gateway } from "./gateway";

export type Explanation = WhyFragment;
export type Contribution = Explanation["contributions"][number];
export type Reason = Explanation["reasons"][number];
export type Adjustment = Explanation["adjustments"][number];

const GONE = "This project is no longer available.";

/**
 * The numbers that ranked a place.
 *
 * @throws Failure if there is no answer; its kind is "expired" if the ranking is gone
 */
export async function explain(gateway: Gateway, place: Place, signal: AbortSignal): Promise<Explanation> {
  const { node } = await gateway.ask(WhyDocument, { id: place.id }, signal);
  if (node?.__typename !== "FeedEdge" || !node.explanation) throw new Failure("refused", GONE);
  return node.explanation;
}

/** In one sentence, what of the viewer's own doing keeps a project on the page; null if nothing small does. */
export async function whatWouldRemoveIt(gateway: Gateway, place: Place): Promise<string | null> {
  const { node } = await gateway.ask(WhatWouldRemoveItDocument, { id: place.id });
  return node?.__typename === "FeedEdge" ? (node.explanation?.whatWouldRemoveIt?.text ?? null) : null;
}
