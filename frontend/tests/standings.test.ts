import { describe, expect, it, vi } from "vitest";
import { Standings } from "../src/feed/standings";
import type { Act, ActAnswer, Standing } from "../src/services/acts";
import { Failure } from "../src/services/failures";

const BEFORE: Standing = { liked: false, saved: false, dismissed: false, likeCount: 3 };

/** A gateway that answers when the test says so. */
function slowGateway() {
  const asked: {
    key: string;
    act: Act;
    want: boolean;
    answer: (a: ActAnswer) => void;
    fail: (f: Failure) => void;
  }[] = [];
  const send = (key: string, act: Act, want: boolean) =>
    new Promise<ActAnswer>((answer, fail) => asked.push({ key, act, want, answer, fail }));
  return { asked, send };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

describe("what somebody does with a project", () => {
  it("shows at once, and then as the gateway says", async () => {
    const { asked, send } = slowGateway();
    const standings = new Standings(send);
    standings.wish("p", "liked", true, BEFORE);
    expect(standings.get("p")).toMatchObject({ liked: true, likeCount: 4 });
    asked[0]?.answer({ standing: { liked: true, likeCount: 9 }, version: 2 });
    await settled();
    expect(standings.get("p")).toMatchObject({ liked: true, likeCount: 9 });
  });

  it("is taken back, and said, when the gateway refuses", async () => {
    const { asked, send } = slowGateway();
    const onFailure = vi.fn();
    const standings = new Standings(send, { onFailure });
    standings.wish("p", "liked", true, BEFORE);
    asked[0]?.fail(new Failure("unreachable"));
    await settled();
    expect(standings.get("p")).toEqual(BEFORE);
    expect(onFailure).toHaveBeenCalledOnce();
  });

  it("sends a second wish only when the first is answered", async () => {
    const { asked, send } = slowGateway();
    const standings = new Standings(send);
    standings.wish("p", "liked", true, BEFORE);
    standings.wish("p", "liked", false, BEFORE);
    expect(asked.map(({ want }) => want)).toEqual([true]);
    asked[0]?.answer({ standing: { liked: true, likeCount: 4 }, version: 2 });
    await settled();
    expect(standings.get("p")).toMatchObject({ liked: false, likeCount: 3 });
    expect(asked.map(({ want }) => want)).toEqual([true, false]);
  });

  it("sends nothing more when ten clicks end where the first began", async () => {
    const { asked, send } = slowGateway();
    const standings = new Standings(send);
    for (let click = 0; click < 11; click += 1) standings.wish("p", "saved", click % 2 === 0, BEFORE);
    asked[0]?.answer({ standing: { saved: true }, version: 2 });
    await settled();
    expect(asked).toHaveLength(1);
    expect(standings.get("p")?.saved).toBe(true);
  });

  it("does not let the answer to one act undo another that is on its way", async () => {
    const { asked, send } = slowGateway();
    const standings = new Standings(send);
    standings.wish("p", "liked", true, BEFORE);
    standings.wish("p", "saved", true, BEFORE);
    asked[0]?.answer({ standing: { liked: true, saved: false, likeCount: 4 }, version: 2 });
    await settled();
    expect(standings.get("p")).toMatchObject({ liked: true, saved: true });
  });

  it("is forgotten once settled, when the feed is read anew", async () => {
    const { asked, send } = slowGateway();
    const standings = new Standings(send);
    standings.wish("a", "saved", true, BEFORE);
    standings.wish("b", "saved", true, BEFORE);
    asked[0]?.answer({ standing: {}, version: 2 });
    await settled();
    standings.forgetSettled();
    expect([standings.get("a"), standings.get("b")?.saved]).toEqual([undefined, true]);
  });
});
