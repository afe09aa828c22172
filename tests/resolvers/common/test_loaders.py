"""The loaders: batches, and what a batch may hold."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.actors.users import Viewer
from resolvers.common.context import Context
from scoring.explanation.reasons import Popular, Reason
from scoring.mathematics.signals import Signal
from scoring.ranking import ScoredProject
from tests.conftest import CountStatements
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SESSION, Graph, user


class ScoreAsReason:
    """Feeds whose only reason for a project is its score."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def reasons(self, _viewer: Viewer, explained: Sequence[ScoredProject]) -> dict[int, tuple[Reason, ...]]:
        self.batches.append([one.project_id for one in explained])
        return {one.project_id: (Popular("popular", str(one.score), one.score),) for one in explained}


def scored(project_id: int, score: int) -> ScoredProject:
    return ScoredProject(project_id, (Signal.POPULARITY,), (0.5,), (score,))


async def test_a_project_that_two_feeds_score_differently_keeps_each_its_own_reasons() -> None:
    feeds: Any = ScoreAsReason()
    stores: Any = SimpleNamespace(database=None)
    loader = Context(stores, ANONYMOUS_VIEWER, feeds=feeds).loaders.reasons_by_project
    asked = [scored(1, 10), scored(2, 20), scored(1, 11), scored(1, 12), scored(2, 20)]
    found = await asyncio.gather(*(loader.load(one) for one in asked))
    assert [reasons[0].text for reasons in found] == ["10", "20", "11", "12", "20"]
    assert feeds.batches == [[1, 2], [1], [1]]


async def test_loaders_gather_what_is_asked_at_once(graph: Graph, statements: CountStatements) -> None:
    loaders = graph.context(user("ada")).loaders
    keys = [f"p{n:04}" for n in range(20)]
    with statements(graph.database) as issued:
        cards = await asyncio.gather(*(loaders.cards_by_key.load(key) for key in [*keys, *keys]))
    assert len(issued) == 2  # the viewer, the cards
    ids = [card.id for card in cards]
    for loader in (loaders.terms_by_project, loaders.marks_by_project, loaders.cards_by_id):
        with statements(graph.database) as issued:
            await asyncio.gather(*(loader.load(id_) for id_ in ids))
            await asyncio.gather(*(loader.load(id_) for id_ in ids))
        assert len(issued) == 1, loader


async def test_marks_of_somebody_unknown_need_no_statement(graph: Graph, statements: CountStatements) -> None:
    for caller, wanted in (
        (ANONYMOUS_VIEWER, 0),
        (SESSION, 1),
    ):  # one to find out that the session has done nothing yet
        with statements(graph.database) as issued:
            assert await graph.context(caller).loaders.marks_by_project.load(1) is None
        assert len(issued) == wanted


async def test_a_write_makes_what_was_loaded_out_of_date(graph: Graph) -> None:
    context = graph.context(user("ada"))
    before = context.loaders
    assert context.loaders is before
    async with context.write():
        assert context.loaders is before
    assert context.loaders is not before
    assert len(graph.notifications) == 1


async def test_a_write_that_fails_notifies_nobody(graph: Graph) -> None:
    context = graph.context(user("ada"))
    with pytest.raises(DBAPIError):
        async with context.write() as connection:
            await connection.execute(text("SELEKT"))
    assert graph.notifications == []
