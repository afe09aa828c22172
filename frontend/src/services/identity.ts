/** The identity of the page: a signed-in user by a bearer token, or a guest by the session id from the gateway. */

export interface SignedIn {
  key: string;
  name: string;
  token: string;
}

export const SESSION_HEADER = "X-Session-Id";
const SESSION_KEY = "explore.session";
const USER_KEY = "explore.user";

type Renew = (user: SignedIn) => Promise<string | null>;

/** The user that this tab is signed in as, if any. A token ends with its tab; a guest's session outlives it. */
export function keptUser(): SignedIn | null {
  try {
    return JSON.parse(sessionStorage.getItem(USER_KEY) ?? "null") as SignedIn | null;
  } catch {
    return null; // somebody edited it
  }
}

/** Sign this tab in, or out with null: call it before the page is made, or together with a new `Gateway`. */
export function keepUser(user: SignedIn | null): void {
  if (user) sessionStorage.setItem(USER_KEY, JSON.stringify(user));
  else sessionStorage.removeItem(USER_KEY);
}

/** Forget the guest of this browser: the next request begins as somebody new. */
export function forgetGuest(): void {
  localStorage.removeItem(SESSION_KEY);
}

/**
 * Puts one viewer's headers on requests and keeps what comes back. Somebody else is another `Identity`, so that what is
 * still on its way can never be done in another one's name.
 *
 * The first request of a new guest goes alone: each request without a session id is given a new one, so that requests
 * side by side would belong to different people.
 */
export class Identity {
  #user: SignedIn | null;
  #firstAnswer: Promise<unknown> | null = null;

  /**
   * @param user whom it stands for; null for the guest of this browser
   * @param renew gets a new token for somebody whose own has run out, or null if there is no way
   * @param transport what carries requests
   */
  constructor(
    user: SignedIn | null,
    private readonly renew: Renew = async () => null,
    private readonly transport: typeof fetch = (input, init) => fetch(input, init),
  ) {
    this.#user = user;
  }

  /** Names the viewer in what this browser stores for them (events, the quiz); never a token. */
  get name(): string {
    return this.#user ? `user:${this.#user.key}` : "guest";
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const asked = this.#user;
    const answer = await this.#ask(input, init);
    if (answer.status !== 401 || asked === null) return answer;
    const token = await this.renew(asked);
    if (token === null) return answer;
    this.#user = { ...asked, token };
    if (keptUser()?.key === asked.key) keepUser(this.#user);
    return this.#ask(input, init);
  };

  async #ask(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const isNewGuest = this.#user === null && localStorage.getItem(SESSION_KEY) === null;
    if (!isNewGuest) return this.#send(input, init);
    if (this.#firstAnswer !== null) {
      // However the first one ended: if it left no session, this one is the next to try.
      await this.#firstAnswer.catch(() => undefined);
      return this.#send(input, init);
    }
    const first = this.#send(input, init);
    this.#firstAnswer = first;
    try {
      return await first;
    } finally {
      this.#firstAnswer = null;
    }
  }

  async #send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const headers = new Headers(init?.headers);
    const session = localStorage.getItem(SESSION_KEY);
    if (this.#user) headers.set("Authorization", `Bearer ${this.#user.token}`);
    else if (session) headers.set(SESSION_HEADER, session);
    const answer = await this.transport(input, { ...init, headers });
    const given = answer.headers.get(SESSION_HEADER);
    if (given && !this.#user) localStorage.setItem(SESSION_KEY, given);
    return answer;
  }
}
