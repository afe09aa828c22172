import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Identity } from "../src/services/identity";
import { changes, listen } from "../src/services/live";

const EVENT =
  'event: next\ndata: {"data":{"feedChanged":{"feed":"FOR_YOU","reason":"VIEWER","version":7}}}\n\n';

/** A body that comes in these pieces. */
function stream(...pieces: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
}

async function versions(...pieces: string[]): Promise<number[]> {
  const found = [];
  for await (const { version } of changes(stream(...pieces))) found.push(version);
  return found;
}

beforeEach(() => {
  vi.useFakeTimers();
  localStorage.setItem("explore.session", "session 1");
});

afterEach(() => {
  vi.useRealTimers();
});

describe("a stream of changes", () => {
  it("is read however it is cut, and comments in it are passed over", async () => {
    expect(await versions(EVENT, ":\n\n", EVENT)).toEqual([7, 7]);
    expect(await versions(EVENT.slice(0, 30), EVENT.slice(30, 31), EVENT.slice(31) + EVENT)).toEqual([7, 7]);
    expect(await versions(":\n\n", "event: complete\ndata:\n\n")).toEqual([]);
  });

  it("is opened again when it ends, from the version that is known by then, until nobody listens", async () => {
    let known = 6;
    const carry = vi.fn(
      async () => new Response(stream(EVENT), { headers: { "Content-Type": "text/event-stream" } }),
    );
    const stop = listen(
      new Identity(null, undefined, carry as unknown as typeof fetch),
      ["FOR_YOU"],
      () => known,
      ({ version }) => {
        known = version;
      },
    );
    await vi.advanceTimersByTimeAsync(3_000);
    stop();
    await vi.advanceTimersByTimeAsync(600_000);
    const asked = carry.mock.calls.map((call) =>
      JSON.parse((call as unknown as [string, RequestInit])[1].body as string),
    );
    expect(asked.map(({ variables }) => variables.since)).toEqual([6, 7]);
  });

  it("is left alone where the gateway has none", async () => {
    const carry = vi.fn(async () => new Response("{}", { status: 400 }));
    listen(new Identity(null, undefined, carry as unknown as typeof fetch), ["FOR_YOU"], () => null, vi.fn());
    await vi.advanceTimersByTimeAsync(600_000);
    expect(carry).toHaveBeenCalledOnce();
  });

  it("is asked for ever more patiently while nobody answers", async () => {
    const carry = vi.fn(async () => Promise.reject(new TypeError("failed to fetch")));
    const stop = listen(
      new Identity(null, undefined, carry as unknown as typeof fetch),
      ["NEWEST"],
      () => null,
      vi.fn(),
    );
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    stop();
    expect(carry.mock.calls.length).toBeGreaterThan(5);
    expect(carry.mock.calls.length).toBeLessThan(15);
  });
});
