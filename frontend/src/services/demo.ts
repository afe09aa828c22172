import type { SignedIn } from "./identity";

export interface DemoViewer extends SignedIn {
  what: string;
}

/** The demo's viewers with a token for each; none where the gateway was not started with `--demo`. */
export async function fetchDemoViewers(): Promise<DemoViewer[]> {
  const answer = await fetch("demo/viewers", { headers: { Accept: "application/json" } });
  if (!answer.ok) return [];
  const { viewers } = (await answer.json()) as {
    viewers: { key: string; username: string; what: string; token: string }[];
  };
  return viewers.map(({ username, ...viewer }) => ({ ...viewer, name: username }));
}
