import { describe, expect, it } from "vitest";
import type { Place } from "../src/feed/feedReducer";
import { Failure } from "../src/services/failures";
import type { Gateway } from "../src/services/gateway";
import { explain } from "../src/services/why";
import { cardOf } from "./pages";

const PLACE: Place = { rank: 4, score: 1, snapshotId: "ranking 1", after: "after 3", card: cardOf("p") };
const SOURCE = { kind: "FOR_YOU", where: {} } as const;
const numbers = (summary: string) => ({ score: 1, summary, contributions: [], adjustments: [], reasons: [] });

/** A gateway that answers for the place, and for the project as it would be ranked now. */
function gatewayThat(here: () => { snapshotId: string; key: string }) {
  const ask = async (document: { toString(): string }) => {
    if (document.toString().includes("WhyNow")) return { project: { explanation: numbers("now") } };
    const { snapshotId, key } = here();
    return { feed: { snapshotId, edges: [{ rank: 4, node: { key }, explanation: numbers("then") }] } };
  };
  return { ask } as unknown as Gateway;
}

const said = async (here: () => { snapshotId: string; key: string }) => {
  const why = await explain(gatewayThat(here), SOURCE, PLACE, new AbortController().signal);
  return [why.explanation.summary, why.isOfThisPage];
};

describe("an explanation", () => {
  it("is the one that ranked the page", async () => {
    expect(await said(() => ({ snapshotId: "ranking 1", key: "p" }))).toEqual(["then", true]);
  });

  it("is of now, and says so, when the ranking is gone", async () => {
    const expired = () => {
      throw new Failure("expired");
    };
    expect(await said(expired)).toEqual(["now", false]);
  });

  it("is never that of a newer ranking, or of another project, passed off as the page's", async () => {
    expect(await said(() => ({ snapshotId: "ranking 2", key: "p" }))).toEqual(["now", false]);
    expect(await said(() => ({ snapshotId: "ranking 1", key: "q" }))).toEqual(["now", false]);
  });
});
