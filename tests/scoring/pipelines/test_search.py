"""Search on real stores: what it finds, what it says of it, and what it does when a store is away."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from db.actors.users import find_viewer
from db.catalog.project_cards import ProjectFilter
from db.errors import Store, StoreUnavailable
from db.models import FeedKind, InteractionType, Project
from scoring.deadlines import PATIENT
from scoring.errors import ForeignCursor, InvalidQuery
from scoring.explanation.reasons import KeywordMatch, summary
from scoring.feeds import Feeds
from scoring.mathematics.signals import Signal
from scoring.pipelines.search import SearchQuery
from scoring.ranking import Page, Strategy
from tests.scoring.test_feeds import Away, Forgetful
from tests.world import ANYTHING, World, keys_of, world_fixture

TEXTS = {
    "p0000": ("Extracting text from scanned pages", "An OCR pipeline for old letters."),
    "p0001": ("Whisper in the kitchen", "Speech recognition while cooking."),
    "p0002": ("A chess coach", "It explains its moves."),
    "p0003": ("OCR on a phone", "Reads receipts."),
    "p0004": ("Roasting coffee with a model", "Temperature curves and taste."),
    "p0005": ("Receipt scanner", "Totals by month, from photos of paper."),
}


async def projects_of_texts(world: World) -> None:
    """Add projects that say and mean it."""
    await world.add_users("ada")
    for number, (title, description) in enumerate(TEXTS.values()):
        await world.add_projects(1, start=number, title=title, description=description)
    await world.settle()


world = world_fixture(projects_of_texts)


async def search(world: World, text: str, alpha: float = 0.7, feeds: Feeds | None = None, **page: Any) -> Page:
    query = SearchQuery.checked(text, alpha, page.pop("personalized", False))
    viewer = page.pop("viewer", None) or await find_viewer(world.stores.database)
    asked = {"first": 10, "after": None, "where": ANYTHING} | page
    return await (feeds or world.feeds).search(viewer, query, **asked)


async def test_what_means_it_and_what_says_it_come_first(world: World):
    page = await search(world, "ocr")
    assert (page.kind, page.strategy, page.degraded) == (FeedKind.SEARCH, Strategy.HYBRID, ())
    assert set(keys_of(page)[:2]) == {"p0000", "p0003"}


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 1.0])
async def test_both_legs_add_up_to_the_score_that_ranked(world: World, alpha: float):
    page = await search(world, "scanned receipt photos", alpha)
    scores = [entry.scored.score for entry in page.entries]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[0] <= 1_000_000
    for entry in page.entries:
        said, meant = (
            entry.scored.contribution(Signal.KEYWORD_MATCH),
            entry.scored.contribution(Signal.QUERY_SIMILARITY),
        )
        assert said + meant == entry.scored.score
        assert 0 <= said <= (0 if alpha == 1.0 else 1_000_000)
        assert 0 <= meant <= (0 if alpha == 0.0 else 1_000_000)


async def test_the_words_that_matched_are_named(world: World):
    page = await search(world, "extract text")
    nobody = await find_viewer(world.stores.database)
    found = await world.feeds.reasons(nobody, [entry.scored for entry in page.entries])
    first = page.entries[0]
    assert page.projects[first.project_id].content.key == "p0000"
    (match,) = [one for one in found[first.project_id] if isinstance(one, KeywordMatch)]
    assert match.terms == ("extract", "text")
    assert summary(first.scored, found[first.project_id]).startswith("Contains “extract”, “text”")


async def test_a_search_is_walked_by_cursor_and_ends(world: World):
    seen: list[str] = []
    after = None
    while True:
        page = await search(world, "coffee chess receipts", first=2, after=after)
        seen += keys_of(page)
        if not page.has_next:
            break
        after = page.entries[-1].cursor
    assert len(seen) == len(set(seen))
    assert seen == keys_of(await search(world, "coffee chess receipts", first=100))
    with pytest.raises(ForeignCursor, match="query"):
        await search(world, "something else", after=after)
    with pytest.raises(ForeignCursor, match="query"):
        await search(world, "coffee chess receipts", 0.5, after=after)


async def test_a_search_is_narrowed_by_a_filter(world: World):
    page = await search(world, "ocr receipts", where=ProjectFilter(categories=("cooking",)))
    assert keys_of(page) == ["p0003"]


async def test_what_became_private_is_not_found_however_stale_the_index(world: World):
    async with world.stores.database.write() as connection:
        await connection.execute(update(Project).where(Project.key == "p0003").values(private=True))
    assert "p0003" not in keys_of(await search(world, "ocr"))


async def test_without_the_embedding_model_words_alone_find(world: World):
    feeds = Feeds(replace(world.stores, embedder=Away(Store.EMBEDDINGS)), deadlines=PATIENT)  # type: ignore[arg-type]
    page = await search(world, "ocr", feeds=feeds)
    assert (page.strategy, page.degraded) == (Strategy.KEYWORD, (Store.EMBEDDINGS,))
    assert set(keys_of(page)) == {"p0000", "p0003"}
    assert page.entries[0].scored.score == 1_000_000


async def test_without_the_index_the_truth_is_searched(world: World):
    feeds = Feeds(replace(world.stores, vectors=Away(Store.VECTORS)), deadlines=PATIENT)  # type: ignore[arg-type]
    page = await search(world, "scanned receipts", feeds=feeds)
    assert (page.strategy, page.degraded) == (Strategy.KEYWORD, (Store.VECTORS,))
    assert set(keys_of(page)) == {"p0000", "p0003"}


async def test_a_boost_moves_a_search_towards_the_viewer_and_says_by_how_much(world: World):
    await world.act("ada", InteractionType.LIKE, "p0004")
    await world.settle()
    ada = await world.viewer("ada")
    plain = await search(world, "how to use a model", viewer=ada)
    boosted = await search(world, "how to use a model", viewer=ada, personalized=True)
    assert all(entry.scored.contribution(Signal.PERSONAL_BOOST) == 0 for entry in plain.entries)
    gained = {
        boosted.projects[e.project_id].content.key: e.scored.contribution(Signal.PERSONAL_BOOST)
        for e in boosted.entries
    }
    assert 50_000 < gained["p0004"] == max(gained.values()) <= 100_000
    stranger = await search(world, "how to use a model", personalized=True)
    assert stranger.snapshot_id != boosted.snapshot_id
    assert keys_of(stranger) == keys_of(plain)


@pytest.mark.parametrize(
    "text",
    [
        '"', "*", "NEAR(", "ocr NEAR receipts", "ocr OR", "-ocr", "NOT", "the of and", "مسح النص", "🧾🔎", "a\u200docr",
        "'; DROP TABLE projects; --", "title:ocr", "^ocr", "(((", "ocr*", "%", "_", "\\", "x" * 1_000, "ocr " * 200,
    ],
)  # fmt: skip
async def test_any_text_is_a_query(world: World, text: str):
    page = await search(world, text)
    assert page.degraded == ()
    away = Feeds(replace(world.stores, vectors=Away(Store.VECTORS), cache=Forgetful()), deadlines=PATIENT)  # type: ignore[arg-type]
    assert (await search(world, text, feeds=away)).degraded == (Store.VECTORS,)


@pytest.mark.parametrize(
    ("text", "alpha", "sentence"),
    [
        ("", 0.7, "empty"),
        (" \t\n ", 0.7, "empty"),
        ("ocr\x00", 0.7, "character U.0000"),
        ("ocr\x9f", 0.7, "character U.009F"),
        ("x" * 10_240, 0.7, "10240 characters; 1000 at most"),
        ("ocr", -1.0, "`alpha` is -1"),
        ("ocr", 2.0, "`alpha` is 2"),
        ("ocr", float("nan"), "`alpha` is not a finite number"),
    ],
)
def test_a_search_that_cannot_be_made_says_why(text: str, alpha: float, sentence: str):
    with pytest.raises(InvalidQuery, match=sentence):
        SearchQuery.checked(text, alpha)


async def similar(world: World, key: str, feeds: Feeds | None = None) -> Page:
    (project_id,) = await world.ids([key])
    nobody = await find_viewer(world.stores.database)
    return await (feeds or world.feeds).similar(nobody, project_id, 10, None, ANYTHING)


async def test_what_is_similar_to_a_project_leaves_out_the_project(world: World):
    page = await similar(world, "p0003")
    assert (page.kind, page.strategy) == (FeedKind.SIMILAR, Strategy.SIMILAR)
    assert "p0003" not in keys_of(page)
    assert "p0000" in keys_of(page)[:2]  # the other OCR project
    scores = [entry.scored.score for entry in page.entries]
    assert scores == sorted(scores, reverse=True)


async def test_without_the_index_similar_is_what_carries_the_same_terms(world: World):
    await world.add_projects(12, start=6)
    feeds = Feeds(replace(world.stores, vectors=Away(Store.VECTORS)), deadlines=PATIENT)  # type: ignore[arg-type]
    page = await similar(world, "p0003", feeds)
    assert page.degraded == (Store.VECTORS,)
    assert set(keys_of(page)) == {"p0009", "p0015", "p0010", "p0017"}  # cooking, or tool-3
    with pytest.raises(StoreUnavailable):
        await feeds._stores.vectors.health()
