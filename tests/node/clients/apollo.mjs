// Drives a gateway with Apollo Client, as a page would, and prints what its cache holds and what went over the wire.
// node apollo.mjs URL TOKEN
import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { filter, firstValueFrom } from "rxjs";
import { relayStylePagination } from "@apollo/client/utilities";

const [url, token] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };

const FEED = gql`
  query ExplorePage($after: String, $where: ProjectFilter) {
    viewer { id version }
    forYou(first: 5, after: $after, where: $where) {
      strategy
      pageInfo { hasNextPage endCursor }
      edges { cursor rank node { ...Card } explanation { summary reasons { id text ... on StatedInterest { name } } } }
    }
  }
  fragment Card on Project { id key title likeCount viewerHasLiked owner { id username } }
`;
const LIKE = gql`
  mutation Like($key: String!) {
    likeProject(key: $key) {
      changed
      project { id likeCount viewerHasLiked }
      viewer { id version }
      userErrors { code message path }
    }
  }
`;
const NODE = gql`
  query Node($id: ID!) { node(id: $id) { id ... on Project { title } ... on User { username } } }
`;
const TYPES = "{ __schema { types { kind name possibleTypes { name } } } }";

const wire = []; // what each client sent, in order: method, and whether the document itself went along

async function spied(input, options) {
  const address = new URL(input);
  const body = options.body ? JSON.parse(options.body) : Object.fromEntries(address.searchParams);
  const answer = await fetch(input, options);
  wire.push({ method: options.method, text: body.query !== undefined, status: answer.status });
  return answer;
}

async function possibleTypes() {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ query: TYPES }) };
  const { types } = (await (await fetch(url, asked)).json()).data.__schema;
  const abstract = types.filter((type) => type.kind === "INTERFACE" || type.kind === "UNION");
  return Object.fromEntries(abstract.map((type) => [type.name, type.possibleTypes.map((one) => one.name)]));
}

function client(possible) {
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  return new ApolloClient({
    link: ApolloLink.from([
      new PersistedQueryLink({ sha256, useGETForHashedQueries: true }),
      new HttpLink({ uri: url, headers, fetch: spied }),
    ]),
    cache: new InMemoryCache({
      possibleTypes: possible,
      typePolicies: { Query: { fields: { forYou: relayStylePagination(["where"]) } } },
    }),
  });
}

const possible = await possibleTypes();
const shown = { possible };
const first = client(possible);
const page = first.watchQuery({ query: FEED });
const loaded = await firstValueFrom(page.pipe(filter((result) => !result.loading)));
if (loaded.error) throw loaded.error;
page.subscribe(() => {}); // as a mounted component does
shown.strategy = loaded.data.forYou.strategy;

const feed = () => first.readQuery({ query: FEED });
for (let more = 0; more < 2; more++) {
  await page.fetchMore({ variables: { after: feed().forYou.pageInfo.endCursor } });
}
shown.ranks = feed().forYou.edges.map((edge) => edge.rank);
shown.ids = feed().forYou.edges.map((edge) => edge.node.id);

const before = feed();
const liked = await first.mutate({ mutation: LIKE, variables: { key: before.forYou.edges[6].node.key } });
shown.like = {
  errors: liked.data.likeProject.userErrors,
  before: before.forYou.edges[6].node,
  after: feed().forYou.edges[6].node,
  versions: [before.viewer.version, feed().viewer.version],
};
shown.node = (await first.query({ query: NODE, variables: { id: shown.ids[0] } })).data.node;
shown.cached = Object.keys(first.cache.extract()).filter((name) => name.startsWith("Project:")).length;
shown.wire = wire.splice(0);

// Another visitor's browser knows nothing, the gateway knows the document by its hash.
await client(possible).query({ query: FEED });
shown.known = wire.splice(0);

const forged = { query: FEED, variables: { after: "forged" }, errorPolicy: "all", fetchPolicy: "no-cache" };
const refused = await first.query(forged);
shown.refused = refused.error.errors.map((error) => [error.extensions.code, error.path]);
shown.beside = refused.data.viewer.id === before.viewer.id && refused.data.forYou === null;
console.log(JSON.stringify(shown));
