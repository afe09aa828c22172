"""A viewer's own settings change the curves, and nothing else about the sums."""

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from db.actors.actor_preferences import Preferences, change_preferences
from db.actors.users import find_viewer
from db.models import DELIBERATE_KINDS, PASSIVE_KINDS, EngagementKind, InteractionType, TermKind
from db.records import InterestRecord
from scoring import tunables
from scoring.mathematics.additive_model import BASELINE, Model, order_by_score, scores
from scoring.mathematics.behavior_signals import EVALUATION_ONLY
from scoring.mathematics.signals import Incidence, Signal, novelty
from scoring.models.model_presets import DEFAULT, PRESETS
from scoring.profiles.model_preferences import (
    REQUIRED_SWITCHES,
    apply_preferences,
    learnable_kinds,
    novelty_weight,
    switched_off,
)
from scoring.ranking import Page, Strategy
from tests.world import ANYTHING, World, keys_of, world_fixture

SWITCHES = ("use_interests", "learn_from_views", "learn_from_likes", "social_signals")
ANY_PREFERENCES = st.builds(Preferences, **dict.fromkeys(SWITCHES, st.booleans()), discovery=st.integers(0, 100))


def test_the_defaults_leave_every_model_as_it_is() -> None:
    for model in PRESETS.values():
        assert apply_preferences(model, Preferences()) is model
        assert switched_off(model, Preferences()) == frozenset()


@given(preferences=ANY_PREFERENCES, seed=st.integers(0, 2**32 - 1))
def test_what_is_switched_off_adds_nothing_and_all_else_adds_what_it_did(preferences: Preferences, seed: int) -> None:
    for model in PRESETS.values():
        off, changed = switched_off(model, preferences), apply_preferences(model, preferences)
        values = np.random.default_rng(seed).uniform(-1, 1, (5, len(changed.signals)))
        before = dict(zip(model.signals, model.contributions(values[:, : len(model.signals)]).T, strict=True))
        after = dict(zip(changed.signals, changed.contributions(values).T, strict=True))
        assert set(after) - set(before) == ({Signal.NOVELTY} if preferences.discovery != 50 else set())
        for signal, column in before.items():
            assert (after[signal] == (0 if signal in off else column)).all()


def test_everything_that_rests_on_a_viewer_or_on_people_has_a_switch() -> None:
    nothing = Preferences(**dict.fromkeys(SWITCHES, False))
    whole = Model("whole", dict.fromkeys(REQUIRED_SWITCHES, BASELINE.curves[Signal.POPULARITY]))
    assert switched_off(whole, nothing) == set(REQUIRED_SWITCHES)
    for model in PRESETS.values():
        assert set(model.signals) - switched_off(model, nothing) <= {Signal.AGE, Signal.FRESHNESS}


def test_a_signal_without_a_switch_is_one_on_purpose() -> None:
    unswitched = {
        *(Signal.AGE, Signal.FRESHNESS, Signal.EVENTS_SINCE_CREATION, Signal.CREATED_AT),  # a project's age
        *(Signal.QUERY_SIMILARITY, Signal.KEYWORD_MATCH, Signal.PROJECT_SIMILARITY),  # what was asked for by name
        *(Signal.TRENDING_HOUR, Signal.TRENDING_DAY, Signal.TRENDING_WEEK, Signal.GRAVITY),  # for everybody
        *(Signal.PERSONAL_BOOST, Signal.NOVELTY),  # asked for by name; the balance is a setting of its own
    }
    assert set(Signal) - set(REQUIRED_SWITCHES) - EVALUATION_ONLY == unswitched


def test_each_switch_takes_out_what_rests_on_it() -> None:
    both = Model("both", DEFAULT.curves | BASELINE.curves)
    assert switched_off(both, Preferences(use_interests=False)) == {Signal.EXPLICIT_PREFERENCES}
    tastes = {Signal.USER_FACTORS_RECENT, Signal.ITEM_FACTORS}
    assert switched_off(both, Preferences(learn_from_views=False)) == tastes | {Signal.IMPRESSION_FATIGUE}
    assert switched_off(both, Preferences(learn_from_likes=False)) == tastes
    acts = tastes | {
        Signal.BEHAVIORAL_SIGNALS,
        Signal.ITEM_NEIGHBORS_MEAN,
        Signal.IMPRESSION_FATIGUE,
        Signal.SIMILAR_TO_DISMISSED,
    }
    assert switched_off(both, Preferences(learn_from_views=False, learn_from_likes=False)) == acts
    visitors = {Signal.ACTORS_1H, Signal.ACTORS_6H, Signal.ACTORS_14D, Signal.LIKES, Signal.POPULARITY}
    people = visitors | {Signal.COLLABORATIVE, Signal.ITEM_NEIGHBORS_MEAN}
    assert switched_off(both, Preferences(social_signals=False)) == people | tastes


def test_views_and_likes_share_the_kinds_of_engagement_between_them() -> None:
    views = learnable_kinds(Preferences(learn_from_likes=False))
    likes = learnable_kinds(Preferences(learn_from_views=False))
    assert (views, likes) == (PASSIVE_KINDS, DELIBERATE_KINDS)
    assert views & likes == EngagementKind(0)
    assert EngagementKind.SAVE in likes
    assert EngagementKind.CLICK in views


def test_novelty_is_the_share_of_terms_that_were_not_met() -> None:
    # Of four projects: terms 1 and 2; 2 and 3; 3 alone; none.
    carried = Incidence(4, np.array([0, 0, 1, 1, 2]), np.array([1, 2, 2, 3, 3]))
    found = novelty(carried, np.array([1, 2]), np.array([1.0, 0.5]))
    assert found.tolist() == [0.25, 0.75, 1.0, 0.0]
    assert novelty(carried, np.empty(0, np.int64), np.empty(0)).tolist() == [1.0, 1.0, 1.0, 0.0]


def test_the_weight_of_novelty_is_symmetric_about_the_middle() -> None:
    assert [novelty_weight(at) for at in (0, 50, 100)] == [
        -tunables.MAX_NOVELTY_WEIGHT,
        0.0,
        tunables.MAX_NOVELTY_WEIGHT,
    ]


@given(
    base=st.lists(st.integers(-500_000, 500_000), min_size=2, max_size=40),
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.05, 1.0),
)
def test_a_larger_balance_never_shows_less_that_is_new_among_the_best(base: list[int], seed: int, share: float) -> None:
    fresh = np.random.default_rng(seed).integers(0, 5, len(base)) / 4
    first = max(1, round(share * len(base)))
    keys = np.array([f"{n:03}" for n in range(len(base))])
    shown = []
    for discovery in (0, 10, 25, 49, 50, 51, 80, 100):
        model = apply_preferences(Model("any", {}), Preferences(discovery=discovery))
        more = scores(model.contributions(fresh[:, None])) if model.signals else np.zeros(len(base), np.int64)
        shown.append(fresh[order_by_score(np.array(base) + more, keys)[:first]].sum())
    assert all(less <= more for less, more in pairwise(shown))


# --- on a page -----------------------------------------------------------------------------------------------------


async def painters(world: World) -> None:
    """Add painters who like the same paintings, and a viewer like them."""
    painter = (
        InterestRecord(name="painting", kind=TermKind.CATEGORY),
        InterestRecord(name="tool-0", kind=TermKind.TOOL),
    )
    await world.add_users("ada", *(f"painter-{n}" for n in range(7)), tags=painter)
    await world.add_projects(60)
    for n in range(7):
        await world.act(f"painter-{n}", InteractionType.LIKE, "p0000", "p0006", "p0012", "p0018")
    await world.act("ada", InteractionType.LIKE, "p0000", "p0006")
    await world.act("ada", InteractionType.VIEW, "p0003")
    await world.settle()


world = world_fixture(painters)


async def set_preferences(world: World, **changes: Any) -> None:
    actor_id = (await world.viewer("ada")).actor_id
    assert actor_id is not None
    async with world.stores.database.write() as connection:
        await change_preferences(connection, actor_id, changes)


def total(page: Page, signal: Signal) -> int:
    return sum(abs(entry.scored.contribution(signal)) for entry in page.entries)


async def test_what_is_switched_off_adds_nothing_on_the_next_page_and_is_marked(world: World) -> None:
    before = await world.for_you("ada", 60)
    for name, signal in (
        ("use_interests", Signal.EXPLICIT_PREFERENCES),
        ("social_signals", Signal.POPULARITY),
    ):
        assert total(before, signal) > 0
        await set_preferences(world, **{name: False})
        page = await world.for_you("ada", 60)
        assert total(page, signal) == 0
        assert all(signal in entry.scored.switched_off for entry in page.entries)
        assert all(entry.scored.score == sum(entry.scored.contributions) for entry in page.entries)
        again = await world.for_you("ada", 60)  # read from the snapshot
        assert [entry.scored for entry in again.entries] == [entry.scored for entry in page.entries]
        elsewhere = await world.feeds.explain(await world.viewer("ada"), [entry.project_id for entry in page.entries])
        for entry in page.entries:
            assert elsewhere[entry.project_id].contributions == entry.scored.contributions
            assert elsewhere[entry.project_id].switched_off == entry.scored.switched_off
        await set_preferences(world, **{name: True})
    assert keys_of(await world.for_you("ada", 60)) == keys_of(before)


async def test_nothing_is_concluded_from_views_or_from_likes_that_shall_not_count(world: World) -> None:
    (viewed,) = await world.ids(["p0003"])
    (liked,) = await world.ids(["p0000"])

    async def behaviour() -> tuple[int, int]:
        explained = await world.feeds.explain(await world.viewer("ada"), [viewed, liked])
        return tuple(explained[id_].contribution(Signal.BEHAVIORAL_SIGNALS) for id_ in (viewed, liked))  # type: ignore[return-value]

    seen, loved = await behaviour()
    assert seen < 0
    assert loved < 0
    await set_preferences(world, learn_from_views=False)
    without_views, still_loved = await behaviour()
    assert without_views >= 0  # no longer "seen lately"
    assert still_loved < 0
    await set_preferences(world, learn_from_views=True, learn_from_likes=False)
    still_seen, without_likes = await behaviour()
    assert still_seen < 0
    assert without_likes >= 0
    await set_preferences(world, learn_from_views=False)
    assert await behaviour() == (0, 0)


async def test_without_a_profile_for_you_is_the_popular_feed_and_no_reason_speaks_of_the_viewer(world: World) -> None:
    await set_preferences(world, personalized=False)
    page = await world.for_you("ada", 60)
    stranger = await world.feeds.for_you(await find_viewer(world.stores.database), 60, None, ANYTHING)
    assert page.strategy is Strategy.POPULAR
    assert keys_of(page) == keys_of(stranger)
    found = await world.feeds.reasons(await world.viewer("ada"), [entry.scored for entry in page.entries])
    assert not {reason.group for reasons in found.values() for reason in reasons} & {"stated", "behavior"}


async def test_the_balance_moves_the_first_page_from_the_familiar_to_the_new(world: World) -> None:
    familiar = {f"p{n:04}" for n in range(60) if n % 6 == 0 or n % 7 == 0}
    shares = []
    for discovery in (0, 25, 50, 75, 100):
        await set_preferences(world, discovery=discovery)
        page = await world.for_you("ada", 60)
        best = sorted(page.entries, key=lambda entry: -entry.scored.score)[:25]
        shares.append(sum(page.projects[entry.project_id].content.key not in familiar for entry in best) / 25)
        assert all(entry.scored.score == sum(entry.scored.contributions) for entry in page.entries)
    assert shares == sorted(shares)
    assert shares[2] < shares[-1], shares  # (what is familiar stands first by itself)
