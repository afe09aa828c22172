"""Personalization status: how much is known about a viewer, computed from counts.

The quality of a profile is the sum of four parts:

- interests, up to .25: full at `Thresholds.interests`;
- history, up to .35: log(1 + projects engaged with), full at five times `Thresholds.interactions`;
- likes, up to .25: log(1 + projects liked), full at four times `Thresholds.likes`;
- recency, up to .15: halved every 30 days since the viewer last interacted or stated an interest.

The quality measures the amount of data, not the quality of a page; `explore evaluate` measures that.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from db.actors.actor_preferences import Preferences
from db.actors.profile_counts import SignalCounts
from db.time_units import DAY_S
from scoring import tunables
from scoring.mathematics.additive_model import Model
from scoring.mathematics.signals import Signal
from scoring.mathematics.viewer_stages import BASELINE_THRESHOLDS, Thresholds, ViewerStage, stage
from scoring.models.model_presets import with_answers
from scoring.profiles.model_preferences import HISTORY, REQUIRED_SWITCHES, switched_off
from scoring.ranking import Strategy


class QualityPart(StrEnum):
    """Parts of a profile's quality."""

    INTERESTS = "interests"
    HISTORY = "history"
    LIKES = "likes"
    RECENCY = "recency"


class MissingKind(StrEnum):
    """Kinds of data that improve personalization."""

    ONBOARDING = "onboarding"
    INTERESTS = "interests"
    INTERACTIONS = "interactions"
    LIKES = "likes"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Missing:
    """Missing data: the current and the required count, and a sentence that says what to do."""

    kind: MissingKind
    have: int
    needed: int
    text: str

    @property
    def remaining(self) -> int:
        """Count that is still missing."""
        return self.needed - self.have


@dataclass(frozen=True, slots=True)
class Status:
    """Personalization status of a viewer."""

    counts: SignalCounts
    thresholds: Thresholds
    stage: ViewerStage
    strategy: Strategy
    parts: dict[QualityPart, float]  # they add up to `quality`
    missing: tuple[Missing, ...]
    inactive_reasons: dict[Signal, str | None]  # a sentence for the viewer; None for a signal that has data
    profile_age_s: float | None  # since the viewer last interacted or stated an interest

    @property
    def quality(self) -> float:
        """Amount of data, 0 to 1."""
        return min(math.fsum(self.parts.values()), 1.0)

    @property
    def has_sufficient_data(self) -> bool:
        """Whether any of the thresholds is reached."""
        counts, thresholds = self.counts, self.thresholds
        return (
            counts.interests >= thresholds.interests
            or counts.interactions >= thresholds.interactions
            or counts.likes >= thresholds.likes
        )

    @property
    def has_completed_onboarding(self) -> bool:
        """Whether any question was answered, or every active question was skipped."""
        counts = self.counts
        return counts.has_answered or 0 < counts.questions <= counts.skipped

    @property
    def needs_onboarding(self) -> bool:
        """Whether onboarding should be offered."""
        return not self.has_sufficient_data and not self.has_completed_onboarding


def status_of(
    counts: SignalCounts,
    current_time: datetime,
    model: Model,
    preferences: Preferences,
    thresholds: Thresholds = BASELINE_THRESHOLDS,
) -> Status:
    """Return the personalization status; `model` is the viewer's For You model if there is a history."""
    times = [time for time in (counts.last_engaged_at, counts.last_stated_at) if time is not None]
    age_s = max((current_time - max(times)).total_seconds(), 0.0) if times else None
    strategy = _strategy(counts, preferences)
    used_model = with_answers(model) if strategy is Strategy.ONBOARDING else model
    return Status(
        counts=counts,
        thresholds=thresholds,
        stage=stage(counts.interests, counts.interactions, counts.likes, counts.has_answered, thresholds),
        strategy=strategy,
        parts=_quality_parts(counts, age_s, thresholds),
        missing=tuple(_find_missing(counts, thresholds)),
        inactive_reasons=_inactive_reasons(used_model, counts, preferences),
        profile_age_s=age_s,
    )


def _strategy(counts: SignalCounts, preferences: Preferences) -> Strategy:
    """Return the strategy of For You by the rule that `scoring.feeds` applies to the profile."""
    uses_interests = preferences.use_interests and preferences.personalized
    has_history = counts.interactions > 0 and preferences.personalized
    if counts.has_answered and uses_interests and not has_history:
        return Strategy.ONBOARDING
    return Strategy.PERSONALIZED if has_history or (counts.interests and uses_interests) else Strategy.POPULAR


def _quality_parts(counts: SignalCounts, age_s: float | None, thresholds: Thresholds) -> dict[QualityPart, float]:
    age_days = math.inf if age_s is None else age_s / DAY_S
    shares = {
        QualityPart.INTERESTS: min(counts.interests / max(thresholds.interests, 1), 1.0),
        QualityPart.HISTORY: _log_share(counts.interactions, 5 * thresholds.interactions),
        QualityPart.LIKES: _log_share(counts.likes, 4 * thresholds.likes),
        QualityPart.RECENCY: math.exp2(-age_days / tunables.QUALITY_HALF_LIFE_DAYS),
    }
    return {part: tunables.QUALITY_SHARES[part.value] * share for part, share in shares.items()}


def _log_share(count: int, full_count: int) -> float:
    return min(math.log1p(count) / math.log1p(max(full_count, 1)), 1.0)


def _find_missing(counts: SignalCounts, thresholds: Thresholds) -> Sequence[Missing]:
    open_questions = counts.questions - counts.answered - counts.skipped
    usable = max(counts.interests, counts.interactions)
    people = "Add {} more interest{s} or opened project{s} to be matched with people like you"
    goals = [
        (MissingKind.ONBOARDING, counts.questions - open_questions, counts.questions, "Answer {} more question{s}"),
        (MissingKind.PEOPLE, usable, tunables.MIN_SHARED_INTERESTS, people),
        (MissingKind.INTERESTS, counts.interests, thresholds.interests, "Add {} more interest{s}"),
        (MissingKind.INTERACTIONS, counts.interactions, thresholds.interactions, "Open {} more project{s}"),
        (MissingKind.LIKES, counts.likes, thresholds.likes, "Like {} more project{s}"),
    ]
    return [
        Missing(kind, have, needed, text.format(needed - have, s="s" if needed - have > 1 else ""))
        for kind, have, needed, text in goals
        if have < needed
    ]


_Requirement = tuple[Callable[[SignalCounts], bool], str]

_NO_DATA: _Requirement = (lambda counts: True, "")
_NEEDS_HISTORY: _Requirement = (lambda counts: counts.interactions > 0, "You haven't opened or liked anything yet.")
_NEEDS_RECENT_ACTIVITY: _Requirement = (
    lambda counts: counts.recent_interactions > 0,
    "You haven't opened anything in the last 7 days.",
)
_NEEDS_INTERESTS: _Requirement = (lambda counts: counts.interests > 0, "You haven't added any interests yet.")
_NEEDS_ANY_DATA: _Requirement = (
    lambda counts: counts.interests > 0 or counts.interactions > 0 or counts.has_answered,
    "We don't know what you like yet.",
)
_NEEDS_SIMILAR_PEOPLE: _Requirement = (
    lambda counts: max(counts.interests, counts.interactions) >= tunables.MIN_SHARED_INTERESTS,
    "We don't know enough about you to find similar people.",
)

_REQUIREMENTS: dict[Signal, _Requirement] = {
    Signal.VECTOR_SIMILARITY: _NEEDS_ANY_DATA,
    Signal.EXPLICIT_PREFERENCES: _NEEDS_INTERESTS,
    Signal.ANSWER_MATCHES: _NEEDS_INTERESTS,
    Signal.BEHAVIORAL_SIGNALS: _NEEDS_RECENT_ACTIVITY,
    Signal.COLLABORATIVE: _NEEDS_SIMILAR_PEOPLE,
}
"""Data that a signal requires. A signal without an entry requires some history, or no data."""


def _requirement_of(signal: Signal) -> _Requirement:
    from_history = any(switches <= HISTORY for switches in REQUIRED_SWITCHES.get(signal, ()))
    return _REQUIREMENTS.get(signal, _NEEDS_HISTORY if from_history else _NO_DATA)


def _inactive_reasons(model: Model, counts: SignalCounts, preferences: Preferences) -> dict[Signal, str | None]:
    off = switched_off(model, preferences) if preferences.personalized else model.signals
    reasons: dict[Signal, str | None] = {}
    for signal in model.signals:
        is_met, reason = _requirement_of(signal)
        reasons[signal] = "Turned off in your settings." if signal in off else None if is_met(counts) else reason
    return reasons
