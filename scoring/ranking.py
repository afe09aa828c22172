"""Rankings: ordered projects, the contributions that add up to their scores, and adjustments of rank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.catalog.project_cards import HiddenReads
from db.errors import Store
from db.models import FeedKind
from db.page_projects import PageProject
from scoring.mathematics.diversity import DiversityAttributes, RankChange, spread
from scoring.mathematics.exploration import NO_DRAW, ExplorationDraw
from scoring.mathematics.signals import MILLIONTHS, Integers, Signal


class Strategy(StrEnum):
    """Strategies by which a feed is ranked."""

    PERSONALIZED = "personalized"
    ONBOARDING = "onboarding"
    POPULAR = "popular"
    VELOCITY = "velocity"
    NEWEST = "newest"
    HYBRID = "hybrid"
    KEYWORD = "keyword"
    SIMILAR = "similar"


class Rule(StrEnum):
    """Rules that change a rank."""

    DIVERSITY = "diversity"
    EXPLORATION = "exploration"
    READ = "read"
    UNRANKED = "remainder"


class Adjustment(NamedTuple):
    """Recorded change of a project's rank.

    `Rule.EXPLORATION` also marks a project that an explored project moved down; `blocker_id` is then the id of the
    explored project. `Rule.UNRANKED` marks an unranked project; unranked projects follow the ranked projects, newest
    first. `Rule.READ` marks a project that the viewer has read, and without a penalty a project that only moved up for
    it. It precedes the other rules. Within a page, score minus penalties falls from rank to rank, except where an owner
    or category reaches its limit and at explored ranks.
    """

    rule: Rule
    penalty: int  # millionths of score that the rule subtracted
    blocker_id: int | None  # id of the higher-ranked project that caused the change
    from_rank: int  # before the rule, from 1; by score for the first adjustment
    to_rank: int  # after the rule, from 1; as served for the last adjustment
    propensity: float | None = None  # probability with which exploration drew the project for its rank


@dataclass(frozen=True, slots=True)
class ScoredProject:
    """Project with its signal values, contributions and adjustments of rank."""

    project_id: int
    signals: tuple[Signal, ...]
    values: tuple[float, ...]  # by signal
    contributions: tuple[int, ...]  # by signal, in millionths; they add up to `score`
    adjustments: tuple[Adjustment, ...] = ()
    query: str | None = None  # text of the search that ranked it
    switched_off: frozenset[Signal] = frozenset()  # signals that the viewer switched off; they contribute 0

    @property
    def propensity(self) -> float | None:
        """Probability with which exploration drew the project, or None."""
        return next((change.propensity for change in self.adjustments if change.propensity is not None), None)

    @property
    def score(self) -> int:
        """The score in millionths: the sum of the contributions."""
        return sum(self.contributions)

    def contribution(self, signal: Signal) -> int:
        """Return a signal's contribution in millionths, 0 if the model does not use it."""
        return self.contributions[self.signals.index(signal)] if signal in self.signals else 0


@dataclass(frozen=True, slots=True)
class PageEntry:
    """Entry of a page: rank from 1, cursor, and scored project."""

    rank: int
    cursor: str
    scored: ScoredProject

    @property
    def project_id(self) -> int:
        """Id of the project."""
        return self.scored.project_id


@dataclass(frozen=True, slots=True)
class Page:
    """Page of a feed, cut from one snapshot."""

    kind: FeedKind
    strategy: Strategy
    model: str
    snapshot_id: str
    generated_at: datetime
    degraded: tuple[Store, ...]
    entries: tuple[PageEntry, ...]
    projects: Mapping[int, PageProject]  # by id, as read for this page
    has_next: bool
    has_previous: bool
    ranked_count: int | None = None  # ranked projects, which unranked ones may follow; None without a snapshot
    reasons: Mapping[int, tuple[Any, ...]] = field(default_factory=dict)  # `Reason`s by project id; empty unless needed
    # versions of the projects that reasons refer to and that the viewer's feeds may show, by id
    referenced: Mapping[int, Any] = field(default_factory=dict)

    def without_viewer(self) -> "Page":
        """Return the page without the marks and reasons of its viewer."""
        projects = {
            id_: replace(project, liked=False, saved=False) if project.liked or project.saved else project
            for id_, project in self.projects.items()
        }
        return replace(self, projects=projects, reasons={})


@dataclass(frozen=True, slots=True)
class Ranking:
    """Complete ranking of n projects by k signals."""

    kind: FeedKind
    strategy: Strategy
    model: str  # name
    signals: tuple[Signal, ...]  # in the order of the columns
    ids: Integers  # (n,) as served, best first
    values: NDArray[np.float32 | np.float64]  # (n, k) signal values
    contributions: Integers  # (n, k) millionths; the sum of a row is the project's score
    generated_at: datetime
    # by index into `ids`, in the order in which they apply
    adjustments: Mapping[int, tuple[Adjustment, ...]] = field(default_factory=dict)
    degraded: tuple[Store, ...] = ()  # unavailable stores
    query: str | None = None  # text of a search
    switched_off: frozenset[Signal] = frozenset()  # by the viewer
    hidden: HiddenReads | None = None  # read projects that are left out of the ranking and of the unranked projects

    def take(self, order: Sequence[int] | Integers) -> "Ranking":
        """Return the ranking in another order of its rows, without adjustments."""
        rows = np.asarray(order, dtype=np.int64)
        ids, values, contributions = self.ids[rows], self.values[rows], self.contributions[rows]
        return replace(self, ids=ids, values=values, contributions=contributions, adjustments={})

    def spread(self, attributes: DiversityAttributes) -> "Ranking":
        """Return a ranking in score order re-ranked by `spread`, with its adjustments."""
        order, changes = spread(attributes)
        return replace(self.take(order), adjustments=adjustments_of(changes, self.ids))

    def scored_projects(self) -> dict[int, ScoredProject]:
        """Return all scored projects by id."""
        return {id_: self.scored_project(index) for index, id_ in enumerate(self.ids.tolist())}

    def scored_project(self, index: int) -> ScoredProject:
        """Return the scored project at an index of `ids`."""
        return ScoredProject(
            int(self.ids[index]),
            self.signals,
            tuple(self.values[index].tolist()),
            tuple(self.contributions[index].tolist()),
            self.adjustments.get(index, ()),
            self.query,
            self.switched_off,
        )


def adjustments_of(
    changes: Mapping[int, RankChange], ids: Integers, draw: ExplorationDraw = NO_DRAW
) -> dict[int, tuple[Adjustment, ...]]:
    """Convert rank changes to adjustments.

    The keys of changes are indexes in score order, as of `ids`; the keys of adjustments are indexes in served order.
    With a `draw`, a blocked project without a penalty was displaced by an explored project.
    """
    adjustments: dict[int, tuple[Adjustment, ...]] = {}
    for index, change in changes.items():
        blocker_id = int(ids[change.blocker]) if change.blocker >= 0 else None
        was_displaced = bool(draw.reserved) and blocker_id is not None and not change.penalty
        rule = Rule.EXPLORATION if change.explored or was_displaced else Rule.DIVERSITY
        propensity = draw.propensities[index] if change.explored else None
        adjustment = Adjustment(rule, change.penalty, blocker_id, change.from_rank, change.to_rank, propensity)
        adjustments[change.to_rank - 1] = (adjustment,)
    return adjustments


def as_float(millionths: int) -> float:
    """Convert millionths to the number that the GraphQL API returns."""
    return millionths / MILLIONTHS


def distinct_stores(stores: Sequence[Store]) -> tuple[Store, ...]:
    """Return each store once, in a fixed order."""
    return tuple(store for store in Store if store in stores)
