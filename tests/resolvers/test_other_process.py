"""A warm process shows at the next request what another process has changed."""

import re
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from graphql import DocumentNode, parse, validate

from db.actors.users import Viewer
from db.cache.last_known import LastKnownValues
from db.models import InteractionType
from resolvers.common.global_ids import global_id
from resolvers.execution.executor import Executor
from resolvers.execution.plans import DocumentPlans
from scoring.feeds import Feeds
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SERVICE, Graph, user
from tests.resolvers.execution.test_differential import SCHEMA, answer
from tests.world import feeds_of

CARD = "key title description owner { username bio } tools { name } categories { name } topics { name }"
PAGE = f"""pageInfo {{ endCursor }} nodes {{ key }} edges {{ id cursor node {{ {CARD} viewerHasLiked }}
explanation {{ summary adjustments {{ blockedBy {{ {CARD} }} }} reasons {{ text
... on SimilarToProject {{ project {{ {CARD} }} }} ... on FromOwner {{ owner {{ username }} }} }} }} }}"""
FEEDS = f"""{{ forYou(first: 20) {{ {PAGE} }} popular(first: 20) {{ {PAGE} }} trending(first: 20) {{ {PAGE} }}
newest(first: 20) {{ {PAGE} }} }}"""
BY_NAME = f"""{{ search(query: "zebra", first: 20) {{ {PAGE} }}
personal: search(query: "zebra", personalized: true) {{ {PAGE} }}
project(key: "p0000") {{ {CARD} similar(first: 20) {{ {PAGE} }} }} }}"""
NEXT = f"""query ($a: String, $b: String, $c: String, $d: String) {{ forYou(first: 90, after: $a) {{ {PAGE} }}
popular(first: 90, after: $b) {{ {PAGE} }} trending(first: 90, after: $c) {{ {PAGE} }}
newest(first: 90, after: $d) {{ {PAGE} }} }}"""
NODE = f"""query ($id: ID!) {{ node(id: $id) {{ id ... on Project {{ {CARD} }}
... on FeedEdge {{ node {{ {CARD} }}
explanation {{ summary reasons {{ text }} }} }} }} }}"""


@dataclass
class Process:
    """The memory of one process over the stores of a graph."""

    graph: Graph
    feeds: Feeds
    viewers: LastKnownValues[tuple[str, str], Viewer] = field(default_factory=lambda: LastKnownValues(100))
    plans: dict[str, tuple[DocumentNode, DocumentPlans]] = field(default_factory=dict)

    async def ask(self, query: str, caller: Caller, **variables: Any) -> dict[str, Any]:
        self.graph.world.feeds, self.graph.remembered_viewers = self.feeds, self.viewers
        document, plans = self.plans.setdefault(query, (parse(query), DocumentPlans()))
        assert [error.message for error in validate(SCHEMA, document)] == []
        data, errors = await answer(self.graph, Executor, document, variables, caller, plans)
        assert errors == [], errors
        found: dict[str, Any] = orjson.loads(data)
        return found


def text_of(*answers: dict[str, Any]) -> str:
    return orjson.dumps(answers).decode()


@pytest.fixture
async def processes(graph: Graph) -> tuple[Process, Process]:
    """Give two processes, the second one warm; the project p0950 is in all their feeds and in reasons."""
    world = graph.world
    await world.add_users("zoe-the-owner")
    await world.add_projects(
        1,
        start=950,
        title="Zebra painting",
        owner="zoe-the-owner",
        tools=("tool-z", "tool-0"),
        categories=("painting",),
    )
    await world.add_projects(
        3, start=951, title="Zebra drawings", owner="author", tools=("tool-z",), categories=("painting",)
    )
    await world.act("ada", InteractionType.SAVE, "p0950")
    await world.act("painter-1", InteractionType.LIKE, "p0950")
    await world.settle()
    return Process(graph, feeds_of(world.stores)), Process(graph, feeds_of(world.stores))


HIDING = {
    "private": 'upsertProjects(projects: [{key: "p0950", title: "Hidden", type: "a", private: true}]) { __typename }',
    "archived": 'upsertProjects(projects: [{key: "p0950", title: "Hidden", type: "a", archived: true}]) { __typename }',
    "removed": 'removeProjects(keys: ["p0950"]) { __typename }',
}


async def all_answers(process: Process, caller: Caller, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all answers of a process that may show a project, with the cursors and ids of earlier answers."""
    feeds = before[0] if before else await process.ask(FEEDS, caller)
    cursors = {
        letter: (feeds[name]["edges"] or [{"cursor": None}])[0]["cursor"]
        for letter, name in zip("abcd", ("forYou", "popular", "trending", "newest"), strict=True)
    }
    ids = [edge["id"] for feed in feeds.values() for edge in feed["edges"] if edge["node"]["key"].startswith("p095")]
    return [
        await process.ask(FEEDS, caller),
        await process.ask(BY_NAME, caller),
        await process.ask(NEXT, caller, **cursors),
        *[await process.ask(NODE, caller, id=id_) for id_ in (global_id("Project", "p0950"), *ids)],
    ]


@pytest.mark.parametrize("caller", [user("ada"), ANONYMOUS_VIEWER], ids=["user", "anonymous"])
@pytest.mark.parametrize("change", HIDING)
async def test_a_hidden_project_is_in_no_answer(
    processes: tuple[Process, Process], change: str, caller: Caller
) -> None:
    one, other = processes
    before = await all_answers(other, caller, [])
    before = await all_answers(other, caller, before)  # now its plans and contents are kept
    assert text_of(before).count("Zebra painting") > 4
    await one.ask(f"mutation {{ {HIDING[change]} }}", SERVICE)
    after = text_of(await all_answers(other, caller, before))
    assert "Zebra drawings" in after
    assert re.findall(r".{80}(?:Zebra painting|Hidden|p0950)", after) == []


# Each name is long enough not to be part of a cursor by chance.
RENAMING = {
    "Zoe-The-Owner": 'upsertUsers(users: [{key: "zoe-the-owner", username: "Renamed"}]) { __typename }',
    "tool-z": 'upsertTools(tools: [{key: "tool-z", name: "Renamed"}]) { __typename }',
    '"painting"': 'upsertCategories(categories: [{key: "painting", name: "Renamed"}]) { __typename }',
    "Zebra painting": 'upsertProjects(projects: [{key: "p0950", title: "Renamed", type: "a"}]) { __typename }',
    "zoe-the-owner": 'removeUsers(keys: ["zoe-the-owner"], projects: KEEP) { __typename }',
}


@pytest.mark.parametrize("old", RENAMING)
async def test_an_old_name_is_in_no_answer(processes: tuple[Process, Process], old: str) -> None:
    (one, other), caller = processes, user("ada")
    before = await all_answers(other, caller, await all_answers(other, caller, []))
    shown = "Zoe-The-Owner" if old == "zoe-the-owner" else old
    assert text_of(before).count(shown) > 4
    await one.ask(f"mutation {{ {RENAMING[old]} }}", SERVICE)
    after = text_of(await all_answers(other, caller, before))
    assert re.findall(f".{{80}}{shown}", after) == []
    assert ("Renamed" in after) == (old != "zoe-the-owner")


OWN = {
    "dismissed": 'dismissProject(key: "p0950") { __typename }',
    "muted owner": 'mute(kind: OWNER, key: "zoe-the-owner") { __typename }',
    "muted tool": 'mute(kind: TOOL, key: "tool-0") { __typename }',
}


@pytest.mark.parametrize("change", OWN)
async def test_a_project_that_the_viewer_left_out_is_in_no_feed(
    processes: tuple[Process, Process], change: str
) -> None:
    one, other = processes
    ada, cook = user("ada"), user("cook")
    before = await all_answers(other, ada, await all_answers(other, ada, []))
    await one.ask(f"mutation {{ {OWN[change]} }}", ada)
    after = await all_answers(other, ada, before)
    for page in (*after[0].values(), *after[2].values()):
        assert "p0950" not in [node["key"] for node in page["nodes"]]
    assert "p0950" in text_of(await other.ask(FEEDS, cook))


async def test_marks_and_settings_are_shown_at_the_next_request(processes: tuple[Process, Process]) -> None:
    one, other = processes
    ada = user("ada")
    for _ in range(2):
        page = (await other.ask(FEEDS, ada))["popular"]
    key = page["nodes"][3]["key"]
    await one.ask(f'mutation {{ likeProject(key: "{key}") {{ changed }} }}', ada)
    liked = [e["node"]["key"] for e in (await other.ask(FEEDS, ada))["popular"]["edges"] if e["node"]["viewerHasLiked"]]
    assert key in liked
    settings = (
        "mutation { updatePersonalizationSettings(settings: { personalized: false }) { userErrors { message } } }"
    )
    await one.ask(settings, ada)
    strategy = "{ forYou { strategy } }"
    assert (await other.ask(strategy, ada))["forYou"]["strategy"] == "POPULAR"


async def test_a_claimed_session_acts_as_the_account_at_the_next_request(processes: tuple[Process, Process]) -> None:
    one, other = processes
    session, account = Caller(session_key="s9"), Caller(user_key="cook", session_key="s9")
    like = "mutation ($key: String!) { likeProject(key: $key) { changed } }"
    liked = "{ newest { nodes { key viewerHasLiked } } }"

    async def likes(caller: Caller) -> list[str]:
        nodes = (await other.ask(liked, caller))["newest"]["nodes"]
        return [node["key"] for node in nodes if node["viewerHasLiked"]]

    await one.ask(like, session, key="p0001")
    await one.ask(like, user("cook"), key="p0002")
    for _ in range(2):
        assert (await likes(session), await likes(user("cook"))) == (["p0001"], ["p0002"])
    await one.ask("mutation { claimSession { userErrors { message } } }", account)
    assert (await likes(session), await likes(user("cook"))) == (["p0001", "p0002"], ["p0001", "p0002"])
    await one.ask("mutation { revokeSessions { revoked } }", user("cook"))
    assert (await likes(session), await likes(user("cook"))) == ([], ["p0001", "p0002"])
    await one.ask("mutation { deleteMyData(projects: KEEP) { userErrors { message } } }", user("cook"))
    assert (await likes(session), await likes(user("cook"))) == ([], [])
