import { describe, expect, it } from "vitest";
import type { Place } from "../src/feed/feedReducer";
import { Failure } from "../src/services/failures";
import type { Gateway } from "../src/services/gateway";
import { explain, whatWouldRemoveIt } from "../src/services/why";
import { cardOf } from "./pages";

const PLACE: Place = { id: "place 4", rank: 4, score: 1, snapshotId: "ranking 1", card: cardOf("p") };
const NUMBERS = { score: 1, summary: "then", contributions: [], adjustments: [], reasons: [] };

/** A gateway that answers with this node, and notes what it was asked with. */
function gatewayWith(node: () => unknown) {
  const asked: unknown[] = [];
  const ask = async (_document: unknown, variables: unknown) => {
    asked.push(variables);
    return { node: node() };
  };
  return { asked, gateway: { ask } as unknown as Gateway };
}

const explained = (gateway: Gateway) => explain(gateway, PLACE, new AbortController().signal);

describe("an explanation", () => {
  it("is asked for by the id of the place", async () => {
    const { asked, gateway } = gatewayWith(() => ({ __typename: "FeedEdge", explanation: NUMBERS }));
    expect(await explained(gateway)).toEqual(NUMBERS);
    expect(asked).toEqual([{ id: "place 4" }]);
  });

  it("has expired with its ranking, and nothing stands in for it", async () => {
    const { asked, gateway } = gatewayWith(() => {
      throw new Failure("expired");
    });
    await expect(explained(gateway)).rejects.toMatchObject({ kind: "expired" });
    expect(asked).toHaveLength(1);
  });

  it("of a project that is gone is a sentence", async () => {
    const { gateway } = gatewayWith(() => null);
    await expect(explained(gateway)).rejects.toMatchObject({ kind: "refused", message: /no longer available/ });
    expect(await whatWouldRemoveIt(gateway, PLACE)).toBeNull();
  });
});
