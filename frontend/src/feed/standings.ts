/**
 * How the viewer stands to the projects on the page: shown at once, sent, and taken back if the gateway did not agree.
 *
 * Each (project, act) is one conversation. While a request is on its way only the last wish is remembered, and sent
 * when the answer is there if it still differs: two quick clicks are two requests one after the other, never a race,
 * and ten are two as well.
 */

import type { Act, ActAnswer, Standing } from "../services/acts";
import { asFailure, type Failure } from "../services/failures";

type Send = (key: string, act: Act, want: boolean) => Promise<ActAnswer>;

interface Talk {
  want: boolean;
  confirmed: boolean;
}

interface Listeners {
  /** The gateway did it: the viewer is at this version now. */
  onDone?: (act: Act, version: number) => void;
  /** It did not, and the page shows again what was before. */
  onFailure?: (act: Act, want: boolean, failure: Failure) => void;
}

export class Standings {
  readonly #standings = new Map<string, Standing>();
  readonly #talks = new Map<string, Talk>();
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly send: Send,
    private readonly on: Listeners = {},
  ) {}

  /** For useSyncExternalStore. */
  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** What differs from what the feed said; the same object until it changes. */
  get(key: string): Standing | undefined {
    return this.#standings.get(key);
  }

  /** Wish for something; `before` is how things stood as far as the page knows. */
  wish(key: string, act: Act, want: boolean, before: Standing): void {
    this.#show(key, wished(this.#standings.get(key) ?? before, act, want));
    const id = `${act} ${key}`;
    const talk = this.#talks.get(id);
    if (talk !== undefined) {
      talk.want = want;
      return;
    }
    const begun = { want, confirmed: before[act] };
    this.#talks.set(id, begun);
    void this.#settle(key, act, begun).finally(() => this.#talks.delete(id));
  }

  /** Take over what was done another way, for example in the dialog of reasons. */
  note(key: string, change: Partial<Standing>, before: Standing): void {
    this.#show(key, { ...(this.#standings.get(key) ?? before), ...change });
  }

  /** Forget what is settled: a feed that was read anew knows it better. */
  forgetSettled(): void {
    const open = new Set([...this.#talks.keys()].map((id) => id.slice(id.indexOf(" ") + 1)));
    for (const key of this.#standings.keys()) if (!open.has(key)) this.#standings.delete(key);
    this.#tell();
  }

  async #settle(key: string, act: Act, talk: Talk): Promise<void> {
    while (talk.want !== talk.confirmed) {
      const asked = talk.want;
      try {
        const { standing, version } = await this.send(key, act, asked);
        talk.confirmed = asked;
        if (talk.want === asked) this.#merge(key, standing);
        this.on.onDone?.(act, version);
      } catch (thrown) {
        const failure = asFailure(thrown);
        talk.want = talk.confirmed;
        const shown = this.#standings.get(key);
        if (shown) this.#show(key, wished(shown, act, talk.confirmed));
        this.on.onFailure?.(act, asked, failure);
      }
    }
  }

  #merge(key: string, standing: Partial<Standing>): void {
    const shown = this.#standings.get(key);
    if (shown === undefined) return;
    const open = (act: Act) => this.#talks.get(`${act} ${key}`);
    // Another act on the same project may still be on its way; its wish stays shown.
    const liked = open("liked")?.want ?? standing.liked ?? shown.liked;
    const saved = open("saved")?.want ?? standing.saved ?? shown.saved;
    this.#show(key, { ...shown, ...standing, liked, saved });
  }

  #show(key: string, standing: Standing): void {
    this.#standings.set(key, standing);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function wished(standing: Standing, act: Act, want: boolean): Standing {
  if (standing[act] === want) return standing;
  const likeCount = act === "liked" ? standing.likeCount + (want ? 1 : -1) : standing.likeCount;
  return { ...standing, [act]: want, likeCount };
}
