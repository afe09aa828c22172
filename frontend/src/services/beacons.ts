/**
 * What was shown, opened and read, told to the gateway in batches.
 *
 * Events wait in localStorage, by viewer, until the gateway has taken them: a reload, a crash or an hour without network
 * loses none. Each has an id of its own, so one that is sent again counts once. Nothing is noted for whoever has said no,
 * by Do Not Track, by Global Privacy Control or in the settings, and nothing is sent before the settings are known.
 */

import type { Place } from "../feed/feedReducer";
import type { FeedKind, InteractionInput } from "../gql/graphql";
import { Failure } from "./failures";

export type BeaconType = "IMPRESSION" | "CLICK" | "VIEW";

type Send = (events: InteractionInput[], keepalive: boolean) => Promise<unknown>;

/** Milliseconds for which events are gathered before they go. */
export const GATHER_MS = 5_000;

/** Bytes of one request: browsers let 64 KB outlive their page, all such requests together. */
export const MOST_BYTES = 60_000;

/** Events of one request, as many as the gateway takes. */
const MOST_EVENTS = 500;

/** Events that wait at most; the oldest go first. They are refused after 7 days anyway. */
const MOST_WAITING = 2_000;

export class Beacons {
  readonly #key: string;
  readonly #shown = new Set<string>();
  #isAllowed: boolean | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> | null = null;

  constructor(
    private readonly send: Send,
    viewer: string,
    private readonly hasSaidNo: () => boolean = saysNoByBrowser,
  ) {
    this.#key = `explore.events.${viewer}`;
  }

  /** What the viewer's settings say; null while they are not known: events wait, and are not sent. */
  allow(isAllowed: boolean | null): void {
    this.#isAllowed = isAllowed;
    if (isAllowed === false) localStorage.removeItem(this.#key);
    if (isAllowed && this.#waiting().length > 0) this.#later();
  }

  /** Note one event; a place of one ranking counts as shown once. */
  note(type: BeaconType, feed: FeedKind, place: Place, at = new Date()): void {
    if (this.#isAllowed === false || this.hasSaidNo()) return;
    const { snapshotId, rank, card } = place;
    if (type === "IMPRESSION") {
      if (this.#shown.has(`${snapshotId} ${card.key}`)) return;
      this.#shown.add(`${snapshotId} ${card.key}`);
    }
    const event = { project: card.key, type, at: at.toISOString(), id: newId(), feed, rank, snapshotId };
    this.#keep([...this.#waiting(), event].slice(-MOST_WAITING));
    this.#later();
  }

  /** Send what waits now. With `leaving` the requests outlive the page. */
  flush(leaving = false): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#isAllowed) return Promise.resolve();
    // While the page is left there is no time to wait for what is on its way: twice is no harm.
    if (leaving) return this.#sendAll(true);
    this.#sending ??= this.#sendAll(false).finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  #later(): void {
    this.#timer ??= setTimeout(() => void this.flush(), GATHER_MS);
  }

  async #sendAll(keepalive: boolean): Promise<void> {
    for (const batch of batches(this.#waiting())) {
      try {
        await this.send(batch, keepalive);
      } catch (thrown) {
        // Refused as a whole means for ever; anything else is tried again with the next batch.
        if (!(thrown instanceof Failure) || thrown.kind !== "refused") return;
      }
      const sent = new Set(batch.map((event) => event.id));
      // Read once more: another tab of the same viewer may have added some.
      this.#keep(this.#waiting().filter((event) => !sent.has(event.id)));
    }
  }

  #waiting(): InteractionInput[] {
    try {
      return JSON.parse(localStorage.getItem(this.#key) ?? "[]") as InteractionInput[];
    } catch {
      return []; // somebody edited it
    }
  }

  #keep(events: InteractionInput[]): void {
    if (events.length > 0) localStorage.setItem(this.#key, JSON.stringify(events));
    else localStorage.removeItem(this.#key);
  }
}

/** Cut events into requests that are small enough. */
export function batches(events: InteractionInput[]): InteractionInput[][] {
  const cut: InteractionInput[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const event of events) {
    const size = new TextEncoder().encode(JSON.stringify(event)).length + 1;
    const batch = cut.at(-1);
    if (batch === undefined || bytes + size > MOST_BYTES || batch.length >= MOST_EVENTS) {
      cut.push([event]);
      bytes = size;
    } else {
      batch.push(event);
      bytes += size;
    }
  }
  return cut;
}

function saysNoByBrowser(): boolean {
  const asked = navigator as Navigator & { globalPrivacyControl?: boolean };
  return asked.doNotTrack === "1" || asked.globalPrivacyControl === true;
}

/** 128 random bits. `crypto.randomUUID` is there on https and localhost only. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
