// Drives the artifacts of ExplorePage.js with Relay's own runtime against a gateway, and prints what a page would show.
// node run.js URL TOKEN
const {
  commitMutation,
  ConnectionHandler,
  createOperationDescriptor,
  Environment,
  fetchQuery,
  getSingularSelector,
  Network,
  readInlineData,
  RecordSource,
  Store,
} = require("relay-runtime");

const [url, token] = process.argv.slice(2);
const made = (name) => require(`./__generated__/${name}.graphql.js`);

// The compiler has put hashes in the place of texts; the gateway knows them from the manifest (TRUSTED_DOCUMENTS).
async function ask({ id }, variables) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify({ documentId: id, variables }),
  });
  return answer.json();
}

const environment = new Environment({
  network: Network.create(ask),
  store: new Store(new RecordSource()),
  getDataID: undefined,
});

const see = (selector) => environment.lookup(selector).data;
const read = (name, parent) => see(getSingularSelector(made(name), parent));
const fetched = (name, variables) => fetchQuery(environment, made(name), variables).toPromise();
const change = (name, variables) =>
  new Promise((resolve, reject) =>
    commitMutation(environment, { mutation: made(name), variables, onCompleted: resolve, onError: reject }),
  );

async function main() {
  const operation = createOperationDescriptor(made("ExplorePageQuery"), { count: 5 });
  environment.retain(operation); // as a mounted page does: without it the store may forget
  await fetched("ExplorePageQuery", { count: 5 });
  const page = () => see(operation.fragment);
  const feed = () => read("ExplorePage_feed", page()).forYou;

  const shown = { first: feed().edges.map((edge) => edge.node.id), strategy: feed().strategy };
  const reasons = feed().edges.flatMap((edge) => edge.explanation.reasons);
  shown.reasons = reasons.map((reason) => readInlineData(made("ExplorePageReason_reason"), reason).__typename);

  // What usePaginationFragment's loadNext does: the same fragment, from the last cursor.
  for (let more = 0; more < 2; more++) {
    await fetched("ExplorePageFeedQuery", { count: 5, cursor: feed().pageInfo.endCursor });
  }
  shown.ranks = feed().edges.map((edge) => edge.rank);
  shown.ids = feed().edges.map((edge) => edge.node.id);

  const before = read("ExplorePageCard_project", feed().edges[0].node);
  const viewer = () => read("ExplorePage_viewer", page().viewer);
  const version = viewer().version;
  const liked = await change("ExplorePageLikeMutation", { key: before.key });
  const after = read("ExplorePageCard_project", feed().edges[0].node);
  shown.like = { before, after, errors: liked.likeProject.userErrors, versions: [version, viewer().version] };

  // A fragment on a Node is fetched again through `node(id:)`; the connection inside it grows.
  await fetched("ExplorePageSimilarQuery", { id: before.id, similar: 3, after: before.similar.pageInfo.endCursor });
  shown.similar = read("ExplorePageCard_project", feed().edges[0].node).similar.edges.map((edge) => edge.node.id);
  await fetched("ExplorePageViewerQuery", {});
  await fetched("ExplorePageToolsQuery", { tools: 5, after: read("ExplorePage_tools", page()).tools.pageInfo.endCursor });
  shown.tools = read("ExplorePage_tools", page()).tools.edges.map((edge) => edge.node.name);
  shown.node = (await fetched("ExplorePageNodeQuery", { id: before.id })).node;

  const connection = ConnectionHandler.getConnectionID("client:root", "ExplorePage_forYou", { where: null });
  const gone = feed().edges[1].node.id;
  const key = read("ExplorePageCard_project", feed().edges[1].node).key;
  const plain = ConnectionHandler.getConnectionID("client:root", "ExplorePage_forYou", {});
  await change("ExplorePageDismissMutation", { key, connections: [connection, plain] });
  shown.dismissed = { gone, left: feed().edges.map((edge) => edge.node.id) };
  console.log(JSON.stringify(shown));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
