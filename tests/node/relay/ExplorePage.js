// An explore page as a Relay application asks for it: fragments beside what shows them, pages by connection.
const { graphql } = require("relay-runtime");

graphql`
  query ExplorePageQuery($count: Int!, $cursor: String) {
    viewer {
      ...ExplorePage_viewer
    }
    personalizationStatus {
      id
      needsOnboarding
    }
    ...ExplorePage_feed
    ...ExplorePage_tools
  }
`;

graphql`
  fragment ExplorePage_feed on Query
  @argumentDefinitions(where: { type: "ProjectFilter" })
  @refetchable(queryName: "ExplorePageFeedQuery") {
    forYou(first: $count, after: $cursor, where: $where) @connection(key: "ExplorePage_forYou") {
      strategy
      degraded
      snapshotId
      edges {
        rank
        score
        node {
          id
          ...ExplorePageCard_project
        }
        explanation {
          summary
          reasons {
            ...ExplorePageReason_reason
          }
        }
      }
    }
  }
`;

graphql`
  fragment ExplorePage_tools on Query
  @argumentDefinitions(tools: { type: "Int", defaultValue: 5 }, after: { type: "String" })
  @refetchable(queryName: "ExplorePageToolsQuery") {
    tools(first: $tools, after: $after) @connection(key: "ExplorePage_tools", filters: []) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`;

graphql`
  fragment ExplorePageCard_project on Project
  @argumentDefinitions(similar: { type: "Int", defaultValue: 3 }, after: { type: "String" })
  @refetchable(queryName: "ExplorePageSimilarQuery") {
    id
    key
    title
    likeCount
    viewerHasLiked
    owner {
      id
      username
    }
    similar(first: $similar, after: $after) @connection(key: "ExplorePage_similar") {
      edges {
        node {
          id
          title
        }
      }
    }
  }
`;

graphql`
  fragment ExplorePageReason_reason on Reason @inline {
    __typename
    id
    text
    group
    ... on StatedInterest {
      kind
      key
    }
    ... on SimilarToProject {
      similarity
      project {
        id
        title
      }
    }
    ... on TrendingNow {
      visitorCount
      window
    }
  }
`;

graphql`
  fragment ExplorePage_viewer on Viewer @refetchable(queryName: "ExplorePageViewerQuery") {
    id
    kind
    version
    interests {
      kind
      key
      name
    }
  }
`;

graphql`
  query ExplorePageNodeQuery($id: ID!) {
    node(id: $id) {
      __typename
      ... on Project {
        title
      }
      ... on User {
        username
      }
    }
  }
`;

graphql`
  mutation ExplorePageLikeMutation($key: String!) {
    likeProject(key: $key) {
      changed
      project {
        id
        likeCount
        viewerHasLiked
      }
      viewer {
        id
        version
      }
      userErrors {
        code
        message
        path
      }
    }
  }
`;

graphql`
  mutation ExplorePageDismissMutation($key: String!, $connections: [ID!]!) {
    dismissProject(key: $key) {
      project {
        id @deleteEdge(connections: $connections)
      }
      userErrors {
        code
        message
      }
    }
  }
`;

graphql`
  mutation ExplorePageQuestionsMutation($questions: [OnboardingQuestionInput!]!) {
    upsertOnboardingQuestions(questions: $questions) {
      added
      userErrors {
        code
        message
      }
    }
  }
`;
