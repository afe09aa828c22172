/**
 * Being told that a feed is not what it was: a subscription as an event stream (graphql-sse, distinct connections).
 *
 * urql could read such a stream, but says nothing when it ends without an event, which is how most end: with the
 * gateway's restart or the token's time. So it is read here.
 */

import { createRequest, stringifyDocument } from "@urql/core";
import { FeedChangedDocument, type FeedChangedSubscription, type FeedKind } from "../gql/graphql";
import type { Identity } from "./identity";

export type FeedChange = FeedChangedSubscription["feedChanged"];

/** Seconds until a stream that broke is opened again; a day of restarts must not become a storm of requests. */
const WAITS_S = [2, 5, 15, 60];

const QUERY = stringifyDocument(createRequest(String(FeedChangedDocument), {}).query);

/**
 * Listen until told to stop, through restarts and outages.
 *
 * @param since gives the viewer's version as far as it is known, so that nothing is missed between two streams
 * @returns a function that stops it
 */
export function listen(
  identity: Identity,
  feeds: FeedKind[],
  since: () => number | null,
  onChange: (change: FeedChange) => void,
): () => void {
  const controller = new AbortController();
  void keepListening(identity, feeds, since, onChange, controller.signal);
  return () => controller.abort();
}

async function keepListening(
  identity: Identity,
  feeds: FeedKind[],
  since: () => number | null,
  onChange: (change: FeedChange) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      const stream = await open(identity, { feeds, since: since() }, signal);
      if (stream === null) return;
      failures = 0;
      for await (const change of changes(stream)) onChange(change);
    } catch (broken) {
      // Whatever the browser makes of a connection that ends: it is opened again. A mistake of ours is no such thing.
      if (!(broken instanceof TypeError || broken instanceof DOMException)) throw broken;
    }
    await rest(1_000 * (WAITS_S[failures] ?? 60), signal);
  }
}

/** Open a stream; null if the gateway will not have it (its subscriptions are off, or too many are open). */
async function open(
  identity: Identity,
  variables: { feeds: FeedKind[]; since: number | null },
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array> | null> {
  const answer = await identity.fetch("graphql", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ operationName: "FeedChanged", query: QUERY, variables }),
    signal,
  });
  if (answer.status >= 500) throw new TypeError(`the gateway answered ${answer.status}`);
  const isStream = answer.headers.get("Content-Type")?.startsWith("text/event-stream");
  return answer.ok && isStream ? answer.body : null;
}

/** Read the changes out of a stream of events; everything else in it (comments that keep it alive) is passed over. */
export async function* changes(stream: ReadableStream<Uint8Array>): AsyncGenerator<FeedChange> {
  const reader = stream
    .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) {
      const change = changeIn(event);
      if (change) yield change;
    }
  }
}

function changeIn(event: string): FeedChange | null {
  const data = event
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trimStart())
    .join("\n");
  if (!data) return null;
  return (JSON.parse(data) as { data?: FeedChangedSubscription }).data?.feedChanged ?? null;
}

function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
