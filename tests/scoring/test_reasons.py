"""Reasons: evidence that can be checked, and one plain sentence."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from db.engine import Database
from db.models import InteractionType, TermKind
from db.records import TagRecord
from scoring.ranking import Adjustment, Explained, Rule
from scoring.reasons import Fresh, PeopleLikeYou, Popular, SimilarToProject, StatedInterest, summary
from scoring.weights import Signal
from tests.world import ANYTHING, MOMENT, World, embedded_world

TAGS = (
    TagRecord(name="painting", kind=TermKind.CATEGORY, confidence=0.8),
    TagRecord(name="tool-0", kind=TermKind.TOOL),
)


@pytest.fixture
async def world(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(sqlite_database, tmp_path) as made:
        await made.add_users("ada", *(f"painter-{n}" for n in range(6)), tags=TAGS)
        await made.add_projects(60)
        for n in range(6):
            await made.act(f"painter-{n}", InteractionType.LIKE, "p0042", "p0010")
        await made.act("ada", InteractionType.LIKE, "p0006")
        await made.settle()
        yield made


async def test_every_reason_is_backed_by_what_is_in_the_truth(world: World):
    ada = await world.viewer("ada")
    page = await world.feeds.for_you(ada, 100, None, ANYTHING)
    found = await world.feeds.reasons(ada, [entry.explained for entry in page.entries])
    (wanted,) = await world.ids(["p0042"])
    by_type = {type(reason): reason for reason in found[wanted]}
    interests = [reason for reason in found[wanted] if isinstance(reason, StatedInterest)]
    assert {(one.name, one.kind, one.confidence) for one in interests} == {
        ("painting", TermKind.CATEGORY, 0.8),
        ("tool-0", TermKind.TOOL, 1.0),
    }
    people = by_type[PeopleLikeYou]
    assert isinstance(people, PeopleLikeYou)
    assert people.count == 6
    similar = by_type[SimilarToProject]
    assert isinstance(similar, SimilarToProject)
    assert ([similar.project_id], similar.action) == (await world.ids(["p0006"]), "liked")
    assert 0.35 <= similar.similarity <= 1.0
    assert by_type[Popular].likes == 6  # type: ignore[attr-defined]
    assert Fresh not in by_type
    assert "“painting with models, part 6”" in similar.text


async def test_reasons_stand_in_the_order_of_what_they_contributed(world: World):
    ada = await world.viewer("ada")
    page = await world.feeds.for_you(ada, 100, None, ANYTHING)
    found = await world.feeds.reasons(ada, [entry.explained for entry in page.entries])
    signal_of = {
        StatedInterest: Signal.EXPLICIT_PREFERENCES,
        SimilarToProject: Signal.VECTOR_SIMILARITY,
        PeopleLikeYou: Signal.COLLABORATIVE,
        Popular: Signal.POPULARITY,
        Fresh: Signal.FRESHNESS,
    }
    assert set(found) == set(page.cards)
    for entry in page.entries:
        worth = [entry.explained.contribution(signal_of[type(one)]) for one in found[entry.project_id]]
        assert worth == sorted(worth, reverse=True)
        assert all(value >= 0 for value in worth)


async def test_only_the_new_is_called_new_and_only_where_that_counted(world: World):
    ada = await world.viewer("ada")
    personal = await world.feeds.for_you(ada, 100, None, ANYTHING)
    found = await world.feeds.reasons(ada, [entry.explained for entry in personal.entries])
    assert not any(isinstance(one, Fresh) for reasons in found.values() for one in reasons)
    page = await world.feeds.popular(ada, 100, None, ANYTHING)
    found = await world.feeds.reasons(ada, [entry.explained for entry in page.entries])
    for id_, reasons in found.items():
        age = MOMENT - page.cards[id_].created_at
        assert any(isinstance(one, Fresh) for one in reasons) == (age <= timedelta(days=7))


async def test_a_viewer_without_history_gets_only_reasons_that_hold_for_everybody(world: World):
    await world.add_users("newcomer")
    newcomer = await world.viewer("newcomer")
    page = await world.feeds.for_you(newcomer, 100, None, ANYTHING)
    found = await world.feeds.reasons(newcomer, [entry.explained for entry in page.entries])
    assert {type(one) for reasons in found.values() for one in reasons} <= {Popular, Fresh}


@pytest.mark.parametrize(
    ("explained", "reasons", "sentence"),
    [
        (Explained(1, (), (), (), (Adjustment(Rule.REMAINDER, 0, None, 9, 9),)), [], "Further down in the catalogue"),
        (Explained(1, (Signal.CREATED_AT,), (5.0,), (5,)), [], "Among the newest projects."),
        (Explained(1, (Signal.POPULARITY,), (0.0,), (0,)), [], "Picked to round off your page."),
        (
            Explained(1, (Signal.POPULARITY,), (0.1,), (5,)),
            [Popular("popular", "9 people like it", 9)],
            "9 people like it.",
        ),
        (
            Explained(1, (Signal.POPULARITY,), (0.1,), (5,)),
            [Popular("popular", "9 people like it", 9), Fresh("fresh", "New today", 0.1)],
            "9 people like it; new today.",
        ),
    ],
)
def test_the_summary_is_one_plain_sentence(explained: Explained, reasons: list, sentence: str):
    assert summary(explained, reasons).startswith(sentence)
