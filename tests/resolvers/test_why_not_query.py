"""Why a project is not on the page: each stage at which it can fall out, and nothing of what is not yours to see."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from db.models import InteractionType, Project
from scoring import tunables
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import ANONYMOUS_VIEWER, Graph, assert_plain, user
from tests.world import BEGIN

WHY_NOT = """query ($key: String!, $where: ProjectFilter) { whyNot(key: $key, where: $where) {
  outcome summary filter rank rankByScore rankedCount readAt hiddenUntil degraded project { key } mutes { kind key }
  explanation { score contributions { signal { name } contribution } adjustments { fromRank toRank } } } }"""


async def why_not(graph: Graph, key: str, caller: Caller, **where: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await graph.data(WHY_NOT, caller, key=key, where=where))["whyNot"]
    assert_plain(answer["summary"])
    return answer


async def test_what_is_on_the_page_is_told_with_the_rank_and_the_numbers_that_ranked_it(graph: Graph) -> None:
    page = await graph.data(
        "{ forYou(first: 40) { edges { rank score node { key } explanation { adjustments { fromRank toRank } } } } }",
        user("ada"),
    )
    for edge in page["forYou"]["edges"][::7]:
        answer = await why_not(graph, edge["node"]["key"], user("ada"))
        assert (answer["outcome"], answer["filter"]) == ("RANKED", None)
        assert (answer["rank"], answer["explanation"]["score"]) == (edge["rank"], edge["score"])
        assert answer["explanation"]["adjustments"] == edge["explanation"]["adjustments"]
        total = sum(part["contribution"] for part in answer["explanation"]["contributions"])
        assert total == pytest.approx(edge["score"], abs=1e-9)


async def test_a_project_of_others_that_is_private_cannot_be_told_from_none(graph: Graph) -> None:
    unknown = await why_not(graph, "no-such-key", user("ada"))
    for caller in (user("ada"), ANONYMOUS_VIEWER):
        for key in ("p0900", "no-such-key", "", "x" * 300):
            assert await why_not(graph, key, caller) == unknown
    assert (unknown["outcome"], unknown["project"], unknown["explanation"]) == ("UNKNOWN", None, None)
    async with graph.database.write() as connection:
        await connection.execute(update(Project).where(Project.key == "p0003").values(archived=True))
    assert await why_not(graph, "p0003", user("ada")) == unknown


async def test_an_owner_is_told_why_their_own_is_not_there(graph: Graph) -> None:
    assert (await why_not(graph, "p0900", user("maker")))["filter"] == "PRIVATE"
    assert (await why_not(graph, "p0001", user("author")))["filter"] == "OWN"


async def test_each_filter_says_that_it_was_the_one(graph: Graph) -> None:
    ada = user("ada")
    await graph.data('mutation { dismissProject(key: "p0005") { changed } }', ada)
    dismissed = await why_not(graph, "p0005", ada)
    assert (dismissed["outcome"], dismissed["filter"], dismissed["rank"]) == ("FILTERED", "DISMISSED", None)
    narrowed = await why_not(graph, "p0003", ada, categories=["painting"])
    assert (narrowed["outcome"], narrowed["filter"]) == ("FILTERED", "WHERE")
    assert (await why_not(graph, "p0012", ada, categories=["painting"]))["outcome"] == "RANKED"
    read = await why_not(graph, "p0000", ada)
    assert (read["outcome"], read["filter"], read["explanation"]) == ("FILTERED", "READ", None)
    hidden_for = datetime.fromisoformat(read["hiddenUntil"]) - datetime.fromisoformat(read["readAt"])
    assert hidden_for == timedelta(days=tunables.READ_HIDDEN_DAYS)
    assert read["summary"].startswith(f"You read the project on {BEGIN:%-d %B %Y}, so For You hides it until ")
    await graph.data("mutation { updatePersonalizationSettings(settings: {showRead: true}) { changed } }", ada)
    shown = await why_not(graph, "p0000", ada)
    assert (shown["outcome"], shown["readAt"], shown["hiddenUntil"]) == ("RANKED", None, None)


async def test_a_mute_is_named(graph: Graph) -> None:
    ada = user("ada")
    await graph.data('mutation { a: mute(kind: TOOL, key: "tool-3") { changed } '
                     'b: mute(kind: CATEGORY, key: "chess") { changed } }', ada)  # fmt: skip
    muted = await why_not(graph, "p0003", ada)
    assert (muted["filter"], muted["mutes"]) == ("MUTED", [{"kind": "TOOL", "key": "tool-3"}])
    assert (await why_not(graph, "p0003", user("cook")))["filter"] is None


async def test_what_no_source_named_says_so_and_where_it_would_stand(graph: Graph) -> None:
    await graph.world.add_projects(1, start=950)  # after the page was ranked: nobody can have named it
    await graph.data("{ forYou { snapshotId } }", user("ada"))
    await graph.world.add_projects(1, start=6)
    await graph.world.add_projects(1, start=960)
    answer = await why_not(graph, "p0960", user("ada"))
    assert (answer["outcome"], answer["rank"], answer["project"]) == ("NOT_A_CANDIDATE", None, {"key": "p0960"})
    assert answer["explanation"]["score"] == pytest.approx(
        sum(part["contribution"] for part in answer["explanation"]["contributions"]), abs=1e-9
    )
    assert 1 <= answer["rankByScore"] <= answer["rankedCount"] + 1


async def test_somebody_unknown_is_answered_by_what_is_popular(graph: Graph) -> None:
    answer = await why_not(graph, "p0000", ANONYMOUS_VIEWER)
    assert (answer["outcome"], answer["rank"] <= 3) == ("RANKED", True)
    assert next(part["signal"]["name"] for part in answer["explanation"]["contributions"]) == "popularity"


async def test_the_answer_changes_with_what_the_viewer_does(graph: Graph) -> None:
    before = await why_not(graph, "p0009", user("cook"))
    await graph.world.act("cook", InteractionType.LIKE, "p0003", "p0015")
    after = await why_not(graph, "p0009", user("cook"))
    assert before["explanation"] != after["explanation"]
