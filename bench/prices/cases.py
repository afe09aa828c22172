"""Requests whose price is compared with their CPU time."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphql import get_introspection_query, parse, print_ast, separate_operations

from resolvers.schema_documentation import EXPLORE_PAGE

Variables = dict[str, Any]

CARD = """id key title description type url imageUrl createdAt likeCount viewCount viewerHasLiked viewerHasSaved
  activity(days: 14) owner { id key username } tools { id key name } categories { id key name }"""
EXPLANATION = """explanation { score summary contributions { signal { name label group unit } value contribution }
  adjustments { rule penalty fromRank toRank } reasons { __typename id group text } }"""
INTROSPECTION = get_introspection_query()
SOME_INTROSPECTION = "{ __schema { queryType { name } types { kind name description fields { name description } } } }"
ALL_TYPES = """{ __schema { types { name fields { name args { name } type { name kind ofType { name kind } } }
  enumValues { name } inputFields { name } } } }"""


_SERVICES = Path(__file__).parents[2] / "frontend/src/services"


@dataclass(frozen=True)
class Facts:
    """Keys and ids of the data that the gateway under test serves."""

    projects: list[str]
    project_ids: list[str]
    edge_id: str  # of the viewer HEAVY
    tools: list[str]
    questions: list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A request.

    Parameters
    ----------
    variables
        Returns the variables of the n-th request. Numbers are not repeated, so a write changes something each time.
    caller
        The subject of the token; `#` is replaced by the number of the request. None for no token.
    before
        A document that the same caller sends before each request, with the same variables; its CPU and points count.
    operation
        The name of the operation to run, if the document has several.
    """

    name: str
    document: str
    variables: Callable[[Facts, int], Variables] = lambda _facts, _number: {}
    caller: str | None = "heavy"
    role: str | None = None
    before: str | None = None
    operation: str | None = None


def explore_page_document(file: str, operation: str) -> str:
    """Return a document that the explore page sends."""
    return print_ast(separate_operations(parse((_SERVICES / f"{file}.graphql").read_text()))[operation])


def repeated(count: int, text: str) -> str:
    """Repeat a text, with # replaced by the number of the repetition."""
    return " ".join(text.replace("#", str(at)) for at in range(count))


def page(first: int, node: str, edge: str = "") -> str:
    """Return the arguments and the selection of a page of a feed."""
    return f"(first: {first}) {{ snapshotId pageInfo {{ endCursor }} edges {{ id rank {edge} node {{ {node} }} }} }}"


def _feeds() -> Iterator[Case]:
    for first in (1, 10, 50, 100):
        yield Case(f"forYou {first}, ids", f"{{ forYou(first: {first}) {{ edges {{ node {{ id }} }} }} }}")
        yield Case(f"forYou {first}, cards", f"{{ forYou{page(first, CARD)} }}")
    for first in (1, 10, 50):
        yield Case(f"forYou {first}, cards and explanations", f"{{ forYou{page(first, CARD, EXPLANATION)} }}")
        yield Case(f"newest {first}, cards", f"{{ newest{page(first, CARD)} }}")
    for feed in ("popular", "trending", "newest"):
        yield Case(f"{feed} 30, ids", f"{{ {feed}(first: 30) {{ edges {{ node {{ id }} }} }} }}")
        yield Case(f"{feed} 30, cards", f"{{ {feed}{page(30, CARD)} }}")
        yield Case(f"{feed} 30, cards, anonymous", f"{{ {feed}{page(30, CARD)} }}", caller=None)
    yield Case("forYou 30, of the explore page", explore_page_document("feeds", "ForYou"), lambda _, __: {"first": 30})
    yield Case("the example of the schema", f"query {EXPLORE_PAGE.strip().removeprefix('query')}")
    yield Case("forYou 30, four relations", f"{{ forYou{page(30, CARD + ' topics { id name }')} }}")
    yield Case("forYou 30, activityByDay", f"{{ forYou{page(30, 'activityByDay(days: 30) { date count }')} }}")
    yield Case("trending 5, five similar each", f"{{ trending{page(5, 'similar(first: 5) { nodes { id title } }')} }}")
    yield Case(
        "forYou 30, filtered",
        f"query($t: [String!]) {{ forYou{page(30, CARD)} }}".replace("(first: 30)", "(first: 30, where: {tools: $t})"),
        lambda facts, _: {"t": facts.tools[:3]},
    )


def _reads() -> Iterator[Case]:
    yield Case("__typename", "{ __typename }")
    yield Case("__typename, anonymous", "{ __typename }", caller=None)
    yield Case(
        "search 30, new text",
        f"query($q: String!) {{ search{page(30, CARD)} }}".replace("(first", "(query: $q, first"),
        lambda _, number: {"q": f"music robots {number}"},
    )
    yield Case("search 10, ids, the same text", '{ search(query: "music", first: 10) { edges { node { id } } } }')
    yield Case(
        "whyNot",
        "query($k: String!) { whyNot(key: $k) { outcome summary filter rank rankedCount } }",
        lambda facts, number: {"k": facts.projects[number % len(facts.projects)]},
    )
    key = "query($k: String!) { project(key: $k) { %s } }"

    def one(facts: Facts, number: int) -> Variables:
        return {"k": facts.projects[number % len(facts.projects)]}

    yield Case("project, card", key % CARD, one)
    yield Case("project, explanation", key % "id explanation { score summary contributions { value } }", one)
    yield Case("project, ten similar", key % "id similar(first: 10) { nodes { id key title } }", one)
    yield Case(
        "projects by 50 keys",
        f"query($k: [String!]!) {{ projects(keys: $k) {{ {CARD} }} }}",
        lambda facts, _: {"k": facts.projects[:50]},
    )
    yield Case(
        "projects by 50 keys, attributes",
        "query($k: [String!]!) { projects(keys: $k) { id key title description createdAt } }",
        lambda facts, _: {"k": facts.projects[:50]},
    )
    yield Case(
        "projects by 10 keys, explanations",
        "query($k: [String!]!) { projects(keys: $k) { id explanation { score } } }",
        lambda facts, _: {"k": facts.projects[:10]},
    )
    yield Case(
        "node, project",
        "query($id: ID!) { node(id: $id) { id ... on Project { title } } }",
        lambda facts, number: {"id": facts.project_ids[number % len(facts.project_ids)]},
    )
    yield Case(
        "node, edge",
        "query($id: ID!) { node(id: $id) { id ... on FeedEdge { rank score explanation { summary } } } }",
        lambda facts, _: {"id": facts.edge_id},
    )
    yield Case("why, of the explore page", explore_page_document("why", "Why"), lambda facts, _: {"id": facts.edge_id})
    yield Case("tools 50", "{ tools(first: 50) { nodes { id key name tagline } pageInfo { endCursor } } }")
    yield Case("topics 20, searched", '{ topics(search: "da", first: 20) { nodes { id key name } } }')
    yield Case("categories", "{ categories { id key name description } }")
    yield Case(
        "viewer",
        """{ viewer { id kind key role version user { id username } interests { kind key name confidence source }
        personalizationSettings { personalized discovery } mutes(first: 50) { nodes { kind key name } } } }""",
    )
    yield Case("viewer, id", "{ viewer { id } }")
    yield Case(
        "onboardingQuestions",
        """{ onboardingQuestions { id key type text description minChoices maxChoices allowsText
        options { id key label icon chosen } answer { options text skipped } } }""",
    )
    yield Case("onboardingProgress", "{ onboardingProgress { questions remaining share complete next { id key } } }")
    yield Case(
        "personalizationStatus",
        """{ personalizationStatus { id stage needsOnboarding quality missing { kind remaining text }
        signals { signal { name label } active inactiveReason } } }""",
    )
    yield Case(
        "deletionReceipt",
        "query($id: ID!) { deletionReceipt(id: $id) { id completedAt } }",
        lambda _, number: {"id": f"00000000-0000-4000-8000-{number:012}"},
    )
    yield Case("whatWouldRemoveIt", "{ forYou(first: 1) { edges { explanation { whatWouldRemoveIt { text } } } } }")


def _documents() -> Iterator[Case]:
    yield Case("introspection of GraphiQL", INTROSPECTION)
    yield Case("introspection, names of fields", SOME_INTROSPECTION)
    yield Case("introspection, arguments and types", ALL_TYPES)
    yield Case("introspection of one type", '{ __type(name: "Project") { name fields { name type { name kind } } } }')
    roots = """viewer { id } onboardingProgress { remaining } personalizationStatus { id } categories { id }
      tools(first: 1) { nodes { id } } topics(first: 1) { nodes { id } } newest(first: 1) { nodes { id } }
      popular(first: 1) { nodes { id } } trending(first: 1) { nodes { id } }"""
    yield Case("nine root fields", f"{{ {roots} }}")
    yield Case("one of 20 operations of nine root fields", repeated(20, f"query Q# {{ {roots} }}"), operation="Q0")
    yield Case("a text of 15,000 lines", '{ project(key: """' + "\n x" * 15_000 + '""") { key } }')
    yield Case("199 inline fragments, nested", "{ " + "... on Query { " * 199 + "__typename" + " }" * 200)
    yield Case("199 inline fragments", "{ " + "... on Query { __typename } " * 199 + "}")
    yield Case(
        "55 fragments in a chain",
        "{ newest(first: 1) { nodes { ...f0 } } }"
        + "".join(f" fragment f{at} on Project {{ key ...f{at + 1} }}" for at in range(55))
        + " fragment f55 on Project { key }",
    )
    yield Case(
        "50 fragments of a field",
        "{ newest(first: 10) { nodes { "
        + repeated(50, "...f#")
        + " } } }"
        + repeated(50, " fragment f# on Project { title }"),
    )
    yield Case("30 aliases of attributes", f"{{ newest(first: 10) {{ nodes {{ {repeated(30, 'a#: title')} }} }} }}")
    yield Case("15 aliases of a feed", f"{{ {repeated(15, 'a#: newest(first: 5) { nodes { id title } }')} }}")
    yield Case("15 aliases of tools", f"{{ {repeated(15, 'a#: tools(first: 10) { nodes { id } }')} }}")
    yield Case(
        "15 aliases of node",
        f"query({repeated(15, '$n#: ID!')}) {{ {repeated(15, 'n#: node(id: $n#) { id ... on Project { title } }')} }}",
        lambda facts, number: {f"n{at}": facts.project_ids[(number + at) % 100] for at in range(15)},
    )
    yield Case(
        "15 aliases of whyNot",
        f"query({repeated(15, '$n#: String!')}) {{ {repeated(15, 'n#: whyNot(key: $n#) { outcome }')} }}",
        lambda facts, number: {f"n{at}": facts.projects[(number + at) % 100] for at in range(15)},
    )
    yield Case("15 aliases of viewer", f"{{ {repeated(15, 'a#: viewer { id version }')} }}")
    yield Case("100 times __typename", "{ " + "__typename " * 100 + "}")
    yield Case("70 equal objects", "{ newest(first: 1) { edges { node { " + "owner { key } " * 69 + "} } } }")
    yield Case(
        "skipped cards",
        f"query($no: Boolean = false) {{ newest(first: 30) {{ nodes {{ id ... @include(if: $no) {{ {CARD} }} }} }} }}",
    )
    yield Case(
        "a skipped feed", f"{{ viewer {{ id }} forYou{page(50, CARD)} }}".replace(") {", ") @skip(if: true) {", 1)
    )
    yield Case(
        "four feeds of 100 cards",
        "{ newest(first: 100) { ...p } popular(first: 100) { ...p } trending(first: 100) { ...p } "
        f"forYou(first: 100) {{ ...p }} }} fragment p on FeedConnection {{ edges {{ node {{ {CARD} }} }} }}",
    )
    yield Case(
        "a search text of 400 characters",
        "query($q: String!) { search(query: $q, first: 10) { edges { node { id } } } }",
        lambda _, number: {"q": f"{number} " + "music robot " * 12},
    )
    yield Case("9,000 unused values", "{ __typename }", lambda _, __: {"v": [1] * 8_998})


_PAYLOAD = "{ changed project { id likeCount viewerHasLiked viewerHasSaved } userErrors { code message } }"


def _event(facts: Facts, number: int, at: int) -> Variables:
    project = facts.projects[(number + at) % len(facts.projects)]
    return {"project": project, "type": "VIEW", "id": f"00000000-0000-4000-8000-{number:06}{at:06}"}


def _events(count: int) -> Callable[[Facts, int], Variables]:
    return lambda facts, number: {"e": [_event(facts, number, at) for at in range(count)]}


def _writes() -> Iterator[Case]:
    def key(facts: Facts, number: int) -> Variables:
        return {"k": facts.projects[number % len(facts.projects)]}

    like, unlike = (
        f"mutation($k: String!) {{ {name}(key: $k) {_PAYLOAD} }}" for name in ("likeProject", "unlikeProject")
    )
    yield Case("like", like, key, caller="writer-1")
    yield Case("like and unlike", unlike, key, caller="writer-2", before=like)
    yield Case(
        "a first like, then forYou 30",
        f"query($k: String!) {{ forYou{page(30, CARD)} project(key: $k) {{ id }} }}",
        key,
        caller="liker-#",
        before=like,
    )
    yield Case(
        "like, then forYou 30",
        f"query($k: String!) {{ forYou{page(30, CARD)} project(key: $k) {{ id }} }}",
        key,
        caller="writer-3",
        before=like,
    )
    yield Case("forYou 30, a new viewer", f"{{ forYou{page(30, CARD)} }}", caller="new-#")
    yield Case("forYou 30, a new session", f"{{ forYou{page(30, CARD)} }}", caller=None)
    record = "mutation($e: [InteractionInput!]!) { recordInteractions(events: $e) { recorded userErrors { code } } }"
    for count in (1, 50, 500):
        yield Case(f"{count} events", record, _events(count), caller=f"writer-4-{count}")
    yield Case("501 events, refused", record, _events(501), caller="writer-5")
    yield Case(
        "2,000 events, refused",
        record,
        lambda _, __: {"e": [{"project": "a", "type": "VIEW"}] * 2_000},
        caller="writer-5",
    )
    yield Case(
        "dismiss",
        "mutation($k: String!) { dismissProject(key: $k) { changed userErrors { code } } }",
        key,
        caller="writer-6",
    )
    yield Case(
        "dismiss with pageChange",
        "mutation($k: String!) { dismissProject(key: $k) { changed pageChange { removed { id } added { id } } } }",
        key,
        caller="writer-7",
    )
    yield Case(
        "mute",
        "mutation($k: String!) { mute(kind: TOOL, key: $k) { changed viewer { id } userErrors { code } } }",
        lambda facts, number: {"k": facts.tools[number % len(facts.tools)]},
        caller="writer-8-#",
    )
    yield Case(
        "setInterests, 20",
        "mutation($i: [InterestInput!]!) { setInterests(interests: $i) { changed userErrors { code } } }",
        lambda facts, number: {
            "i": [{"kind": "TOOL", "key": facts.tools[(number + at) % len(facts.tools)]} for at in range(20)]
        },
        caller="writer-9",
    )
    yield Case(
        "updatePersonalizationSettings",
        """mutation($d: Int!) { updatePersonalizationSettings(settings: {discovery: $d}) {
        changed userErrors { code } } }""",
        lambda _, number: {"d": number % 100},
        caller="writer-10",
    )
    submit = """mutation($a: [OnboardingAnswerInput!]!) { submitOnboarding(answers: $a) {
      saved userErrors { code } status { id quality } feed(first: 30) { edges { rank node { %s } } } } }"""
    yield Case(
        "submitOnboarding with a first page",
        submit % CARD,
        lambda facts, number: {"a": [_answer(question, number) for question in facts.questions]},
        caller="writer-11-#",
    )
    yield Case(
        "exportMyData, 1000", "mutation { exportMyData(first: 1000) { data pageInfo { hasNextPage } } }", caller="heavy"
    )
    yield Case(
        "like, 15 times",
        "mutation($k: String!) { " + repeated(15, "a#: likeProject(key: $k) { changed }") + " }",
        key,
        caller="writer-12",
    )


def _answer(question: dict[str, Any], number: int) -> Variables:
    options = question["options"]
    if not options:
        return {"question": question["key"], "skip": True}
    return {"question": question["key"], "options": [options[number % len(options)]["key"]]}


def _service() -> Iterator[Case]:
    def records(count: int) -> Callable[[Facts, int], Variables]:
        return lambda facts, number: {
            "r": [
                {"key": f"price-{at}", "title": f"Project {number}", "type": "github_repo", "tools": facts.tools[:3]}
                for at in range(count)
            ],
            "k": [f"price-{at}" for at in range(count)],
        }

    upsert = "mutation($r: [ProjectInput!]!) { upsertProjects(projects: $r) { results { key status } } }"
    for count in (1, 100):
        yield Case(f"upsert {count} projects", upsert, records(count), "service", "service")
    yield Case(
        "upsert 100 projects and remove them",
        "mutation($k: [String!]!) { removeProjects(keys: $k) { removed } }",
        records(100),
        "service",
        "service",
        before=upsert,
    )
    yield Case(
        "upsert 100 tools",
        "mutation($r: [ToolInput!]!) { upsertTools(tools: $r) { results { key status } } }",
        lambda _, number: {"r": [{"key": f"price-{at}", "name": f"Tool {at} {number}"} for at in range(100)]},
        "service",
        "service",
    )


CASES: list[Case] = [*_feeds(), *_reads(), *_documents(), *_writes(), *_service()]


def body(case: Case, text: str, facts: Facts, number: int) -> bytes:
    """Return the body of a request."""
    content = {"query": text, "variables": case.variables(facts, number), "operationName": case.operation}
    return json.dumps(content).encode()
