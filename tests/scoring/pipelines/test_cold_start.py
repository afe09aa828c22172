"""The first pages, on the demo: what answers make of them, and what somebody unknown sees."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from db.actors.users import find_viewer
from db.catalog.project_cards import read_features
from db.models import ProjectTerm, Term, TermKind
from db.onboarding.answers import CheckedAnswer, store_answers
from db.onboarding.questions import Question, active_questions
from db.synchronization.index_writer import refresh_profile
from db.vectors.base import VectorFilter
from scoring.deadlines import PATIENT
from scoring.features import incidences
from scoring.feeds import Feeds
from scoring.mathematics.signals import Signal
from scoring.models.active_model import fixed_model
from scoring.models.model_presets import DEFAULT
from scoring.ranking import Page, Rule, Strategy
from tests.world import ANYTHING, World, demo_world, keys_of

NEAR = 48
"""Projects that count as near to a tool: the tenth of the catalog whose vectors are nearest to those that use it."""


@pytest.fixture(scope="module")
async def demo(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with demo_world(demo_data, tmp_path_factory.mktemp("cold")) as world:
        yield replace(world, feeds=Feeds(world.stores, fixed_model(DEFAULT), deadlines=PATIENT))


async def answered(demo: World, user: str, question: Question, options: Sequence[str]) -> Page:
    viewer = await demo.viewer(user)
    assert viewer.actor_id is not None
    chosen = tuple(option for option in question.options if option.id in options)
    async with demo.stores.database.write() as connection:
        await store_answers(connection, viewer.actor_id, [CheckedAnswer(question, chosen)])
    await refresh_profile(demo.stores, viewer.actor_id)
    return await demo.for_you(user, 30)


async def carried(demo: World, page: Page, kind: TermKind) -> dict[int, set[str]]:
    """The keys of the terms of this kind that each project of a page carries."""
    names = {row.id: row.key for row in await demo.stores.database.fetch(select(Term.id, Term.key))}
    found = await read_features(demo.stores.database, [entry.project_id for entry in page.entries], None)
    return {one.id: {names[int(id_)] for id_ in incidences([one.terms])[kind].terms} for one in found}


async def near_to(demo: World, tool: str) -> set[int]:
    """The projects nearest in vectors to the mean of those that a tool was used for."""
    using = (
        select(ProjectTerm.project_id)
        .join(Term, Term.id == ProjectTerm.term_id)
        .where(Term.key == tool, Term.kind == TermKind.TOOL)
    )
    rows = await demo.stores.database.fetch(using)
    _, vectors = await demo.stores.vectors.project_vectors(np.array([row.project_id for row in rows]))
    mean = vectors.mean(axis=0)
    return set((await demo.stores.vectors.near(mean / np.linalg.norm(mean), NEAR, VectorFilter())).ids.tolist())


async def test_two_tools_make_half_of_the_first_page_and_leave_at_least_four_categories(demo: World) -> None:
    tools = next(question for question in await active_questions(demo.stores.database) if question.key == "tools")
    keys = [option.id for option in tools.options]
    for n, pair in enumerate(zip(keys[::2], keys[1::2], strict=True)):
        page = await answered(demo, f"newcomer-{n}", tools, pair)
        assert page.strategy is Strategy.ONBOARDING
        uses = await carried(demo, page, TermKind.TOOL)
        near = set[int]().union(*[await near_to(demo, tool) for tool in pair])
        fitting = [id_ for id_, used in uses.items() if used & set(pair) or id_ in near]
        assert len(fitting) >= 15, (pair, len(fitting))
        categories = set[str]().union(*(await carried(demo, page, TermKind.CATEGORY)).values())
        assert len(categories) >= 4, (pair, categories)


async def test_matches_are_counted_once_each_and_are_contributions(demo: World) -> None:
    tools = next(question for question in await active_questions(demo.stores.database) if question.key == "tools")
    pair = {tools.options[0].id, tools.options[1].id}
    page = await answered(demo, "newcomer-matches", tools, sorted(pair))
    uses = await carried(demo, page, TermKind.TOOL)
    for entry in page.entries:
        explained = entry.scored
        matches = explained.values[explained.signals.index(Signal.ANSWER_MATCHES)]
        assert matches == len(uses[entry.project_id] & pair)
        worth = (0, 300_000, 450_000)[int(matches)]
        assert explained.contribution(Signal.ANSWER_MATCHES) == worth
        assert explained.score == sum(explained.contributions)


async def test_somebody_unknown_sees_the_breadth_of_what_people_visit_now(demo: World) -> None:
    nobody = await find_viewer(demo.stores.database)
    page = await demo.feeds.for_you(nobody, 30, None, ANYTHING)
    popular, newest = [await feed(nobody, 30, None, ANYTHING) for feed in (demo.feeds.popular, demo.feeds.newest)]
    assert page.strategy is Strategy.POPULAR

    async def by_category(of: Page) -> Counter[str]:
        return Counter(key for keys in (await carried(demo, of, TermKind.CATEGORY)).values() for key in keys)

    here, there = await by_category(page), await by_category(popular)
    assert len(here) >= max(10, len(there))
    assert max(here.values()) < max(there.values()), "no category has as much of the page as in the popular feed"
    new = await demo.feeds.explain(nobody, [entry.project_id for entry in newest.entries])
    visited = [entry.scored.contribution(Signal.ACTORS_6H) for entry in page.entries]
    assert np.mean(visited) > np.mean([project.contribution(Signal.ACTORS_6H) for project in new.values()])
    scores = np.array([entry.scored.score for entry in page.entries])
    for rank, entry in enumerate(page.entries, start=1):
        (moved,) = entry.scored.adjustments or (None,)
        if moved is not None:
            assert (moved.rule, moved.to_rank) == (Rule.DIVERSITY, rank)
    assert scores[0] >= scores[-1]


async def test_the_breadth_is_shared_and_walked_without_repeats(demo: World) -> None:
    one = await demo.feeds.for_you(await find_viewer(demo.stores.database), 30, None, ANYTHING)
    other = await demo.feeds.for_you(await demo.viewer("newcomer"), 30, None, ANYTHING)
    assert one.snapshot_id == other.snapshot_id
    behind = await demo.feeds.for_you(await demo.viewer("newcomer"), 100, other.entries[-1].cursor, ANYTHING)
    assert not set(keys_of(behind)) & set(keys_of(one))
