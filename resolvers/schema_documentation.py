"""Descriptions of the root types, and the error codes and an example of each root field."""

from collections.abc import Mapping
from textwrap import dedent
from types import MappingProxyType

from resolvers.common.compat import fields_of, to_camel_case
from scoring.use_cases.input_errors import UserErrorCode

EXPLORE_PAGE = """
    query ExplorePage($after: String) {
      viewer { id kind }
      personalizationStatus { id needsOnboarding }
      forYou(first: 30, after: $after) {
        snapshotId
        strategy
        degraded
        pageInfo { hasNextPage endCursor }
        edges {
          id
          rank
          node { id key title description imageUrl createdAt likeCount viewerHasLiked viewerHasSaved
            owner { id username } tools { id name } categories { id name } topics { id name } }
          explanation { summary reasons { id group text } }
        }
      }
    }"""

QUERY_EXAMPLES: Mapping[str, str] = {
    "forYou": """
        query ($after: String) {
          forYou(first: 30, after: $after) {
            strategy pageInfo { hasNextPage endCursor }
            edges { id rank score node { id key title }
              explanation { summary score contributions { signal { label group } contribution } } } } }""",
    "popular": """
        { popular(first: 10) { edges { rank node { id key title likeCount } } pageInfo { hasNextPage endCursor } } }""",
    "trending": """
        { trending(first: 10, window: HOUR) { edges { rank node { id key title engagementVelocity activity(days: 7) }
            explanation { reasons { text ... on TrendingNow { visitorCount usualVisitorCount window } } } } } }""",
    "newest": """
        { newest(where: { categories: ["music"] }) { nodes { id key title createdAt }
            pageInfo { hasNextPage endCursor } } }""",
    "search": """
        query ($text: String!) {
          search(query: $text, alpha: 0.5, first: 10) {
            strategy degraded edges { rank score node { id key title }
              explanation { reasons { text ... on KeywordMatch { terms } } } } } }""",
    "whyNot": """
        query ($key: String!) {
          whyNot(key: $key) { outcome summary filter rank rankedCount mutes { kind key name } project { title } } }""",
    "project": """
        query ($key: String!) {
          project(key: $key) { id title description url likeCount viewerHasLiked explanation { score summary }
            similar(first: 5) { nodes { id key title } } } }""",
    "projects": "query ($keys: [String!]!) { projects(keys: $keys) { id key title } }",
    "node": """
        query ($id: ID!) {
          node(id: $id) { __typename id ... on Project { title } ... on User { username }
            ... on FeedEdge { rank score node { id title }
              explanation { summary contributions { signal { label } contribution } adjustments { rule } } } } }""",
    "tools": """
        { tools(search: "music", first: 20) { nodes { id key name tagline }
            pageInfo { hasNextPage endCursor } } }""",
    "topics": """
        { topics(search: "dai", first: 20) { nodes { id key name } pageInfo { hasNextPage endCursor } } }""",
    "categories": "{ categories { id key name description } }",
    "viewer": """
        { viewer { id kind key role version user { id username } interests { kind key name confidence source }
            personalizationSettings { personalized discovery } mutes(first: 50) { nodes { kind key name } } } }""",
    "onboardingQuestions": """
        { onboardingQuestions { id key type text description minChoices maxChoices allowsText
            options { id key label icon chosen } answer { options text skipped } } }""",
    "onboardingProgress": "{ onboardingProgress { questions remaining share complete next { id key text } } }",
    "personalizationStatus": """
        { personalizationStatus { id stage needsOnboarding quality missing { kind remaining text }
            signals { signal { name label } active inactiveReason } } }""",
    "deletionReceipt": "query ($id: ID!) { deletionReceipt(id: $id) { id completedAt deleted { name count } } }",
}

_CHANGED_PROJECT = "{ changed project { id likeCount viewerHasLiked viewerHasSaved } userErrors { code message } }"
_ANSWER_FIELDS = """{ saved userErrors { code message path } status { id needsOnboarding quality }
            feed(first: 30) { edges { rank node { id key title } } } }"""
_UPSERT_FIELDS = "{ results { key status userErrors { code message path } } userErrors { code message path } }"

MUTATION_EXAMPLES: Mapping[str, str] = {
    "likeProject": f"mutation ($key: String!) {{ likeProject(key: $key) {_CHANGED_PROJECT} }}",
    "unlikeProject": f"mutation ($key: String!) {{ unlikeProject(key: $key) {_CHANGED_PROJECT} }}",
    "saveProject": f"mutation ($key: String!) {{ saveProject(key: $key) {_CHANGED_PROJECT} }}",
    "unsaveProject": f"mutation ($key: String!) {{ unsaveProject(key: $key) {_CHANGED_PROJECT} }}",
    "recordInteractions": """
        mutation ($snapshot: ID) {
          recordInteractions(events: [
            { project: "p-1", type: IMPRESSION, feed: FOR_YOU, rank: 1, snapshotId: $snapshot }
            { project: "p-1", type: VIEW, id: "a-uuid-of-yours" }
          ]) { recorded results { index status userErrors { path code message } }
            userErrors { path code message } } }""",
    "dismissProject": """
        mutation ($key: String!, $reason: ID) {
          dismissProject(key: $key, reasonId: $reason) {
            changed muted { kind key name } pageChange { removed { id } added { id title } }
            userErrors { code message } } }""",
    "undoDismissal": "mutation ($key: String!) { undoDismissal(key: $key) { changed userErrors { code message } } }",
    "setInterests": """
        mutation {
          setInterests(interests: [{ kind: CATEGORY, key: "music" }, { kind: TOOL, key: "suno" }]) {
            changed interests { kind key name source } userErrors { code message path } } }""",
    "removeInterest": """
        mutation { removeInterest(interest: { kind: CATEGORY, key: "music" }) {
          changed interests { kind key name } userErrors { code message } } }""",
    "mute": """
        mutation { mute(kind: TOPIC, key: "daily") {
          changed viewer { id mutes(first: 50) { nodes { kind key name since } } } userErrors { code message } } }""",
    "unmute": """
        mutation { unmute(kind: TOPIC, key: "daily") {
          changed viewer { id mutes(first: 50) { nodes { kind key name since } } } userErrors { code message } } }""",
    "updatePersonalizationSettings": """
        mutation { updatePersonalizationSettings(settings: { discovery: 70, learnFromViews: false }) {
          changed viewer { id personalizationSettings { discovery learnFromViews } }
          userErrors { code message path } } }""",
    "submitOnboarding": f"""
        mutation {{
          submitOnboarding(answers: [
            {{ question: "tools", options: ["suno"] }}
            {{ question: "experience", skip: true }}
          ]) {_ANSWER_FIELDS} }}""",
    "answerOnboardingQuestion": f"""
        mutation ($answer: OnboardingAnswerInput!) {{
          answerOnboardingQuestion(answer: $answer) {_ANSWER_FIELDS} }}""",
    "skipOnboardingQuestion": """
        mutation ($question: String!) {
          skipOnboardingQuestion(question: $question) { saved progress { remaining next { id key text } } } }""",
    "resetOnboarding": "mutation { resetOnboarding { saved status { id needsOnboarding } } }",
    "claimSession": "mutation { claimSession { status transferredCount viewer { id key } userErrors { message } } }",
    "revokeSessions": "mutation { revokeSessions { revoked userErrors { code message } } }",
    "exportMyData": """
        mutation ($after: String) {
          exportMyData(first: 1000, after: $after) {
            data pageInfo { hasNextPage endCursor } userErrors { code message } } }""",
    "deleteMyData": """
        mutation { deleteMyData(projects: KEEP) {
          receipt { id completedAt deleted { name count } } userErrors { code message } } }""",
    "upsertProjects": f"""
        mutation {{
          upsertProjects(projects: [
            {{ key: "p-1", title: "A choir of one", type: "github_repo", tools: ["suno"], owner: "ana" }}
          ]) {_UPSERT_FIELDS} }}""",
    "removeProjects": "mutation ($keys: [String!]!) { removeProjects(keys: $keys) { removed userErrors { message } } }",
    "upsertTools": f"""
        mutation {{ upsertTools(tools: [{{ key: "suno", name: "Suno", tagline: "Songs from words" }}])
          {_UPSERT_FIELDS} }}""",
    "upsertCategories": f"""
        mutation {{ upsertCategories(categories: [{{ key: "music", name: "Music and sound" }}])
          {_UPSERT_FIELDS} }}""",
    "upsertUsers": f"""
        mutation {{
          upsertUsers(users: [
            {{ key: "ana", username: "Ana", interests: [{{ name: "music", kind: CATEGORY }}] }}
          ]) {_UPSERT_FIELDS} }}""",
    "upsertOnboardingQuestions": f"""
        mutation {{
          upsertOnboardingQuestions(questions: [
            {{ key: "tools", type: TOOL_SELECT, text: "Which tools do you use?", maxChoices: 1
              options: [{{ key: "suno", label: "Suno", term: {{ tool: "suno" }} }}] }}
          ]) {_UPSERT_FIELDS} }}""",
    "refreshOnboardingQuestions": "mutation { refreshOnboardingQuestions { changed } }",
    "removeUsers": """
        mutation ($keys: [String!]!) {
          removeUsers(keys: $keys, projects: KEEP) { removed receipt { id completedAt } userErrors { message } } }""",
}


SUBSCRIPTION_EXAMPLES: Mapping[str, str] = {
    "feedChanged": """
        subscription ($since: Int) {
          feedChanged(feeds: [FOR_YOU, TRENDING], since: $since) { feed reason version at } }"""
}

_PROJECT = (UserErrorCode.UNKNOWN_PROJECT, UserErrorCode.INVALID)
_ANSWER = (
    UserErrorCode.UNKNOWN_QUESTION, UserErrorCode.INACTIVE_QUESTION, UserErrorCode.UNKNOWN_OPTION,
    UserErrorCode.EMPTY, UserErrorCode.INVALID, UserErrorCode.TOO_MANY,
)  # fmt: skip
_RECORDS = (UserErrorCode.INVALID, UserErrorCode.TOO_MANY)

MUTATION_ERROR_CODES: Mapping[str, tuple[UserErrorCode, ...]] = {
    "likeProject": _PROJECT,
    "unlikeProject": _PROJECT,
    "saveProject": _PROJECT,
    "unsaveProject": _PROJECT,
    "recordInteractions": (UserErrorCode.TOO_MANY,),
    "dismissProject": _PROJECT,
    "undoDismissal": _PROJECT,
    "setInterests": (UserErrorCode.UNKNOWN_REFERENCE, UserErrorCode.INVALID, UserErrorCode.TOO_MANY),
    "removeInterest": (UserErrorCode.UNKNOWN_REFERENCE, UserErrorCode.INVALID),
    "mute": (*_PROJECT, UserErrorCode.UNKNOWN_REFERENCE, UserErrorCode.TOO_MANY),
    "unmute": (UserErrorCode.INVALID,),
    "updatePersonalizationSettings": (UserErrorCode.INVALID,),
    "submitOnboarding": _ANSWER,
    "answerOnboardingQuestion": _ANSWER,
    "skipOnboardingQuestion": (UserErrorCode.UNKNOWN_QUESTION, UserErrorCode.INACTIVE_QUESTION, UserErrorCode.INVALID),
    "resetOnboarding": (),
    "claimSession": (UserErrorCode.INVALID, UserErrorCode.FORBIDDEN),
    "revokeSessions": (),
    "exportMyData": (UserErrorCode.FORBIDDEN,),
    "deleteMyData": (UserErrorCode.FORBIDDEN,),
    "upsertProjects": (*_RECORDS, UserErrorCode.UNKNOWN_REFERENCE),
    "removeProjects": (UserErrorCode.TOO_MANY,),
    "upsertTools": _RECORDS,
    "upsertCategories": _RECORDS,
    "upsertUsers": (*_RECORDS, UserErrorCode.FORBIDDEN),
    "upsertOnboardingQuestions": (*_RECORDS, UserErrorCode.UNKNOWN_REFERENCE),
    "refreshOnboardingQuestions": (),
    "removeUsers": (UserErrorCode.UNKNOWN_REFERENCE, UserErrorCode.FORBIDDEN, UserErrorCode.TOO_MANY),
}
"""The codes of `userErrors` by mutation."""


def _code_block(example: str) -> str:
    """Return an example as a Markdown code block."""
    return f"```graphql\n{dedent(example).strip()}\n```"


ABOUT_QUERY = f"""Read operations. An explore page in one request:

{_code_block(EXPLORE_PAGE)}

To identify a user, send `Authorization: Bearer <token>`. Otherwise, responses carry an `X-Session-Id`; send it with \
later requests to keep a profile without an account.

Lists with `edges` are Relay connections, which can be paged forward with `first` and `after`; `nodes` lists the same \
items without cursors. There is no total count. A feed is null only on error: `errors` then has an entry with its path \
and `extensions.code`, and other fields are unaffected. Arguments take the platform's own `key` or the global `id`."""

ABOUT_MUTATION = """Write operations. Each returns a payload. Its `userErrors` list the errors in the input, each with \
a `path` into the arguments, a `code` and a `message`. The payload is null only if `errors` has an entry: \
UNAUTHENTICATED if the request needs a token or a session and has none, FORBIDDEN if the token's role is too low, \
STORE_UNAVAILABLE if a store is down. Repeating a mutation has no further effect (for events, see \
`InteractionInput.at` and `InteractionInput.id`).

Select what your page shows, for example `project { id likeCount viewerHasLiked }` and `viewer { id version }`, to \
update a normalized cache. The next first page of each feed includes the change."""


def append_examples(
    root: type, examples: Mapping[str, str], error_codes: Mapping[str, tuple[UserErrorCode, ...]] = MappingProxyType({})
) -> None:
    """Append the error codes and the example to the description of each root field."""
    for field in fields_of(root):
        name = field.graphql_name or to_camel_case(field.python_name)
        if codes := error_codes.get(name):
            field.description = f"{field.description} Codes of `userErrors`: {', '.join(code.name for code in codes)}."
        if example := examples.get(name):
            field.description = f"{field.description}\n\n{_code_block(example)}"
