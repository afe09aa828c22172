import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Place } from "../src/feed/feedReducer";
import type { InteractionInput } from "../src/gql/graphql";
import { Beacons, batches, GATHER_MS, MOST_BYTES } from "../src/services/beacons";
import { Failure } from "../src/services/failures";
import { cardOf } from "./pages";

const place = (key: string, snapshotId = "ranking 1"): Place => ({
  id: `place of ${key}`,
  rank: 1,
  score: 1,
  snapshotId,
  card: cardOf(key),
});

/** Beacons that may be sent, to a gateway that remembers them. */
function started({
  saysNo = false,
  send = vi.fn(async (_: InteractionInput[], __: boolean) => undefined),
} = {}) {
  const beacons = new Beacons(send, "guest", () => saysNo);
  beacons.allow(true);
  const sent = () =>
    send.mock.calls.flatMap(([events]) => events.map(({ project, type }) => `${type} ${project}`));
  return { beacons, send, sent };
}

beforeEach(() => {
  localStorage.clear();
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("beacons", () => {
  it("go together after a while, with where it happened", async () => {
    const { beacons, send } = started();
    beacons.note("IMPRESSION", "FOR_YOU", place("a"));
    beacons.note("CLICK", "FOR_YOU", place("a"));
    expect(send).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(send).toHaveBeenCalledOnce();
    expect(send.mock.calls[0]?.[0][1]).toMatchObject({
      project: "a",
      type: "CLICK",
      feed: "FOR_YOU",
      rank: 1,
      snapshotId: "ranking 1",
    });
  });

  it("say once that a place of a ranking was shown", async () => {
    const { beacons, sent } = started();
    for (const one of [place("a"), place("a"), place("a", "ranking 2")])
      beacons.note("IMPRESSION", "NEWEST", one);
    await beacons.flush();
    expect(sent()).toEqual(["IMPRESSION a", "IMPRESSION a"]);
  });

  it("outlive the page that noted them, under the same ids", async () => {
    const away = started({ send: vi.fn(async () => Promise.reject(new Failure("unreachable"))) });
    away.beacons.note("CLICK", "FOR_YOU", place("a"));
    await away.beacons.flush();
    const again = started();
    await again.beacons.flush();
    expect(again.sent()).toEqual(["CLICK a"]);
    expect(again.send.mock.calls[0]?.[0][0]?.id).toBe(away.send.mock.calls[0]?.[0][0]?.id);
    await again.beacons.flush();
    expect(again.send).toHaveBeenCalledOnce();
  });

  it("that are refused for good are not sent for ever", async () => {
    const { beacons, send } = started({
      send: vi.fn(async () => Promise.reject(new Failure("refused", "too old"))),
    });
    beacons.note("CLICK", "FOR_YOU", place("a"));
    await beacons.flush();
    await beacons.flush();
    expect(send).toHaveBeenCalledOnce();
  });

  it("are not even noted for whoever says no in the browser", async () => {
    const { beacons, send } = started({ saysNo: true });
    beacons.note("CLICK", "FOR_YOU", place("a"));
    await beacons.flush(true);
    expect(send).not.toHaveBeenCalled();
    expect(localStorage).toHaveLength(0);
  });

  it("wait until the settings are known, and go away if these say no", async () => {
    const send = vi.fn(async () => undefined);
    const beacons = new Beacons(send, "guest", () => false);
    beacons.note("CLICK", "FOR_YOU", place("a"));
    await vi.advanceTimersByTimeAsync(2 * GATHER_MS);
    expect(send).not.toHaveBeenCalled();
    beacons.allow(false);
    beacons.note("CLICK", "FOR_YOU", place("b"));
    beacons.allow(true);
    await beacons.flush();
    expect(send).not.toHaveBeenCalled();
  });

  it("of one viewer are never sent as another's", async () => {
    const away = started({ send: vi.fn(async () => Promise.reject(new Failure("offline"))) });
    away.beacons.note("CLICK", "FOR_YOU", place("a"));
    await away.beacons.flush();
    const send = vi.fn(async () => undefined);
    const other = new Beacons(send, "user:ada", () => false);
    other.allow(true);
    await other.flush();
    expect(send).not.toHaveBeenCalled();
  });

  it("come in requests that may outlive their page", () => {
    const events = Array.from(
      { length: 700 },
      (_, at) => ({ project: "ü".repeat(90), type: "CLICK", id: `${at}` }) as const,
    );
    const cut = batches(events);
    expect(cut.flat()).toEqual(events);
    for (const batch of cut) {
      expect(new TextEncoder().encode(JSON.stringify(batch)).length).toBeLessThanOrEqual(MOST_BYTES + 1);
      expect(batch.length).toBeLessThanOrEqual(500);
    }
  });
});
