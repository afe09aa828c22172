"""The specification's testing checklist, one test a line, through GraphQL over HTTP.

One gateway runs on PostgreSQL, Redis, and doubles of Weaviate and OpenAI that speak the true protocols.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from db.models import Actor, Role, now
from tests.at_scale import FOR_YOU, SEARCH, AtScale, running_at_scale
from tests.world import SUBJECTS

PROJECTS, DIMENSION = 60, 256
FANS = [f"fan-{number}" for number in range(8)]
UPSERT = "mutation ($projects: [ProjectInput!]!) { upsertProjects(projects: $projects) { userErrors { message } } }"
LIKE = "mutation ($key: String!) { likeProject(key: $key) { changed } }"


@pytest.fixture(scope="module")
async def site(postgresql_template, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AtScale]:
    """Start the gateway once; `fill` writes the projects, and lets ada like two about robots."""
    folder = tmp_path_factory.mktemp("acceptance")
    async with postgresql_template.copy(folder) as database:
        url = database.url.render_as_string(hide_password=False)
        # All callers here come from one address, whose contribution to trending would be capped.
        async with running_at_scale(url, folder, network_cap=False) as running:
            await running.fill(PROJECTS)
            for fan in FANS:
                await ask(running, LIKE, fan, key="p0059")
            async with database.write() as connection:  # new accounts count little in trending
                await connection.execute(update(Actor).values(created_at=now() - timedelta(days=30)))

            async def is_ranked() -> bool:  # the process reads new projects into its columns once a second
                page = await ask(running, "{ forYou(first: 1) { edges { score } } }")
                return bool(page["edges"][0]["score"])

            await running.until(is_ranked)
            yield running


async def ask(site: AtScale, query: str, user: str | None = None, role: Role | None = None, **variables: Any) -> Any:
    """Give the value of the only field; a query without a user is anonymous."""
    asked = site.ask_as_nobody(query, **variables) if user is None else site.ask(query, user, role, **variables)
    answer = await asked
    assert "errors" not in answer, answer["errors"]
    (value,) = answer["data"].values()
    return value


def keys(feed: dict[str, Any]) -> list[str]:
    return [edge["node"]["key"] for edge in feed["edges"]]


def subjects(feed: dict[str, Any]) -> list[str]:
    """Name the subject of each project of a page."""
    return [SUBJECTS[int(key[1:]) % len(SUBJECTS)] for key in keys(feed)]


def vectors_of(site: AtScale, kind: str) -> list[int]:
    """Give the dimension of each vector that the index holds of a kind."""
    collections = [c for name, c in site.weaviate.state.collections.items() if name.startswith(kind)]
    return [vector.size for c in collections for one in c.objects.values() for vector in one.vectors.values()]


async def eventually(site: AtScale, holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the worker does in the background."""
    await site.until(holds)


async def test_1_weaviate_starts_and_the_schema_is_created(site: AtScale):
    ready = (await site.client.get("/readyz")).json()
    assert ready["stores"]["vectors"] == "ok"
    names = " ".join(site.weaviate.state.collections)
    assert all(kind in names for kind in ("Project", "UserProfile", "Tool")), names


async def test_2_projects_are_embedded(site: AtScale):
    assert vectors_of(site, "Project").count(DIMENSION) >= PROJECTS
    similar = await ask(site, '{ project(key: "p0002") { similar(first: 5) { edges { node { key } } } } }')
    assert set(subjects(similar["similar"])) == {"robots"}


async def test_3_user_profiles_are_embedded(site: AtScale):
    async def has_profile() -> bool:
        return DIMENSION in vectors_of(site, "UserProfile")

    await eventually(site, has_profile)


async def test_4_hybrid_search_returns_relevant_results(site: AtScale):
    found = await ask(site, SEARCH, "ada")
    assert (found["strategy"], found["degraded"]) == ("HYBRID", [])
    assert set(subjects(found)[:5]) == {"robots"}


async def test_5_for_you_varies_by_user_and_its_explanations_add_up(site: AtScale):
    for key in ("p0003", "p0009"):
        await ask(site, LIKE, "bea", key=key)
    page = """{ forYou(first: 10) { strategy edges { score node { key }
      explanation { contributions { contribution } } } } }"""
    ada, bea = await ask(site, page, "ada"), await ask(site, page, "bea")
    assert (ada["strategy"], bea["strategy"]) == ("PERSONALIZED", "PERSONALIZED")
    assert subjects(ada)[:5].count("robots") > subjects(bea)[:5].count("robots")
    assert subjects(bea)[:5].count("cooking") > subjects(ada)[:5].count("cooking")
    for edge in ada["edges"] + bea["edges"]:
        parts = [part["contribution"] for part in edge["explanation"]["contributions"]]
        assert sum(parts) == pytest.approx(edge["score"], abs=1e-5)


async def test_6_trending_reflects_recent_engagement(site: AtScale):
    trending = "{ trending(first: 60) { edges { node { key } } } }"
    before = keys(await ask(site, trending)).index("p0005")
    for fan in FANS:
        await ask(site, LIKE, fan, key="p0005")

    async def has_risen() -> bool:
        return keys(await ask(site, trending)).index("p0005") < min(before, 3)

    await eventually(site, has_risen)


async def test_7_cold_start_serves_what_is_popular(site: AtScale):
    feed = await ask(site, FOR_YOU)
    assert (feed["strategy"], feed["degraded"], len(feed["edges"])) == ("POPULAR", [], 10)
    assert await ask(site, "{ personalizationStatus { needsOnboarding stage } }", "newcomer") == {
        "needsOnboarding": True,
        "stage": "NEW",
    }


async def test_8_the_quiz_creates_interests_that_change_the_first_page(site: AtScale):
    options = [{"key": one, "label": one, "term": {"category": one}} for one in SUBJECTS]
    question = {"key": "subject", "type": "CATEGORY_SELECT", "text": "What do you like?", "options": options}
    asks = """mutation ($questions: [OnboardingQuestionInput!]!) {
      upsertOnboardingQuestions(questions: $questions) { userErrors { message } } }"""
    assert await ask(site, asks, "platform", Role.SERVICE, questions=[question]) == {"userErrors": []}
    answers = """mutation ($answers: [OnboardingAnswerInput!]!) { submitOnboarding(answers: $answers) {
      userErrors { message } viewer { interests { key kind fromOnboarding } }
      feed(first: 10) { strategy edges { node { key } } } } }"""
    before = await ask(site, FOR_YOU, "cora")
    answered = await ask(site, answers, "cora", answers=[{"question": "subject", "options": ["chess"]}])
    assert answered["userErrors"] == []
    assert answered["viewer"]["interests"] == [{"key": "chess", "kind": "CATEGORY", "fromOnboarding": True}]
    assert answered["feed"]["strategy"] == "ONBOARDING"
    assert subjects(answered["feed"]).count("chess") > subjects(before).count("chess")


async def test_9_the_cache_is_invalidated_by_what_changes_a_page(site: AtScale):
    page = "{ forYou(first: 10) { snapshotId edges { node { key title } } } }"
    first, again = await ask(site, page, "ada"), await ask(site, page, "ada")
    assert first["snapshotId"] == again["snapshotId"]  # the ranking is cached
    shown = keys(first)[0]
    title = {"key": shown, "title": "a new title", "description": "", "type": "article"}
    assert await ask(site, UPSERT, "platform", Role.SERVICE, projects=[title]) == {"userErrors": []}
    assert (await ask(site, page, "ada"))["edges"][0]["node"] == {"key": shown, "title": "a new title"}
    await ask(site, "mutation ($key: String!) { dismissProject(key: $key) { changed } }", "ada", key=shown)
    later = await ask(site, page, "ada")
    assert later["snapshotId"] != first["snapshotId"]
    assert shown not in keys(later)


async def test_10_feeds_and_search_fall_back_to_sql_when_weaviate_is_away(site: AtScale):
    async with site.faulty("refuse", "weaviate", "weaviate_grpc"):
        await ask(site, LIKE, "dora", key="p0014")  # a ranking of her own is not made yet
        feed = await ask(site, FOR_YOU, "dora")
        found = await ask(site, SEARCH.replace("robots", "chess"), "dora")
    assert (feed["degraded"], len(feed["edges"])) == (["VECTORS"], 10)
    assert (found["strategy"], set(subjects(found))) == ("KEYWORD", {"chess"})
    assert "VECTORS" in found["degraded"]
