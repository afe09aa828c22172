import { describe, expect, it } from "vitest";
import { EMPTY_FEED, type FeedAction, feedReducer } from "../src/feed/feedReducer";
import { Failure } from "../src/services/failures";
import { pageOf } from "./pages";

const stateAfter = (...actions: FeedAction[]) => actions.reduce(feedReducer, EMPTY_FEED);
const keys = (...actions: FeedAction[]) => stateAfter(...actions).places.map((place) => place.card.key);

const READ: FeedAction = { type: "read", reading: 1, keep: false };
const MORE: FeedAction = { type: "read more", reading: 1 };
const page = (reading: number, ...names: string[]): FeedAction => ({
  type: "page",
  reading,
  page: pageOf(names),
});

describe("a feed", () => {
  it("grows page by page", () => {
    expect(keys(READ, page(1, "a", "b"), MORE, page(1, "c"))).toEqual(["a", "b", "c"]);
  });

  it("shows no project twice, though a page brings it again", () => {
    expect(keys(READ, page(1, "a", "b"), MORE, page(1, "b", "c"))).toEqual(["a", "b", "c"]);
  });

  it("ignores an answer that comes late", () => {
    const late = page(1, "of the tab before");
    const begun: FeedAction = { type: "read", reading: 2, keep: false };
    expect(keys(READ, begun, page(2, "a"), late)).toEqual(["a"]);
    expect(stateAfter(READ, begun, late).phase).toBe("loading");
  });

  it("keeps what is shown when its ranking has expired, and goes on with what is new", () => {
    const state = stateAfter(
      READ,
      page(1, "a", "b"),
      MORE,
      { type: "ranking expired", reading: 1 },
      page(1, "c", "a"),
    );
    expect(state.places.map((place) => place.card.key)).toEqual(["a", "b", "c"]);
    expect(state.seams).toEqual([2]);
  });

  it("keeps the cards on the screen while it is read anew, and then replaces them", () => {
    const anew: FeedAction = { type: "read", reading: 2, keep: true };
    expect(keys(READ, page(1, "a"), anew)).toEqual(["a"]);
    expect(keys(READ, page(1, "a"), anew, page(2, "b"))).toEqual(["b"]);
  });

  it("knows the id of each place in its ranking", () => {
    const { places } = stateAfter(READ, page(1, "a", "b"), MORE, page(1, "c"));
    expect(places.map((place) => place.id)).toEqual(["place of a", "place of b", "place of c"]);
  });

  it("tells a first page that failed from a later one", () => {
    const failure = new Failure("unreachable");
    expect(stateAfter(READ, { type: "failed", reading: 1, failure }).phase).toBe("failed");
    const later = stateAfter(READ, page(1, "a"), MORE, { type: "failed", reading: 1, failure });
    expect([later.phase, later.places.length]).toEqual(["more-failed", 1]);
  });
});
