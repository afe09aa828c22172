"""How well a viewer is known, by counts alone."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.actors.actor_preferences import Preferences
from db.actors.profile_counts import SignalCounts
from scoring import tunables
from scoring.mathematics.additive_model import BASELINE, Curve, Model
from scoring.mathematics.signals import Signal
from scoring.mathematics.viewer_stages import Thresholds, ViewerStage
from scoring.profiles.personalization_status import MissingKind, QualityPart, Status, status_of
from scoring.ranking import Strategy
from tests.world import BEGIN

ALL_ON = Preferences()


def status(counts: SignalCounts, preferences: Preferences = ALL_ON, thresholds: Thresholds | None = None) -> Status:
    return status_of(counts, BEGIN, BASELINE, preferences, thresholds or Thresholds())


def test_of_nobody_nothing_is_known() -> None:
    known = status(SignalCounts(questions=4))
    assert (known.quality, known.stage, known.strategy) == (0.0, ViewerStage.NEW, Strategy.POPULAR)
    assert (known.has_sufficient_data, known.has_completed_onboarding, known.needs_onboarding) == (False, False, True)
    assert known.profile_age_s is None
    assert [(one.kind, one.remaining) for one in known.missing] == [
        (MissingKind.ONBOARDING, 4),
        (MissingKind.PEOPLE, 2),
        (MissingKind.INTERESTS, 3),
        (MissingKind.INTERACTIONS, 10),
        (MissingKind.LIKES, 5),
    ]
    assert [signal for signal, reason in known.inactive_reasons.items() if reason is None] == [Signal.POPULARITY]


@pytest.mark.parametrize(
    ("counts", "enough"),
    [
        (SignalCounts(interests=2, interactions=9, likes=4), False),
        (SignalCounts(interests=3), True),
        (SignalCounts(interactions=10), True),
        (SignalCounts(likes=5, interactions=5), True),
    ],
)
def test_any_of_the_plans_thresholds_is_enough(counts: SignalCounts, enough: bool) -> None:
    assert status(counts).has_sufficient_data is enough
    assert status(counts).needs_onboarding is not enough


def test_the_thresholds_are_the_operators() -> None:
    strict = Thresholds(interests=30, interactions=100, likes=50)
    known = status(SignalCounts(interests=3, interactions=10, likes=5), thresholds=strict)
    assert (known.has_sufficient_data, known.stage) == (False, ViewerStage.LIGHT)
    assert {one.kind: one.remaining for one in known.missing}[MissingKind.LIKES] == 45


def test_one_answer_or_a_skip_of_everything_completes_the_quiz() -> None:
    assert status(SignalCounts(questions=4, answered=1, has_answered=True)).has_completed_onboarding
    assert status(SignalCounts(questions=4, skipped=4)).has_completed_onboarding
    assert not status(SignalCounts(questions=4, skipped=3)).has_completed_onboarding
    assert not status(SignalCounts()).has_completed_onboarding
    assert status(SignalCounts(questions=4, has_answered=True)).has_completed_onboarding, "of questions asked before"


def test_what_is_missing_is_said_in_words() -> None:
    known = status(SignalCounts(questions=4, answered=3, interests=3, interactions=3, likes=2, has_answered=True))
    assert [one.text for one in known.missing] == [
        "Answer 1 more question",
        "Open 7 more projects",
        "Like 3 more projects",
    ]


@pytest.mark.parametrize(
    ("counts", "preferences", "strategy"),
    [
        (SignalCounts(has_answered=True), ALL_ON, Strategy.ONBOARDING),
        (SignalCounts(has_answered=True, interactions=1), ALL_ON, Strategy.PERSONALIZED),
        (SignalCounts(interests=1), ALL_ON, Strategy.PERSONALIZED),
        (SignalCounts(interests=1, has_answered=True), Preferences(use_interests=False), Strategy.POPULAR),
        (SignalCounts(interests=9, interactions=99, likes=9), Preferences(personalized=False), Strategy.POPULAR),
    ],
)
def test_the_strategy_is_what_may_be_used(counts: SignalCounts, preferences: Preferences, strategy: Strategy) -> None:
    assert status(counts, preferences).strategy is strategy


def test_signals_of_other_actors_and_of_age_are_active_without_a_history() -> None:
    others = {Signal.ACTORS_15M, Signal.ACTORS_1D, Signal.ACTORS_14D, Signal.AGE, Signal.EVENTS_SINCE_CREATION}
    own = {Signal.ITEM_FACTORS, Signal.ITEM_NEIGHBORS, Signal.SAME_OWNER, Signal.NEW_SINCE_VISIT}
    model = Model("behavior", {signal: Curve.linear(1.0) for signal in sorted(others | own)})
    known = status_of(SignalCounts(), BEGIN, model, ALL_ON, Thresholds())
    assert {signal for signal, reason in known.inactive_reasons.items() if reason is None} == others


def test_what_is_switched_off_is_not_active_and_says_so() -> None:
    known = status(SignalCounts(interests=3, interactions=10, recent_interactions=2), Preferences(social_signals=False))
    idle = {signal: reason for signal, reason in known.inactive_reasons.items() if reason is not None}
    assert set(idle) == {Signal.COLLABORATIVE, Signal.POPULARITY}
    assert set(idle.values()) == {"Turned off in your settings."}


def test_quality_by_hand() -> None:
    known = status(SignalCounts(interests=3, interactions=50, likes=20, last_engaged_at=BEGIN, last_stated_at=BEGIN))
    assert known.quality == pytest.approx(1.0)
    month_old = status(SignalCounts(interests=1, interactions=0, last_stated_at=BEGIN - timedelta(days=30)))
    assert month_old.parts == {
        QualityPart.INTERESTS: pytest.approx(0.25 / 3), QualityPart.HISTORY: 0, QualityPart.LIKES: 0,
        QualityPart.RECENCY: pytest.approx(0.075),
    }  # fmt: skip
    assert month_old.profile_age_s == 30 * 86_400


numbers = st.integers(0, 2_000)


@given(numbers, numbers, numbers, st.floats(0, 1e9))
def test_quality_is_the_sum_of_its_parts_and_more_is_never_worse(
    tags: int, interactions: int, likes: int, age_s: float
) -> None:
    def known(more_tags: int = 0, more_interactions: int = 0, more_likes: int = 0) -> Status:
        return status(
            SignalCounts(
                interests=tags + more_tags,
                interactions=interactions + more_interactions,
                likes=likes + more_likes,
                last_engaged_at=BEGIN - timedelta(seconds=age_s),
            )
        )

    here = known()
    assert 0 <= here.quality <= 1
    assert here.quality == pytest.approx(sum(here.parts.values()))
    assert all(0 <= value <= tunables.QUALITY_SHARES[part.value] for part, value in here.parts.items())
    assert min(known(1).quality, known(0, 1).quality, known(0, 0, 1).quality) >= here.quality
    assert all(one.remaining > 0 for one in here.missing)
