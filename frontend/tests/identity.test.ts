import { beforeEach, describe, expect, it, vi } from "vitest";
import { Identity, keepUser, keptUser, SESSION_HEADER } from "../src/services/identity";

const ADA = { key: "ada", name: "Ada", token: "old" };

/** A gateway that gives each request without a session a new one, and knows one good token. */
function transport(goodToken = "good") {
  let given = 0;
  return vi.fn(async (_: RequestInfo | URL, init?: RequestInit) => {
    const headers = new Headers(init?.headers);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const bearer = headers.get("Authorization");
    if (bearer) return new Response("{}", { status: bearer === `Bearer ${goodToken}` ? 200 : 401 });
    const session = headers.get(SESSION_HEADER);
    if (session) return new Response("{}");
    given += 1;
    return new Response("{}", { headers: { [SESSION_HEADER]: `session ${given}` } });
  });
}

const sessionsSent = (carry: ReturnType<typeof transport>) =>
  carry.mock.calls.map(([, init]) => new Headers(init?.headers).get(SESSION_HEADER));

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

describe("an identity", () => {
  it("of a new guest lets the first request go alone, so that all belong to one person", async () => {
    const carry = transport();
    const guest = new Identity(null, undefined, carry);
    await Promise.all([guest.fetch("/graphql"), guest.fetch("/graphql"), guest.fetch("/graphql")]);
    expect(sessionsSent(carry)).toEqual([null, "session 1", "session 1"]);
  });

  it("of a guest is the same after the page was left", async () => {
    await new Identity(null, undefined, transport()).fetch("/graphql");
    const carry = transport();
    await new Identity(null, undefined, carry).fetch("/graphql");
    expect(sessionsSent(carry)).toEqual(["session 1"]);
  });

  it("tries again when the first request did not get there", async () => {
    const carry = transport();
    carry.mockRejectedValueOnce(new TypeError("failed to fetch"));
    const guest = new Identity(null, undefined, carry);
    const [first, second] = await Promise.allSettled([guest.fetch("/graphql"), guest.fetch("/graphql")]);
    expect([first.status, second.status]).toEqual(["rejected", "fulfilled"]);
  });

  it("of a user carries the token, and never the guest's session", async () => {
    localStorage.setItem("explore.session", "session 1");
    const carry = transport("old");
    await new Identity(ADA, undefined, carry).fetch("/graphql");
    expect(sessionsSent(carry)).toEqual([null]);
  });

  it("whose token runs out in the middle gets another and asks again", async () => {
    keepUser(ADA);
    const ada = new Identity(ADA, async () => "good", transport());
    expect((await ada.fetch("/graphql")).status).toBe(200);
    expect(keptUser()?.token).toBe("good");
  });

  it("hands on the refusal where there is no way to another token", async () => {
    const ada = new Identity(ADA, async () => null, transport());
    expect((await ada.fetch("/graphql")).status).toBe(401);
  });
});
