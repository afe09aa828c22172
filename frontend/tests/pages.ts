/** Pages of a feed as the gateway gives them. */
import type { Card, FeedPage } from "../src/services/explore";

export function cardOf(key: string, change: Partial<Card> = {}): Card {
  return {
    id: `id of ${key}`,
    key,
    title: `Title of ${key}`,
    description: "",
    type: "article",
    url: `https://projects.example/${key}`,
    createdAt: "2026-11-01T12:00:00Z",
    likeCount: 3,
    viewCount: 40,
    viewerHasLiked: false,
    viewerHasSaved: false,
    activity: [0, 2, 1],
    owner: { key: "ada", username: "Ada" },
    tools: [],
    categories: [],
    ...change,
  };
}

export function pageOf(keys: string[], change: Partial<FeedPage> = {}): FeedPage {
  return {
    kind: "FOR_YOU",
    strategy: "PERSONALIZED",
    degraded: [],
    snapshotId: "ranking 1",
    generatedAt: "2026-11-23T12:00:00Z",
    pageInfo: { hasNextPage: true, endCursor: `after ${keys.at(-1)}` },
    edges: keys.map((key, at) => ({ id: `place of ${key}`, rank: at + 1, score: 1, node: cardOf(key) })),
    ...change,
  };
}
