"""Where pages must vouch for events, only those who were shown a project count in what is trending."""

from dataclasses import replace

import pytest

from db.interactions.decayed_counters import decayed_counts
from db.interactions.served_pages import ServedPageLog, ShownProject, were_served
from db.models import FeedKind, now
from resolvers.common.context import Context
from resolvers.schema import schema
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import SESSION, Graph, user

RECORD = "mutation ($events: [InteractionInput!]!) { recordInteractions(events: $events) { recorded } }"
LIKE = "mutation ($key: String!) { likeProject(key: $key) { changed } }"


async def shown(graph: Graph, snapshot: str, actor_id: int | None, *keys: str) -> None:
    """Note a page as if it had been served."""
    log = ServedPageLog(graph.database)
    log.note(
        snapshot_id=snapshot,
        actor_id=actor_id,
        feed_kind=FeedKind.TRENDING.value,
        strategy="velocity",
        model="trending-day",
        at=now(),
        first_rank=1,
        projects=await graph.world.ids(keys),
        signals=[],
        contributions=b"",
    )
    await log.flush()


async def ask(graph: Graph, query: str, caller: Caller, only: bool, **variables: object) -> None:
    context: Context = replace(graph.context(caller), trending_requires_impression=only)
    answer = await schema.execute(query, variables, context_value=context)
    assert answer.errors is None


async def people(graph: Graph, *keys: str) -> list[float]:
    found = await decayed_counts(graph.database, await graph.world.ids(keys), now())
    return [float(one) for one in found[:, 3]]


def view(key: str, **more: str) -> dict[str, str]:
    return {"project": key, "type": "VIEW", **more}


async def test_only_what_a_page_showed_counts_and_all_is_recorded(graph: Graph) -> None:
    cook = await graph.world.viewer("cook")
    await shown(graph, "own", cook.actor_id, "p0002")
    await shown(graph, "nobody's", None, "p0003")
    await shown(graph, "another's", (await graph.world.viewer("ada")).actor_id, "p0004")
    events = [
        view("p0002"),
        view("p0003", snapshotId="nobody's"),
        view("p0004", snapshotId="another's"),
        view("p0005", snapshotId="own"),
        view("p0007"),
    ]
    await ask(graph, RECORD, user("cook"), True, events=events)
    counted = await people(graph, "p0002", "p0003", "p0004", "p0005", "p0007")
    assert [one > 0 for one in counted] == [True, True, False, False, False]
    activity = await graph.data('{ projects(keys: ["p0002", "p0007"]) { viewCount } }', user("cook"))
    assert [project["viewCount"] for project in activity["projects"]] == [1, 1]


@pytest.mark.parametrize("only", [True, False])
async def test_a_like_needs_a_page_only_where_that_is_asked(graph: Graph, only: bool) -> None:
    await ask(graph, LIKE, user("cook"), only, key="p0002")
    assert (await people(graph, "p0002"))[0] == (0 if only else pytest.approx(0.3, rel=1e-4))
    await shown(graph, "own", (await graph.world.viewer("cook")).actor_id, "p0003")
    await ask(graph, LIKE, user("cook"), only, key="p0003")
    assert (await people(graph, "p0003"))[0] > 0


async def test_without_the_setting_nothing_needs_a_page(graph: Graph) -> None:
    await ask(graph, RECORD, SESSION, False, events=[view("p0007")])
    assert (await people(graph, "p0007"))[0] > 0


async def test_vouching_is_one_statement_however_many(graph: Graph) -> None:
    cook = await graph.world.viewer("cook")
    assert cook.actor_id is not None
    await shown(graph, "own", cook.actor_id, *(f"p{n:04}" for n in range(30)))
    ids = await graph.world.ids([f"p{n:04}" for n in range(40)])
    async with graph.database.write() as connection:
        found = await were_served(connection, cook.actor_id, [ShownProject(id_, None) for id_ in ids])
    assert sum(found) == 30
