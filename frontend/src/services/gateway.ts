import { Client, fetchExchange, type OperationResult } from "@urql/core";
import type { TypedDocumentString } from "../gql/graphql";
import { failureOf } from "./failures";
import type { Identity } from "./identity";

type Variables = Record<string, unknown>;

/** Speaks GraphQL to the gateway as somebody. */
export class Gateway {
  readonly #client: Client;

  /** `Viewer.version` as far as answers have told it: it rises with everything that the viewer does. */
  version: number | null = null;

  constructor(
    readonly identity: Identity,
    url = "graphql",
  ) {
    this.#client = new Client({
      url,
      exchanges: [fetchExchange],
      fetch: identity.fetch,
      // Feeds are cut from rankings that the gateway keeps, and everything else must be true now: no cache here.
      requestPolicy: "network-only",
      preferGetMethod: false,
      fetchSubscriptions: true,
    });
  }

  /**
   * Ask once. An aborted question is taken off the wire and never answered.
   *
   * @throws Failure if it went wrong; its message can be shown
   */
  ask<Data, Asked extends Variables>(
    document: TypedDocumentString<Data, Asked>,
    variables: Asked,
    signal?: AbortSignal,
  ): Promise<Data> {
    return this.#once<Data>(this.#client.query(document.toString(), variables), signal);
  }

  /** Do something; as `ask` otherwise. With `keepalive` it gets there though the page is being left. */
  act<Data, Asked extends Variables>(
    document: TypedDocumentString<Data, Asked>,
    variables: Asked,
    fetchOptions: Pick<RequestInit, "keepalive"> = {},
  ): Promise<Data> {
    return this.#once<Data>(this.#client.mutation(document.toString(), variables, { fetchOptions }));
  }

  #once<Data>(
    source: { subscribe: (listen: (result: OperationResult) => void) => { unsubscribe: () => void } },
    signal?: AbortSignal,
  ): Promise<Data> {
    return new Promise((resolve, reject) => {
      const { unsubscribe } = source.subscribe((result) => {
        if (result.error) reject(failureOf(result.error));
        else {
          this.#noteVersion(result.data);
          resolve(result.data as Data);
        }
        queueMicrotask(() => unsubscribe());
      });
      signal?.addEventListener("abort", () => unsubscribe(), { once: true });
    });
  }

  /** Each answer says it in `viewer`, or in the `viewer` of the payload. */
  #noteVersion(data: { viewer?: Versioned; result?: { viewer?: Versioned } | null }): void {
    const told = data.viewer?.version ?? data.result?.viewer?.version;
    if (told !== undefined) this.version = Math.max(told, this.version ?? 0);
  }
}

type Versioned = { version?: number };
