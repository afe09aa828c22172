import type { CombinedError } from "@urql/core";

/** The kinds of failures that the page distinguishes. */
export type FailureKind =
  | "offline" // the browser has no network
  | "unreachable" // nobody answers at the gateway's address
  | "expired" // the ranking behind a cursor or a place is gone: start over
  | "signed-out" // the token is not good any more
  | "busy" // asked too often or too much
  | "refused" // the gateway says what was wrong with the request
  | "broken"; // the gateway could not do it

const KINDS: Record<string, FailureKind> = {
  SNAPSHOT_EXPIRED: "expired",
  FOREIGN_CURSOR: "expired",
  FOREIGN_ID: "expired",
  UNAUTHENTICATED: "signed-out",
  RATE_LIMITED: "busy",
  TOO_MANY_REQUESTS: "busy",
  INTERNAL: "broken",
  STORE_UNAVAILABLE: "broken",
  TIMEOUT: "broken",
  OVERLOADED: "broken",
};

const SENTENCES: Partial<Record<FailureKind, string>> = {
  offline: "You're offline. What's loaded stays on the page.",
  unreachable: "Server unreachable; try again.",
  "signed-out": "Your session has expired.",
  busy: "Too many requests. Wait a moment, then try again.",
  broken: "The server had a problem. Try again in a moment.",
};

/** An expected failure: `message` is a sentence to show. */
export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    said?: string,
  ) {
    super(SENTENCES[kind] ?? said ?? "The server refused the request.");
    this.name = "Failure";
  }
}

/** Turn what urql reports into a failure. */
export function failureOf(error: CombinedError): Failure {
  const first = error.graphQLErrors[0];
  if (first !== undefined) {
    const code = String(first.extensions?.code ?? "");
    return new Failure(KINDS[code] ?? "refused", first.message);
  }
  const status = (error.response as Response | undefined)?.status;
  if (status === 401) return new Failure("signed-out");
  if (status === 429) return new Failure("busy");
  if (status !== undefined) return new Failure("broken");
  return new Failure(navigator.onLine ? "unreachable" : "offline");
}

/** Turn anything that was thrown into a failure; what is none is a fault of ours and stays one. */
export function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  throw thrown;
}
