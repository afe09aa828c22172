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

from db.time_units import ACTOR_HALF_LIVES_H, DAY_S, HOUR_S
from scoring import tunables
from scoring.mathematics.log_contents import CatalogContents
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
    OWNER_FACTORS = auto()
    OWNERS = auto()


class History(NamedTuple):
    """Projects that the viewer engaged with, the latest first: (h,) ids, and Unix seconds of each first interaction."""

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
    interactions: FirstInteractions  # recent; similarity of the actor's factors and the viewer's factors
    clusters: FirstInteractions  # recent; similarity of the mean factors of the actor's taste cluster; no floor applies
    session_neighbors: FirstInteractions  # recent, by session neighbors; similarity is the number of shared projects
    platform_activity: PlatformActivity
    item_similarity: Floats  # (n,) similarity of the viewer's factors and the candidate's factors
    owner_similarity: Floats  # (n,) similarity of the viewer's factors and the factors of the candidate's owner
    same_owner_count: Floats  # (n,) other projects of the candidate's owner in the history
    # Only a replay fills these: (n,) similarities by text to the history and matches with the interests, 0 to 1
    history_similarity: Floats = field(default_factory=lambda: np.empty(0))
    interest_matches: Floats = field(default_factory=lambda: np.empty(0))
    user_neighbors: FirstInteractions = NO_INTERACTIONS  # of all time, by user neighbors; only evaluation fills it
    user_neighbor_similarity: float = 0.0  # sum over all user neighbors
    floor: int = tunables.ANONYMITY_FLOOR  # signals of fewer actors are 0, so that none reveals what one actor did

    @property
    def n(self) -> int:
        """The number of candidates."""
        return self.created_s.size


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """The first interaction of each actor with each project, in the order of time."""

    actors: Integers  # (m,) dense indexes from 0
    projects: Integers  # (m,) dense indexes from 0
    at_s: Floats  # (m,) Unix seconds
    n_actors: int
    n_projects: int

    @classmethod
    def from_events(
        cls, actors: Integers, projects: Integers, at_s: Floats, n_actors: int, n_projects: int
    ) -> "EventLog":
        """Make a log of the first event of each actor and project from events in any order."""
        order = np.lexsort((projects, actors, at_s))
        actors, projects, at_s = actors[order], projects[order], at_s[order]
        _, first = np.unique(actors * n_projects + projects, return_index=True)
        first.sort()
        return cls(actors[first], projects[first], at_s[first], n_actors, n_projects)

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


class LogEvidence:
    """Evidence from the events of a log in memory that are strictly before the requested moment.

    `created_s` are the (n_projects,) times of publication. `owners` are the (n_projects,) owning actors, −1 for none.
    Without `contents`, texts and terms are unknown.
    """

    def __init__(
        self,
        log: EventLog,
        created_s: Floats,
        owners: Integers,
        floor: int = tunables.ANONYMITY_FLOOR,
        contents: CatalogContents | None = None,
    ) -> None:
        self.log = log
        self.created_s = created_s
        self.floor = floor
        self.owners = owners
        self.contents = contents or CatalogContents.unknown(log.n_projects)
        self._by_actor = GroupedEvents.from_groups(log.actors, log.n_actors)
        self._by_project = GroupedEvents.from_groups(log.projects, log.n_projects)
        self._row = np.full(log.n_projects, -1, dtype=np.int64)
        self.model = CollaborativeModel({}, Factors.unknown(log.n_actors, log.n_projects))  # of the last training

    def engagements(self, actor: int, at_s: float) -> History:
        """Return an actor's history before a moment."""
        events = self._by_actor.events_before(actor, self.log.count_before(at_s))[::-1]
        return History(self.log.projects[events], self.log.at_s[events])

    def count_shared_projects(self, actor: int, engagements: History, at_s: float) -> Floats:
        """Return (n_actors,) numbers of the viewer's latest projects that each actor engaged with recently.

        Counts the latest `tunables.SESSION_PROJECTS` projects, and events of the last `tunables.SESSION_NEIGHBOR_DAYS`
        days.
        """
        latest = engagements.projects[: tunables.SESSION_PROJECTS]
        events = self._by_project.events_of_groups(latest, self.log.count_before(at_s))
        events = events[self.log.at_s[events] >= at_s - tunables.SESSION_NEIGHBOR_DAYS * DAY_S]
        shared = np.bincount(self.log.actors[events], minlength=self.log.n_actors).astype(np.float64)
        shared[actor] = 0.0
        return shared

    def evidence(self, actor: int, candidates: Integers, at_s: float) -> BehaviorEvidence:
        """Return the evidence of an actor and candidates (dense indexes) strictly before a moment."""
        n_past = self.log.count_before(at_s)
        self._row[candidates] = np.arange(candidates.size)
        engagements = self.engagements(actor, at_s)
        recent = np.arange(self.log.count_before(at_s - tunables.RECENT_INTERACTION_DAYS * DAY_S), n_past)
        shared = self.count_shared_projects(actor, engagements, at_s)
        factors = self.model.factors
        viewer_factors = factors.actors[actor]
        owners = self.owners[candidates]
        neighbors, neighbor_similarity = self._user_neighbors(actor, n_past)
        evidence = BehaviorEvidence(
            at_s=at_s,
            created_s=self.created_s[candidates],
            actors=self.actors(candidates, at_s),
            engagements=engagements,
            links={kind: self._links(lists, engagements) for kind, lists in self.model.lists.items()},
            user_neighbors=neighbors,
            user_neighbor_similarity=neighbor_similarity,
            interactions=self._interactions(recent, factors.actors @ viewer_factors),
            clusters=self._interactions(recent, (factors.clusters @ viewer_factors)[factors.cluster_of]),
            session_neighbors=self._interactions(recent[shared[self.log.actors[recent]] > 0], shared),
            platform_activity=PlatformActivity(self.log.at_s[recent], np.ones(recent.size)),
            item_similarity=(factors.projects[candidates] @ viewer_factors).astype(np.float64),
            owner_similarity=np.where(owners >= 0, factors.actors[np.maximum(owners, 0)] @ viewer_factors, 0.0),
            same_owner_count=count_same_owner(owners, self.owners[engagements.projects]),
            interest_matches=self.contents.interest_matches(actor, candidates, at_s),
            history_similarity=self.contents.similarity_to_history(
                candidates, engagements.projects, history_weights((at_s - engagements.at_s) / DAY_S)
            ),
            floor=self.floor,
        )
        self._row[candidates] = -1
        return evidence

    def actors(self, candidates: Integers, at_s: float) -> Floats:
        """Return the decayed actors of candidates before a moment, as `BehaviorEvidence.actors`."""
        end = self.log.count_before(at_s)
        columns = []
        for half_life_h in ACTOR_HALF_LIVES_H:
            start = self.log.count_before(at_s - tunables.DECAY_CUTOFF * half_life_h * HOUR_S)
            age_h = (at_s - self.log.at_s[start:end]) / HOUR_S
            decayed = np.exp2(-age_h / half_life_h)
            columns.append(
                np.bincount(self.log.projects[start:end], decayed, minlength=self.log.n_projects)[candidates]
            )
        return np.column_stack(columns)

    def _interactions(self, events: Integers, similarity: Floats) -> FirstInteractions:
        rows = self._row[self.log.projects[events]]
        events, rows = events[rows >= 0], rows[rows >= 0]
        actors = self.log.actors[events]
        return FirstInteractions(rows, actors, similarity[actors].astype(np.float64), self.log.at_s[events])

    def _user_neighbors(self, actor: int, n_past: int) -> tuple[FirstInteractions, float]:
        lists = self.model.user_neighbors
        if lists is None:
            return NO_INTERACTIONS, 0.0
        span = slice(lists.starts[actor], lists.starts[actor + 1])
        similarity = np.zeros(self.log.n_actors)
        similarity[lists.ids[span]] = lists.similarity[span]
        events = self._by_actor.events_of_groups(lists.ids[span], n_past)
        return self._interactions(events, similarity), float(similarity.sum())

    def _links(self, lists: NeighborLists, engagements: History) -> NeighborLinks:
        sizes = np.diff(lists.starts)[engagements.projects]
        entries = ranges(lists.starts[engagements.projects], sizes)
        rows = self._row[lists.ids[entries]]
        is_candidate = rows >= 0
        source = np.repeat(np.arange(engagements.projects.size), sizes)[is_candidate]
        return NeighborLinks(rows[is_candidate], source, lists.similarity[entries][is_candidate].astype(np.float64))


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
