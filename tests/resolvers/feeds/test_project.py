"""Projects met outside of a feed, and what is loaded with them."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from db.catalog.catalog_entries import upsert_projects
from db.models import InteractionType, now
from tests.conftest import CountStatements
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SERVICE, SESSION, Graph, user
from tests.world import World

MANY = "query ($keys: [String!]!) { projects(keys: $keys) { key } }"
EXPLAINED = """
query ($keys: [String!]!) { projects(keys: $keys) {
  key
  explanation {
    score summary contributions { contribution signal { name } }
    reasons { __typename id group text
      ... on StatedInterest { key name kind confidence } ... on FromOwner { owner { key } projectCount }
      ... on SimilarToProject { project { key } similarity basis viewerAction at }
      ... on Popular { likeCount } ... on PeopleLikeYou { count } ... on Fresh { ageDays } }
  }
} }"""


async def test_a_project_is_found_by_its_key(graph: Graph) -> None:
    data = await graph.data('{ project(key: "p0003") { key title description type url imageUrl viewCount createdAt } }')
    project = data["project"]
    assert (project["key"], project["title"], project["type"]) == ("p0003", "cooking with models, part 3", "article")
    assert (project["url"], project["imageUrl"], project["viewCount"]) == (None, None, 0)
    assert project["createdAt"].endswith("Z")


async def test_keys_that_name_nothing_give_null_in_their_places(graph: Graph) -> None:
    keys = ["p0002", "nothing", "p0000", "", "\x00", "\ud800", "x" * 10_000, "p0002"]
    data = await graph.data(MANY, keys=keys)
    assert [one and one["key"] for one in data["projects"]] == ["p0002", None, "p0000", *[None] * 4, "p0002"]
    assert await graph.data(MANY, keys=[]) == {"projects": []}
    assert await graph.data('{ project(key: "nothing") { key } }') == {"project": None}


async def test_more_than_a_hundred_keys_are_refused(graph: Graph) -> None:
    assert len((await graph.data(MANY, keys=["p0000"] * 100))["projects"]) == 100
    assert (await graph.refusal(MANY, keys=["p0000"] * 101)) == ("BAD_USER_INPUT", ["projects"])


async def test_a_private_project_is_seen_by_its_owner_only(graph: Graph) -> None:
    query = '{ project(key: "p0900") { title } }'
    for caller in (ANONYMOUS_VIEWER, SESSION, SERVICE, user("ada"), user("p0900")):
        assert await graph.data(query, caller) == {"project": None}
    assert await graph.data(query, user("maker")) == {"project": {"title": "Hidden"}}


async def test_an_archived_project_is_gone_at_once(graph: Graph) -> None:
    async with graph.database.write() as connection:
        await upsert_projects(connection, [World.project(5, archived=True)])
    assert await graph.data('{ project(key: "p0005") { key } }', user("ada")) == {"project": None}


async def test_a_hundred_projects_cost_as_many_statements_as_one(graph: Graph, statements: CountStatements) -> None:
    query = EXPLAINED.replace(
        "key\n", "key tools { tagline } categories { description } owner { key } viewerHasLiked\n", 1
    )
    counts = []
    for keys in (["p0006"], [f"p{n:04}" for n in range(40)]):
        with statements(graph.database) as issued:
            await graph.data(query, user("ada"), keys=keys)
        counts.append(len(issued))
    assert counts[0] == counts[1]


async def test_an_explanation_adds_up_and_names_its_evidence(graph: Graph) -> None:
    data = await graph.data(EXPLAINED, user("ada"), keys=["p0006", "p0001"])
    explanation = data["projects"][0]["explanation"]
    assert sum(part["contribution"] for part in explanation["contributions"]) == pytest.approx(explanation["score"])
    reasons = {reason["__typename"]: reason for reason in explanation["reasons"]}
    assert reasons["StatedInterest"]["name"] == "painting"
    assert reasons["StatedInterest"]["kind"] == "CATEGORY"
    assert reasons["Popular"]["likeCount"] == 6
    similar = reasons["SimilarToProject"]
    assert (similar["project"], similar["viewerAction"]) == ({"key": "p0000"}, "LIKE")
    assert explanation["summary"]


async def test_reasons_of_two_projects_never_share_an_id(graph: Graph) -> None:
    data = await graph.data(EXPLAINED, user("ada"), keys=[f"p{n:04}" for n in range(20)])
    ids = [reason["id"] for project in data["projects"] for reason in project["explanation"]["reasons"]]
    assert len(ids) > 20
    assert len(set(ids)) == len(ids)


async def test_two_feeds_of_one_request_keep_their_own_reasons(graph: Graph) -> None:
    edges = "(first: 41) { edges { node { key } explanation { summary score reasons { __typename } } } }"
    apart = [(await graph.data(f"{{ {field}{edges} }}", user("ada")))[field] for field in ("forYou", "newest")]
    together = await graph.data(f"{{ forYou{edges} newest{edges} }}", user("ada"))
    assert [together["forYou"], together["newest"]] == apart


async def test_what_made_a_project_similar_is_hidden_once_it_is_private(graph: Graph) -> None:
    await graph.world.act("ada", InteractionType.LIKE, "p0000")
    async with graph.database.write() as connection:
        await upsert_projects(connection, [World.project(0, private=True, owner="author")])
    data = await graph.data(EXPLAINED, user("ada"), keys=["p0006"])
    shown = str(data["projects"][0]["explanation"])
    assert "part 0" not in shown
    assert "p0000" not in shown


async def test_somebody_unknown_gets_an_explanation_too(graph: Graph) -> None:
    data = await graph.data(EXPLAINED, ANONYMOUS_VIEWER, keys=["p0000"])
    assert data["projects"][0]["explanation"]["score"] > 0


async def test_activity_is_people_by_day_with_today_last(graph: Graph) -> None:
    start_of_day = now().replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = start_of_day - timedelta(hours=5)
    for n in range(3):
        await graph.world.act(f"painter-{n}", InteractionType.VIEW, "p0007", at=yesterday)
        await graph.world.act(f"painter-{n}", InteractionType.VIEW, "p0007", at=start_of_day + timedelta(seconds=9))
    await graph.world.act("cook", InteractionType.VIEW, "p0007", at=start_of_day + timedelta(seconds=9))
    await graph.world.act("ada", InteractionType.VIEW, "p0007", at=start_of_day - timedelta(days=14))
    query = '{ project(key: "p0007") { activity short: activity(days: 1) } nobody: project(key: "p0009") { activity } }'
    data = await graph.data(query)
    assert data["project"] == {"activity": [0] * 12 + [3, 1], "short": [1]}
    assert data["nobody"]["activity"] == [0] * 14


async def test_activity_of_a_page_is_one_statement(graph: Graph, statements: CountStatements) -> None:
    def ask(first: int) -> str:
        return f"{{ newest(first: {first}) {{ edges {{ node {{ activity }} }} }} }}"

    await graph.data(ask(40))  # ranks
    with statements(graph.database) as few:
        await graph.data(ask(2))
    with statements(graph.database) as many:
        await graph.data(ask(40))
    assert len(few) == len(many)


@pytest.mark.parametrize("days", [0, -1, 91, 2**31 - 1])
async def test_activity_of_no_days_or_too_many_is_refused(graph: Graph, days: int) -> None:
    query = 'query ($days: Int!) { project(key: "p0007") { activity(days: $days) } }'
    code, path = await graph.refusal(query, days=days)
    assert (code, path) == ("BAD_USER_INPUT", ["project", "activity"])


async def test_activity_by_day_has_the_counts_of_activity_with_their_dates(graph: Graph) -> None:
    query = '{ project(key: "p0000") { activity(days: 3) activityByDay(days: 3) { date count } } }'
    project = (await graph.data(query))["project"]
    days = [date.fromisoformat(day["date"]) for day in project["activityByDay"]]
    assert [day["count"] for day in project["activityByDay"]] == project["activity"]
    assert [(later - earlier).days for earlier, later in pairwise(days)] == [1, 1]
    assert now().date() - days[-1] <= timedelta(days=1)
