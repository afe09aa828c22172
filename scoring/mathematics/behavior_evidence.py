"""Input arrays of the behavior signals, for one viewer, n candidates and one moment.

For evaluation and training, `LogEvidence` makes a `BehaviorEvidence` from the events of a log in memory that are
strictly before the moment. When a feed is served, `scoring.collaborative.evidence_loader` makes the same arrays from
the database, so evaluation measures the served signals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, StrEnum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.time_units import DAY_S
from scoring import tunables
from scoring.mathematics.batched_release import (
    BY_ACTOR,
    ReleaseRule,
    is_released,
    of_complete_weeks,
    release_times,
)
from scoring.mathematics.signals import Floats, Integers, look_up, ranges


class NeighborKind(StrEnum):
    """Kinds of item-item neighbor lists. Serving uses COSINE lists only; evaluation measures all kinds."""

    COSINE = "cosine"
    RP3BETA = "rp3beta"
    EASE = "ease"


class EvidencePart(Flag):
    """Parts of a `BehaviorEvidence`. Loading a part from the database costs one statement."""

    NOTHING = 0
    ACTORS = auto()
    ITEM_NEIGHBORS = auto()
    INTERACTIONS = auto()
    USER_FACTORS = auto()
    CLUSTERS = auto()
    SESSION_NEIGHBORS = auto()
    ACTIVITY = auto()
    ITEM_FACTORS = auto()
    OWNERS = auto()


class History(NamedTuple):
    """The viewer's latest projects, at most `tunables.PROFILE_ENGAGEMENTS`, the latest first.

    Holds (h,) ids, and Unix seconds of the last interaction with each.
    """

    projects: Integers
    at_s: Floats


class PlatformActivity(NamedTuple):
    """Activity of the whole platform: (m,) ascending Unix seconds, and numbers of first interactions at these times."""

    at_s: Floats
    actors: Floats


class NeighborLinks(NamedTuple):
    """Candidates that are item neighbors of the history: (m,) candidate rows, indexes into `History`, similarities."""

    rows: Integers
    engagements: Integers
    similarity: Floats


class FirstInteractions(NamedTuple):
    """First interactions of other actors: (m,) candidate rows, actor ids, similarities, Unix seconds."""

    rows: Integers
    actors: Integers
    similarity: Floats
    at_s: Floats


NO_INTERACTIONS = FirstInteractions(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
NO_LINKS = NeighborLinks(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
NO_ACTIVITY = PlatformActivity(np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class BehaviorEvidence:
    """Input of the behavior signals for n candidates, made from the events strictly before one moment."""

    at_s: float  # the moment, Unix seconds
    created_s: Floats  # (n,) times of publication
    actors: Floats  # (n, 4) distinct actors, decayed since their first interaction, at `ACTOR_HALF_LIVES_H`
    engagements: History  # the viewer's history
    links: Mapping[NeighborKind, NeighborLinks]  # candidates that are item neighbors of the history
    interactions: FirstInteractions  # recent, of users; the similarity is 1
    # Recent interactions of users, as `scoring.mathematics.batched_release` releases them:
    similar_actors: FirstInteractions  # similarity of the actor's factors and the viewer's factors
    clusters: FirstInteractions  # similarity of the mean factors of the actor's taste cluster
    session_neighbors: FirstInteractions  # by session neighbors; similarity is the number of shared projects
    platform_activity: PlatformActivity
    item_similarity: Floats  # (n,) similarity of the viewer's factors and the candidate's factors
    same_owner_count: Floats  # (n,) other projects of the candidate's owner in the history
    # Only a replay fills these: (n,) similarities by text to the history and matches with the interests, 0 to 1
    history_similarity: Floats = field(default_factory=lambda: np.empty(0))
    interest_matches: Floats = field(default_factory=lambda: np.empty(0))
    user_neighbors: FirstInteractions = NO_INTERACTIONS  # of all time, by user neighbors; only evaluation fills it
    user_neighbor_similarity: float = 0.0  # sum over all user neighbors
    # Signals of fewer actors are 0, and values of similar actors are rounded; 1 shows the cost of both.
    floor: int = tunables.ANONYMITY_FLOOR

    @property
    def n(self) -> int:
        """The number of candidates."""
        return self.created_s.size


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """Interactions in the order of time: usually the first interaction of each actor with each project."""

    actors: Integers  # (m,) dense indexes from 0
    projects: Integers  # (m,) dense indexes from 0
    at_s: Floats  # (m,) Unix seconds
    n_actors: int
    n_projects: int
    weights: Floats | None = None  # (m,) weights in the decayed counters; None: all 1

    @classmethod
    def from_events(
        cls,
        actors: Integers,
        projects: Integers,
        at_s: Floats,
        n_actors: int,
        n_projects: int,
        weights: Floats | None = None,
        *,
        first_only: bool = True,
    ) -> "EventLog":
        """Make a log of the first event of each actor and project, or of all events, from events in any order."""
        order = np.lexsort((projects, actors, at_s))
        if first_only:
            _, first = np.unique((actors * n_projects + projects)[order], return_index=True)
            order = order[np.sort(first)]
        columns = (actors[order], projects[order], at_s[order])
        return cls(*columns, n_actors, n_projects, None if weights is None else weights[order])

    def count_before(self, at_s: float) -> int:
        """Count the events strictly before a moment."""
        return int(np.searchsorted(self.at_s, at_s, side="left"))

    def count_by_project(self, end_s: float, start_s: float = -np.inf) -> Integers:
        """Return the (n_projects,) numbers of events from `start_s` until strictly before `end_s`."""
        part = slice(self.count_before(start_s), self.count_before(end_s))
        return np.bincount(self.projects[part], minlength=self.n_projects)


class GroupedEvents(NamedTuple):
    """Event indexes by group: group g has the events `events[starts[g]:starts[g + 1]]`, in the order of time."""

    events: Integers
    starts: Integers

    @classmethod
    def from_groups(cls, groups: Integers, n: int) -> "GroupedEvents":
        """Group events by their (m,) group numbers from 0 to n − 1."""
        order = np.argsort(groups, kind="stable").astype(np.int64)
        return cls(order, np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=n))]).astype(np.int64))

    def events_before(self, group: int, n_past: int) -> Integers:
        """Return the events of a group among the first `n_past` events of the log."""
        events = self.events[self.starts[group] : self.starts[group + 1]]
        return events[: np.searchsorted(events, n_past)]

    def events_of_groups(self, groups: Integers, n_past: int) -> Integers:
        """Return the events of several groups among the first `n_past` events of the log, in no particular order."""
        events = self.events[ranges(self.starts[groups], np.diff(self.starts)[groups])]
        return events[events < n_past]


class NeighborLists(NamedTuple):
    """Neighbor lists: g has the neighbors `ids[starts[g]:starts[g + 1]]` with their `similarity`, the nearest first."""

    starts: Integers
    ids: Integers
    similarity: NDArray[np.float32]


class Factors(NamedTuple):
    """Latent factors of actors and projects: (n, k) rows of length 1, or zeros where there are too few interactions.

    `cluster_of` holds the taste cluster of each actor, −1 for none. `clusters` holds the (c + 1, k) mean factors of
    each cluster; the last row is zeros.
    """

    actors: NDArray[np.float32]
    projects: NDArray[np.float32]
    cluster_of: Integers
    clusters: NDArray[np.float32]

    @classmethod
    def unknown(cls, n_actors: int, n_projects: int) -> "Factors":
        """Return factors of actors and projects without any interaction."""
        zero = np.zeros((1, 1), np.float32)
        return cls(zero.repeat(n_actors, 0), zero.repeat(n_projects, 0), np.full(n_actors, -1), zero)


@dataclass(frozen=True, slots=True, eq=False)
class CollaborativeModel:
    """Output of the nightly training: item neighbors by kind, factors and, for evaluation, user neighbors."""

    lists: Mapping[NeighborKind, NeighborLists]
    factors: Factors
    user_neighbors: NeighborLists | None = None


class RecentInteractions(NamedTuple):
    """First interactions of users, the viewer's included: (m,) candidate rows, actor ids and Unix seconds."""

    rows: Integers
    actors: Integers
    at_s: Floats

    def live(self, viewer: int, at_s: float) -> FirstInteractions:
        """Return the recent interactions of others, each with the similarity 1."""
        kept = (self.actors != viewer) & (self.at_s >= at_s - tunables.RECENT_INTERACTION_DAYS * DAY_S)
        return FirstInteractions(self.rows[kept], self.actors[kept], np.ones(int(kept.sum())), self.at_s[kept])

    def released(self, viewer: int, at_s: float, rule: ReleaseRule = BY_ACTOR) -> FirstInteractions:
        """Return the interactions of others that a rule has released, each with the similarity 1."""
        released_s = release_times(self.rows, self.actors, self.at_s, rule)
        is_complete = of_complete_weeks(self.at_s, tunables.MAX_RECENT_INTERACTIONS)
        kept = is_complete & (self.actors != viewer) & is_released(released_s, at_s)
        return FirstInteractions(self.rows[kept], self.actors[kept], np.ones(int(kept.sum())), released_s[kept])

    def session_neighbors(self, viewer: int, at_s: float) -> tuple[Integers, Integers]:
        """Count the projects with which each other actor's interaction was released in the last days, by ascending id.

        The rows are of the latest projects of the viewer's history.
        """
        released = self.released(viewer, at_s)
        kept = released.at_s >= at_s - tunables.SESSION_NEIGHBOR_DAYS * DAY_S
        return np.unique(released.actors[kept], return_counts=True)


def with_shared(interactions: FirstInteractions, neighbors: Integers, shared: Integers) -> FirstInteractions:
    """Return the interactions of session neighbors (ascending ids), with their numbers of shared projects."""
    similarity = look_up(interactions.actors, neighbors, shared.astype(np.float64))
    kept, (rows, actors, _, at_s) = similarity > 0, interactions
    return FirstInteractions(rows[kept], actors[kept], similarity[kept], at_s[kept])


def count_same_owner(owners: Integers, history_owners: Integers) -> Floats:
    """Return the (n,) numbers of projects of each candidate's owner (−1 for none) in the viewer's history."""
    ids, counts = np.unique(history_owners[history_owners >= 0], return_counts=True)
    return look_up(owners, ids, counts.astype(np.float64))


def neighbor_links(
    candidates: Integers, history: Sequence[int], lists: Mapping[int, tuple[Integers, NDArray[np.float32]]]
) -> NeighborLinks:
    """Return the candidates in the neighbor lists (ids, similarities) of a history's projects."""
    if not candidates.size or not lists:
        return NO_LINKS
    index_of = {id_: index for index, id_ in enumerate(history)}
    neighbor_ids = np.concatenate([ids for ids, _ in lists.values()])
    history_index = np.repeat([index_of[project] for project in lists], [ids.size for ids, _ in lists.values()])
    similarity = np.concatenate([similarities for _, similarities in lists.values()]).astype(np.float64)
    order = np.argsort(candidates)
    row = order[np.minimum(np.searchsorted(candidates[order], neighbor_ids), candidates.size - 1)]
    is_candidate = candidates[row] == neighbor_ids
    return NeighborLinks(row[is_candidate], history_index[is_candidate].astype(np.int64), similarity[is_candidate])


def history_weights(ages_days: Floats) -> Floats:
    """Return the (h,) weights of a history's projects, with the half-life `tunables.HISTORY_HALF_LIFE_DAYS`."""
    return np.exp2(-np.maximum(ages_days, 0.0) / tunables.HISTORY_HALF_LIFE_DAYS)
