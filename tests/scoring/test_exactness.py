"""The law of every feed, whatever made it and whatever model serves: contributions are the score, and the rank is the
order of scores and the recorded adjustments, nothing else.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from db.actors.users import Viewer
from db.errors import Store
from db.models import InteractionType, TermKind
from db.records import InterestRecord
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.deadlines import PATIENT
from scoring.explanation.reasons import summary
from scoring.feeds import Feeds
from scoring.mathematics.additive_model import BASELINE
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, EVALUATION_ONLY
from scoring.mathematics.velocity import Window
from scoring.models.active_model import fixed_model
from scoring.models.model_presets import DEFAULT, from_data, with_untrained_signals
from scoring.pipelines.search import SearchQuery
from scoring.ranking import Page, PageEntry, Rule, Strategy
from tests.scoring.test_feeds import Away
from tests.templates import Template
from tests.world import ANYTHING, BEGIN, MOMENT, World, world_fixture

CURVE = {"xs": [-1.0, 0.0, 0.5, 3.0, 12.0], "ys": [-0.02, 0.0, 0.031, 0.0477, 0.1]}
TRAINED = with_untrained_signals(
    from_data(
        "trained-1",
        {
            **{signal.value: CURVE for signal in BEHAVIOR_SIGNALS if signal not in EVALUATION_ONLY},
            "stages": {"heavy": {"age": {"xs": [0.0, 9.0], "ys": [0.01, -0.3]}}, "quiz": {"actors_3d": CURVE}},
        },
    )
)
"""A model as training stores it: crooked curves for every behavior signal, and offsets for two stages of viewers."""

MODELS = {model.name: model for model in (BASELINE, DEFAULT, TRAINED)}
PAINTER = (
    InterestRecord(name="painting", kind=TermKind.CATEGORY, confidence=0.7),
    InterestRecord(name="tool-0", kind=TermKind.TOOL),
)

Serve = Callable[[Feeds, Viewer, int, str | None], Awaitable[Page]]


def a_search(text: str, alpha: float, personalized: bool = False) -> Serve:
    query = SearchQuery.checked(text, alpha, personalized)
    return lambda feeds, viewer, first, after: feeds.search(viewer, query, first, after, ANYTHING)


def trends(window: Window) -> Serve:
    return lambda feeds, viewer, first, after: feeds.trending(viewer, window, first, after, ANYTHING)


FEEDS: dict[str, Serve] = {
    "for you": lambda feeds, viewer, first, after: feeds.for_you(viewer, first, after, ANYTHING),
    "popular": lambda feeds, viewer, first, after: feeds.popular(viewer, first, after, ANYTHING),
    "newest": lambda feeds, viewer, first, after: feeds.newest(viewer, first, after, ANYTHING),
    "trending this hour": trends(Window.HOUR),
    "trending today": trends(Window.DAY),
    "trending this week": trends(Window.WEEK),
    "search": a_search("painting with models", 0.7),
    "search by words": a_search("painting models", 0.0),
    "search by meaning": a_search("colours on canvas", 1.0),
    "search for me": a_search("models every day", 0.6, personalized=True),
    "similar": lambda feeds, viewer, first, after: feeds.similar(viewer, 1, first, after, ANYTHING),
}


@pytest.fixture
def template(sqlite_template: Template) -> Template:
    """One engine will do: what is tested is computed from rows."""
    return sqlite_template


async def painters(world: World) -> None:
    """Painters who came lately, one heavy viewer, one who answered nothing but has tags, and one nobody knows."""
    await world.add_users("maker", "newcomer", *(f"u{n}" for n in range(9)))
    await world.add_users("heavy", "stated", tags=PAINTER)
    await world.add_projects(120, owner="maker")
    for n in range(9):
        keys = [f"p{k:04}" for k in range(0, 120, 2) if (k // 2 + n) % 3]
        await world.act(f"u{n}", InteractionType.VIEW, *keys, at=BEGIN - timedelta(hours=n))
        await world.act(f"u{n}", InteractionType.LIKE, *keys[:7], at=BEGIN - timedelta(hours=n, minutes=5))
    await world.act("heavy", InteractionType.LIKE, *(f"p{k:04}" for k in range(0, 40, 4)), at=BEGIN - timedelta(days=2))
    await world.settle()
    await train_collaborative_model(world.stores.database)


world = world_fixture(painters)


async def walk(feeds: Feeds, serve: Serve, viewer: Viewer) -> tuple[Page, list[PageEntry]]:
    """Walk a feed to its end; gives its first page and all of its places."""
    first = page = await serve(feeds, viewer, 40, None)
    entries = [*page.entries]
    while page.has_next:
        page = await serve(feeds, viewer, 40, page.entries[-1].cursor)
        entries += page.entries
    return first, entries


def assert_exact(entries: list[PageEntry]) -> None:
    """Hold the law for a whole feed."""
    assert entries
    ranked = [one for one in entries if not any(m.rule is Rule.UNRANKED for m in one.scored.adjustments)]
    assert entries[: len(ranked)] == ranked, "what was not ranked follows behind what was"
    by_score: dict[int, PageEntry] = {}
    for entry in ranked:
        one = entry.scored
        assert one.score == sum(one.contributions)
        assert all(isinstance(part, int) for part in one.contributions)
        assert len(one.contributions) == len(one.signals) == len(one.values)
        assert not one.adjustments or one.adjustments[-1].to_rank == entry.rank
        assert all(before.to_rank == after.from_rank for before, after in pairwise(one.adjustments))
        by_score[one.adjustments[0].from_rank if one.adjustments else entry.rank] = entry
    assert sorted(by_score) == [entry.rank for entry in ranked], "every place by score is taken once"
    scores = [by_score[rank].scored.score for rank in sorted(by_score)]
    assert scores == sorted(scores, reverse=True), "without the adjustments the order is that of the scores"
    for entry in entries[len(ranked) :]:
        assert (entry.scored.score, entry.scored.contributions) == (0, ())


@pytest.mark.parametrize("viewer_key", ["heavy", "stated", "newcomer"])
@pytest.mark.parametrize("name", FEEDS)
async def test_the_rank_is_the_score_and_the_adjustments_in_every_feed(world: World, name: str, viewer_key: str):
    _, entries = await walk(world.feeds, FEEDS[name], await world.viewer(viewer_key))
    assert_exact(entries)


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize(
    ("viewer_key", "strategy"),
    [("heavy", Strategy.PERSONALIZED), ("stated", Strategy.PERSONALIZED), ("newcomer", Strategy.POPULAR)],
)
async def test_the_rank_is_the_score_and_the_adjustments_with_every_model(
    world: World, model_name: str, viewer_key: str, strategy: Strategy
):
    feeds = Feeds(world.stores, fixed_model(MODELS[model_name]), clock=lambda: MOMENT, deadlines=PATIENT)
    viewer = await world.viewer(viewer_key)
    first, entries = await walk(feeds, FEEDS["for you"], viewer)
    assert first.strategy is strategy
    assert first.model == model_name
    assert_exact(entries)
    explained = await feeds.explain(viewer, [entry.project_id for entry in first.entries])
    for entry in first.entries:
        # The same on a detail page; a cosine in float32 may differ in its last digit with the number of rows.
        assert explained[entry.project_id].contributions == pytest.approx(entry.scored.contributions, abs=2)


async def test_a_stage_has_its_own_curves_and_they_are_what_is_added_up(world: World):
    feeds = Feeds(world.stores, fixed_model(TRAINED), clock=lambda: MOMENT, deadlines=PATIENT)
    plain = Feeds(world.stores, fixed_model(replace(TRAINED, offsets={})), clock=lambda: MOMENT, deadlines=PATIENT)
    ids = await world.ids(["p0003"])
    heavy, stated = await world.viewer("heavy"), await world.viewer("stated")
    offset, without = (await feeds.explain(heavy, ids))[ids[0]], (await plain.explain(heavy, ids))[ids[0]]
    assert offset.score == sum(offset.contributions) != without.score
    assert (await feeds.explain(stated, ids))[ids[0]].score == (await plain.explain(stated, ids))[ids[0]].score


@pytest.mark.parametrize("name", ["for you", "search", "search by words", "similar", "popular", "trending today"])
async def test_the_law_holds_without_the_index_too(world: World, name: str):
    stores = replace(world.stores, vectors=Away(Store.VECTORS))  # type: ignore[arg-type]
    feeds = Feeds(stores, fixed_model(TRAINED), clock=lambda: MOMENT, deadlines=PATIENT)
    first, entries = await walk(feeds, FEEDS[name], await world.viewer("heavy"))
    assert (Store.VECTORS in first.degraded) == (name in ("for you", "search", "search by words", "similar"))
    assert_exact(entries)


@pytest.mark.parametrize("name", FEEDS)
async def test_every_place_of_every_feed_is_summed_up_in_one_plain_sentence(world: World, name: str):
    for key in ("heavy", "newcomer"):
        viewer = await world.viewer(key)
        page = await FEEDS[name](world.feeds, viewer, 100, None)
        found = await world.feeds.reasons(viewer, [entry.scored for entry in page.entries])
        for entry in page.entries:
            sentence = summary(entry.scored, found[entry.project_id])
            assert sentence[0].isupper() or sentence[0].isdigit() or sentence[0] == "“", sentence
            assert sentence.endswith("."), sentence
            assert "\n" not in sentence, sentence
