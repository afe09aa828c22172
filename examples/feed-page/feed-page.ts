/**
 * An explore page with urql: two pages with explanations, and a like. graphql-codegen types the documents by the gateway's
 * schema, so the compiler checks every field name.
 */
import { cacheExchange, Client, type CombinedError, fetchExchange } from "@urql/core";
import { type FragmentType, graphql, useFragment as unmask } from "./gql/index.js";
import type { ExplorePageQuery } from "./gql/graphql.js";

const Card = graphql(`
  fragment Card on Project {
    id
    key
    title
    likeCount
    viewerHasLiked
    tools {
      id
      name
    }
  }
`);

const ExplorePage = graphql(`
  query ExplorePage($after: String, $where: ProjectFilter) {
    personalizationStatus {
      id
      needsOnboarding
    }
    forYou(first: 3, after: $after, where: $where) {
      strategy
      degraded
      pageInfo {
        hasNextPage
        endCursor
      }
      edges {
        rank
        node {
          ...Card
        }
        explanation {
          summary
          reasons {
            __typename
            id
            group
            text
            ... on SimilarToProject {
              similarity
            }
          }
        }
      }
    }
  }
`);

const Like = graphql(`
  mutation Like($key: String!) {
    likeProject(key: $key) {
      project {
        ...Card
      }
      userErrors {
        code
        message
        path
      }
    }
  }
`);

function line(project: FragmentType<typeof Card>): string {
  const card = unmask(Card, project);
  const heart = card.viewerHasLiked ? "♥" : "♡";
  return `${heart} ${card.likeCount}  ${card.title} (${card.tools.map((tool) => tool.name).join(", ")})`;
}

/** Return the data of a result. Throw the error of the request, or of the requested field, if there is none. */
function present<Data>(result: { data?: Data | undefined; error?: CombinedError | undefined }): Data {
  if (result.error) throw result.error;
  if (!result.data) throw new Error("the gateway answered nothing");
  return result.data;
}

/** Print two pages and like the first project; `show` receives each line. */
export async function feedPage(url: string, token: string, show: (line: string) => void): Promise<void> {
  const client = new Client({
    url,
    exchanges: [cacheExchange, fetchExchange],
    fetchOptions: { headers: { Authorization: `Bearer ${token}` } },
    preferGetMethod: false,
  });
  let after: string | null = null;
  let leader: string | undefined;
  for (let page = 0; page < 2; page++) {
    const asked: ExplorePageQuery = present(await client.query(ExplorePage, { after }).toPromise());
    const { forYou, personalizationStatus } = asked;
    if (!forYou) throw new Error("the feed failed"); // a feed is null on error; other fields are not affected
    if (personalizationStatus.needsOnboarding) show("(a page would offer the quiz now)");
    for (const { rank, node, explanation } of forYou.edges) {
      leader ??= unmask(Card, node).key;
      show(`${rank}. ${line(node)}`);
      show(`   ${explanation?.summary ?? ""}`);
      for (const reason of explanation?.reasons ?? []) {
        const alike = reason.__typename === "SimilarToProject" ? ` (${reason.similarity.toFixed(2)})` : "";
        show(`   - ${reason.group}: ${reason.text}${alike}`);
      }
    }
    after = forYou.pageInfo.endCursor ?? null;
  }
  if (leader === undefined) return;
  const { likeProject } = present(await client.mutation(Like, { key: leader }).toPromise());
  for (const { code, message } of likeProject?.userErrors ?? []) show(`${code}: ${message}`);
  if (likeProject?.project) show(`liked: ${line(likeProject.project)}`);
}
