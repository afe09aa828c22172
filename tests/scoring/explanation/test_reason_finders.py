"""Reasons: evidence that can be checked, and one plain sentence."""

from datetime import timedelta

import pytest

from db.catalog.catalog_entries import upsert_projects
from db.models import InteractionType, TermKind
from db.records import InterestRecord
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.deadlines import PATIENT
from scoring.explanation.reason_finders import REASON_FINDERS
from scoring.explanation.reasons import (
    Exploration,
    Fresh,
    FromOwner,
    PeopleLikeYou,
    Popular,
    Reason,
    SimilarityBasis,
    SimilarToProject,
    StatedInterest,
    TrendingNow,
    summary,
)
from scoring.explanation.signal_descriptions import SIGNALS
from scoring.feeds import Feeds
from scoring.mathematics.additive_model import Model
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, EVALUATION_ONLY
from scoring.mathematics.signals import Signal
from scoring.mathematics.velocity import Window
from scoring.models.active_model import fixed_model
from scoring.models.model_presets import from_data
from scoring.ranking import Adjustment, Rule, ScoredProject
from tests.templates import Template
from tests.world import ANYTHING, BEGIN, MOMENT, World, world_fixture

HOUR = timedelta(hours=1)
TAGS = (
    InterestRecord(name="painting", kind=TermKind.CATEGORY, confidence=0.8),
    InterestRecord(name="tool-0", kind=TermKind.TOOL),
)


@pytest.fixture
def template(sqlite_template: Template) -> Template:
    """One engine will do: what is tested is computed from rows."""
    return sqlite_template


async def painters(world: World) -> None:
    """Add painters, and a viewer with interests."""
    await world.add_users("ada", *(f"painter-{n}" for n in range(6)), tags=TAGS)
    await world.add_projects(60)
    for n in range(6):
        await world.act(f"painter-{n}", InteractionType.LIKE, "p0042", "p0010", at=BEGIN - 2 * HOUR)
    await world.act("ada", InteractionType.LIKE, "p0006")
    await world.settle()


world = world_fixture(painters)


async def test_every_reason_is_backed_by_the_database(world: World):
    ada = await world.viewer("ada")
    page = await world.feeds.for_you(ada, 100, None, ANYTHING)
    found = await world.feeds.reasons(ada, [entry.scored for entry in page.entries])
    (wanted,) = await world.ids(["p0042"])
    by_type = {type(reason): reason for reason in found[wanted]}
    interests = [reason for reason in found[wanted] if isinstance(reason, StatedInterest)]
    assert {(one.name, one.kind, one.confidence) for one in interests} == {
        ("painting", TermKind.CATEGORY, 0.8),
        ("tool-0", TermKind.TOOL, 1.0),
    }
    people = by_type[PeopleLikeYou]
    assert isinstance(people, PeopleLikeYou)
    assert people.count == 5, "six, rounded down"
    similar = by_type[SimilarToProject]
    assert isinstance(similar, SimilarToProject)
    assert ([similar.project.id], similar.viewer_action) == (
        await world.ids(["p0006"]),
        InteractionType.LIKE,
    )
    assert 0.35 <= similar.similarity <= 1.0
    assert by_type[Popular].like_count == 6  # type: ignore[attr-defined]
    assert Fresh not in by_type
    assert "“painting with models, part 6”" in similar.text


async def test_reasons_are_ordered_by_contribution(world: World):
    ada = await world.viewer("ada")
    page = await world.feeds.for_you(ada, 100, None, ANYTHING)
    found = await world.feeds.reasons(ada, [entry.scored for entry in page.entries])
    signal_of = {
        StatedInterest: Signal.EXPLICIT_PREFERENCES,
        SimilarToProject: Signal.VECTOR_SIMILARITY,
        PeopleLikeYou: Signal.COLLABORATIVE,
        Popular: Signal.POPULARITY,
        Fresh: Signal.FRESHNESS,
    }
    assert set(found) == set(page.projects)
    for entry in page.entries:
        worth = [
            entry.scored.contribution(signal_of[type(one)])
            for one in found[entry.project_id]
            if not isinstance(one, Exploration)
        ]
        assert worth == sorted(worth, reverse=True)
        assert all(value >= 0 for value in worth)


async def test_only_new_projects_are_called_fresh_and_only_where_freshness_counted(world: World):
    ada = await world.viewer("ada")
    personal = await world.feeds.for_you(ada, 100, None, ANYTHING)
    found = await world.feeds.reasons(ada, [entry.scored for entry in personal.entries])
    assert not any(isinstance(one, Fresh) for reasons in found.values() for one in reasons)
    page = await world.feeds.popular(ada, 100, None, ANYTHING)
    found = await world.feeds.reasons(ada, [entry.scored for entry in page.entries])
    for id_, reasons in found.items():
        age = MOMENT - page.projects[id_].content.created_at
        assert any(isinstance(one, Fresh) for one in reasons) == (age <= timedelta(days=7))


async def test_a_viewer_without_history_gets_only_reasons_without_a_history(world: World):
    await world.add_users("newcomer")
    newcomer = await world.viewer("newcomer")
    page = await world.feeds.for_you(newcomer, 100, None, ANYTHING)
    found = await world.feeds.reasons(newcomer, [entry.scored for entry in page.entries])
    assert {type(one) for reasons in found.values() for one in reasons} <= {Popular, Fresh}


@pytest.mark.parametrize(
    ("explained", "reasons", "sentence"),
    [
        (
            ScoredProject(1, (), (), (), (Adjustment(Rule.UNRANKED, 0, None, 9, 9),)),
            [],
            "From the rest of the catalog",
        ),
        (ScoredProject(1, (Signal.CREATED_AT,), (5.0,), (5,)), [], "Among the newest projects."),
        (ScoredProject(1, (Signal.POPULARITY,), (0.0,), (0,)), [], "Picked to complete your page."),
        (
            ScoredProject(1, (Signal.POPULARITY,), (0.1,), (5,)),
            [Popular("popular", "9 people like this", 9)],
            "9 people like this.",
        ),
        (
            ScoredProject(1, (Signal.POPULARITY,), (0.1,), (5,)),
            [Popular("popular", "9 people like this", 9), Fresh("fresh", "Added today", 0.1)],
            "9 people like this; added today.",
        ),
    ],
)
def test_the_summary_is_one_plain_sentence(explained: ScoredProject, reasons: list, sentence: str):
    assert summary(explained, reasons).startswith(sentence)


# --- reasons of a trained model -------------------------------------------------------------------------------------


def trained(**heights: float) -> Model:
    """A model as training stores it: one rising curve for each of these signals."""
    return from_data(
        "trained", {name: {"xs": [-20.0, 20.0], "ys": [-20.0 * h, 20.0 * h]} for name, h in heights.items()}
    )


async def reasons_of(world: World, user: str, key: str, **heights: float) -> list[Reason]:
    """The reasons of one project for a viewer, ranked by such a model."""
    feeds = Feeds(world.stores, fixed_model(trained(**heights)), clock=lambda: MOMENT, deadlines=PATIENT)
    viewer = await world.viewer(user)
    (wanted,) = await world.ids([key])
    explained = (await feeds.explain(viewer, [wanted]))[wanted]
    assert explained.score == sum(explained.contributions)
    return list((await feeds.reasons(viewer, [explained])).get(wanted, ()))


async def a_crowd(world: World) -> None:
    """Twelve people come to the same six paintings of one maker; the reader has come to the first three."""
    await world.add_users("maker", "reader", *(f"u{n}" for n in range(12)))
    async with world.stores.database.write() as connection:
        await upsert_projects(connection, [world.project(number, owner="maker") for number in range(0, 36, 6)])
    for n in range(12):
        await world.act(f"u{n}", InteractionType.VIEW, *(f"p{k:04}" for k in range(0, 36, 6)), at=BEGIN - HOUR)
        await world.act(f"u{n}", InteractionType.VIEW, f"p{n + 36:04}", at=BEGIN - HOUR)
    await world.act("reader", InteractionType.SAVE, "p0000", "p0006", "p0012", at=BEGIN - HOUR)
    await train_collaborative_model(world.stores.database)


async def test_collaborative_signals_give_numbers_of_people(world: World):
    await a_crowd(world)
    for signal in ("user_factors_sum", "user_factors_mean", "user_factors_recent", "session_neighbors"):
        (one,) = await reasons_of(world, "reader", "p0030", **{signal: 0.1})
        assert isinstance(one, PeopleLikeYou), signal
        assert one.count in (5, 10), signal
    (trending,) = await reasons_of(world, "reader", "p0030", actors_6h=0.1)
    assert isinstance(trending, TrendingNow)
    assert (trending.visitor_count, trending.window, trending.usual_visitor_count) == (12, Window.DAY, 0.0)


async def test_an_item_neighbor_names_the_project_and_the_viewers_action(world: World):
    await a_crowd(world)
    (one,) = await reasons_of(world, "reader", "p0030", item_neighbors_mean=0.5)
    assert isinstance(one, SimilarToProject)
    assert one.project.id in await world.ids(["p0000", "p0006", "p0012"])
    assert (one.basis, one.viewer_action) == (SimilarityBasis.PEOPLE, InteractionType.SAVE)
    assert BEGIN - 2 * HOUR < one.at < BEGIN
    assert 0.3 < one.similarity <= 1.0


async def test_an_owner_is_a_reason_from_one_other_project_on(world: World):
    await a_crowd(world)
    (one,) = await reasons_of(world, "reader", "p0030", same_owner=0.1)
    assert isinstance(one, FromOwner)
    assert (one.project_count, one.text) == (3, "By Maker, who made 3 other projects you viewed")
    (engaged,) = await reasons_of(world, "reader", "p0006", same_owner=0.1)
    assert isinstance(engaged, FromOwner)
    assert engaged.project_count == 2
    assert await reasons_of(world, "u0", "p0050", same_owner=0.1) == []


async def test_fewer_than_five_people_are_never_a_reason(world: World):
    await world.add_users("reader", *(f"u{n}" for n in range(4)))
    for n in range(4):
        await world.act(f"u{n}", InteractionType.VIEW, "p0001", "p0002", "p0003", "p0004", at=BEGIN - HOUR)
    await world.act("reader", InteractionType.VIEW, "p0001", "p0002", "p0003", at=BEGIN - HOUR)
    await train_collaborative_model(world.stores.database)
    heights = dict.fromkeys({*BEHAVIOR_SIGNALS, Signal.POPULARITY} - EVALUATION_ONLY, 0.1)
    found = await reasons_of(world, "reader", "p0004", **heights)
    assert not [one for one in found if isinstance(one, PeopleLikeYou | Popular | TrendingNow)], found


async def test_freshness_with_a_negative_contribution_is_the_last_reason(world: World):
    found = await reasons_of(world, "ada", "p0000", age=-0.03, explicit_preferences=0.25)
    assert [type(one) for one in found] == [StatedInterest, StatedInterest, Fresh]


def test_every_signal_has_a_description():
    assert set(SIGNALS) == set(Signal)


def test_every_signal_that_can_raise_a_score_has_a_reason_or_a_summary():
    explained = {signal for finder in REASON_FINDERS for signal in finder.signals}
    negative = {Signal.IMPRESSION_FATIGUE, Signal.SIMILAR_TO_DISMISSED}  # these never speak for a project
    silent = set(Signal) - explained - negative - EVALUATION_ONLY - {Signal.CREATED_AT}
    for signal in silent:
        said = summary(ScoredProject(1, (signal,), (1.0,), (5,)), [])
        assert said != "Picked to complete your page.", signal
