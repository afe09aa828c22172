"""Requests with `Sec-GPC: 1`: nothing that they view or are shown is stored, and all that they do on purpose is."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from db.interactions.served_pages import ServedPageLog
from db.models import Interaction, InteractionType, ServedPage
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from scoring.use_cases.project_interactions import PASSIVE_TYPES
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import SESSION, Graph, user
from tests.world import MOMENT

EVENTS = """mutation ($events: [InteractionInput!]!) { recordInteractions(events: $events) {
  recorded results { status userErrors { code message path } } userErrors { code } } }"""
FEEDS = """{ forYou(first: 5) { edges { node { key } } } popular(first: 5) { edges { node { key } } }
  trending(first: 5) { edges { node { key } } } newest(first: 5) { edges { node { key } } }
  search(query: "painting", first: 5) { edges { node { key } } }
  project(key: "p0001") { similar(first: 5) { edges { node { key } } } } }"""


async def stored(graph: Graph) -> list[str]:
    """Give the types of all events of the project that nobody else came to."""
    found = select(Interaction.type).where(Interaction.project_id.in_(await graph.world.ids(["p0003"])))
    return sorted(row.type for row in await graph.database.fetch(found))


@pytest.mark.parametrize("caller", [user("ada"), SESSION], ids=["user", "session"])
async def test_views_clicks_and_impressions_are_not_stored_and_the_answer_says_so(graph: Graph, caller: Caller) -> None:
    events = [{"project": "p0003", "type": type_.name} for type_ in InteractionType]
    answer = (await graph.data(EVENTS, replace(caller, opted_out=True), events=events))["recordInteractions"]
    observed = {type_.name for type_ in PASSIVE_TYPES}
    assert observed == {"VIEW", "CLICK", "IMPRESSION"}
    told = {type_.name: result for type_, result in zip(InteractionType, answer["results"], strict=True)}
    for name, result in told.items():
        expected = ("REFUSED", ["OPTED_OUT"]) if name in observed else ("RECORDED", [])
        assert (result["status"], [error["code"] for error in result["userErrors"]]) == expected, name
    assert "Sec-GPC" in told["VIEW"]["userErrors"][0]["message"]
    assert await stored(graph) == sorted(type_.value for type_ in InteractionType if type_ not in PASSIVE_TYPES)


async def test_likes_saves_dismissals_and_answers_are_stored(graph: Graph) -> None:
    caller = replace(user("ada"), opted_out=True)
    for act in ("likeProject", "saveProject", "dismissProject"):
        assert (await graph.data(f'mutation {{ {act}(key: "p0003") {{ changed }} }}', caller))[act]["changed"], act
    interests = 'mutation { setInterests(interests: [{ kind: CATEGORY, key: "chess" }]) { changed } }'
    assert (await graph.data(interests, caller))["setInterests"]["changed"]
    assert await stored(graph) == ["dismiss", "like", "save"]


async def test_no_page_is_logged_as_served(graph: Graph) -> None:
    served = ServedPageLog(graph.database)
    graph.world.feeds = Feeds(graph.world.stores, served=served, clock=lambda: MOMENT, deadlines=PATIENT)

    async def logged() -> int:
        await served.flush()
        return int((await graph.database.fetch(select(func.count().label("n")).select_from(ServedPage)))[0].n)

    for caller in (user("ada"), SESSION, Caller()):
        await graph.data(FEEDS, replace(caller, opted_out=True))
        assert await logged() == 0
    await graph.data(FEEDS, user("ada"))
    assert await logged() == 6
