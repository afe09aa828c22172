"""What a ranking is: an order, the contributions that made the scores, and every adjustment of rank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from db.catalog.project_cards import ProjectCard
from db.errors import Store
from db.models import FeedKind
from scoring.mathematics.signals import Integers
from scoring.weights import MILLIONTHS, Signal


class Strategy(StrEnum):
    """How a feed was made."""

    PERSONALIZED = "personalized"
    ONBOARDING = "onboarding"
    POPULAR = "popular"
    VELOCITY = "velocity"
    NEWEST = "newest"
    HYBRID = "hybrid"
    KEYWORD = "keyword"
    SIMILAR = "similar"


class Rule(StrEnum):
    """Why a project stands elsewhere than its score alone would put it."""

    DIVERSITY = "diversity"
    EXPLORATION = "exploration"
    REMAINDER = "remainder"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One recorded move of one project.

    Attributes
    ----------
    rule
        What moved it. `Rule.EXPLORATION` also moves what made room for a project that got a chance; it is then
        `because_of` that one.
    penalty
        Millionths of score that the rule took off when the project was placed. Within a page, score minus penalty falls
        from rank to rank, except where an owner or a category had filled it, or a place was given away.
    because_of
        The id of the project above that stood in its way, or None.
    from_rank, to_rank
        Ranks by score and as served, from 1. Both are the same for `Rule.REMAINDER`: the project was not among the
        ranked candidates and follows behind them, newest first.
    propensity
        How likely the project was to be drawn for its place; None unless it got a chance.
    """

    rule: Rule
    penalty: int
    because_of: int | None
    from_rank: int
    to_rank: int
    propensity: float | None = None


@dataclass(frozen=True, slots=True)
class ScoredProject:
    """A project with the very numbers that ranked it.

    Attributes
    ----------
    signals
        The signals of the model, in the order of the next two.
    values
        Each signal's value.
    contributions
        Each signal's contribution, in millionths. They add up to `score`.
    adjustments
        What moved the project away from its rank by score.
    query
        What was searched for, if a search ranked it.
    switched_off
        The signals that the viewer has switched off; their contributions are 0.
    """

    project_id: int
    signals: tuple[Signal, ...]
    values: tuple[float, ...]
    contributions: tuple[int, ...]
    adjustments: tuple[Adjustment, ...] = ()
    query: str | None = None
    switched_off: frozenset[Signal] = frozenset()

    @property
    def propensity(self) -> float | None:
        """How likely the project was to be drawn for its place, if the place was given to it by exploration."""
        return next((moved.propensity for moved in self.adjustments if moved.propensity is not None), None)

    @property
    def score(self) -> int:
        """The score in millionths: the sum of the contributions, nothing else."""
        return sum(self.contributions)

    def contribution(self, signal: Signal) -> int:
        """Give one signal's contribution in millionths, 0 if the model does not use it."""
        return self.contributions[self.signals.index(signal)] if signal in self.signals else 0


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One place on a page: its rank (from 1), the cursor behind it, and the project with its numbers."""

    rank: int
    cursor: str
    explained: ScoredProject

    @property
    def project_id(self) -> int:
        """The project that stands here."""
        return self.explained.project_id


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a feed, cut from one stored ranking.

    Attributes
    ----------
    cards
        Each entry's project as it was in SQL just now.
    ranked_count
        The number of ranked projects; None if no ranking is stored. More may follow behind them.
    """

    kind: FeedKind
    strategy: Strategy
    model: str
    snapshot_id: str
    generated_at: datetime
    degraded: tuple[Store, ...]
    entries: tuple[PageEntry, ...]
    cards: Mapping[int, ProjectCard]
    has_next: bool
    has_previous: bool
    ranked_count: int | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """A whole ranking, before pages are cut from it.

    Attributes
    ----------
    kind, strategy, model
        What was ranked, how, and by which model.
    signals
        The k signals, in the order of the columns of the matrices.
    ids
        (n,) project ids as served, best first.
    values
        (n, k) signal values.
    contributions
        (n, k) millionths; a row's sum is the project's score.
    adjustments
        By index into `ids`.
    generated_at, degraded
        When, and which stores were away.
    query
        What was searched for, if it is the ranking of a search.
    switched_off
        The signals that the viewer has switched off.
    """

    kind: FeedKind
    strategy: Strategy
    model: str
    signals: tuple[Signal, ...]
    ids: Integers
    values: NDArray[np.float32]
    contributions: Integers
    adjustments: dict[int, Adjustment]
    generated_at: datetime
    degraded: tuple[Store, ...] = ()
    query: str | None = None
    switched_off: frozenset[Signal] = frozenset()

    def explained(self, index: int) -> ScoredProject:
        """Give the project at an index of `ids` with its numbers."""
        moved = self.adjustments.get(index)
        return ScoredProject(
            int(self.ids[index]),
            self.signals,
            tuple(self.values[index].tolist()),
            tuple(self.contributions[index].tolist()),
            (moved,) if moved else (),
            self.query,
            self.switched_off,
        )


def as_float(millionths: int) -> float:
    """Turn millionths into the number a client sees."""
    return millionths / MILLIONTHS


def distinct_stores(stores: Sequence[Store]) -> tuple[Store, ...]:
    """Name each store once, in a fixed order."""
    return tuple(store for store in Store if store in stores)
