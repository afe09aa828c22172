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

from db.time_units import ACTOR_HALF_LIVES_H, DAY_S, FIRST_ENGAGEMENT_BUCKET_S, HOUR_S
from scoring import tunables
from scoring.mathematics.batched_release import (
    BY_ACTOR,
    BY_CLUSTER,
    LIVE,
    ReleaseRule,
    first_needed_s,
    is_released,
    release_times,
)
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


class LogEvidence:
    """Evidence from the events of a log in memory that are strictly before the requested moment.

    `created_s` are the (n_projects,) times of publication. `owners` are the (n_projects,) owning actors, −1 for none.
    `visits` are all interactions, from which a viewer's history is made; None if only those in `log` are known.
    Without `contents`, texts and terms are unknown.
    """

    def __init__(
        self,
        log: EventLog,
        created_s: Floats,
        owners: Integers,
        floor: int = tunables.ANONYMITY_FLOOR,
        visits: EventLog | None = None,
        contents: CatalogContents | None = None,
    ) -> None:
        self.log = log
        self._visits = log if visits is None else visits
        self._visits_of = GroupedEvents.from_groups(self._visits.actors, log.n_actors)
        self.created_s = created_s
        self.floor = floor
        self.owners = owners
        self.contents = contents or CatalogContents.unknown(log.n_projects)
        self._by_creation = np.argsort(created_s, kind="stable")
        self._by_actor = GroupedEvents.from_groups(log.actors, log.n_actors)
        self._by_project = GroupedEvents.from_groups(log.projects, log.n_projects)
        self._row = np.full(log.n_projects, -1, dtype=np.int64)
        columns = log.projects, log.actors, log.at_s
        self._released_s = release_times(*columns, BY_ACTOR if floor > 1 else LIVE)
        self._cluster_released_s = release_times(*columns, BY_CLUSTER if floor > 1 else LIVE)
        self.model = CollaborativeModel({}, Factors.unknown(log.n_actors, log.n_projects))  # of the last training

    def engagements(self, actor: int, at_s: float) -> History:
        """Return an actor's history before a moment."""
        visits = self._visits
        events = self._visits_of.events_before(actor, visits.count_before(at_s))[::-1]
        _, last = np.unique(visits.projects[events], return_index=True)
        events = events[np.sort(last)[: tunables.PROFILE_ENGAGEMENTS]]
        return History(visits.projects[events], visits.at_s[events])

    def count_shared_projects(
        self, actor: int, engagements: History, at_s: float, *, only_released: bool = False
    ) -> Floats:
        """Return (n_actors,) numbers of the viewer's latest projects that each actor engaged with recently.

        Counts the latest `tunables.SESSION_PROJECTS` projects, and events of the last `tunables.SESSION_NEIGHBOR_DAYS`
        days.
        """
        latest = engagements.projects[: tunables.SESSION_PROJECTS]
        events = self._by_project.events_of_groups(latest, self.log.count_before(at_s))
        times_s = self._released_s[events] if only_released else self.log.at_s[events]
        events = events[is_released(times_s, at_s, tunables.SESSION_NEIGHBOR_DAYS)]
        shared = np.bincount(self.log.actors[events], minlength=self.log.n_actors).astype(np.float64)
        shared[actor] = 0.0
        return shared

    def evidence(self, actor: int, candidates: Integers, at_s: float) -> BehaviorEvidence:
        """Return the evidence of an actor and candidates (dense indexes) strictly before a moment."""
        n_past = self.log.count_before(at_s)
        self._row[candidates] = np.arange(candidates.size)
        engagements = self.engagements(actor, at_s)
        recent_from = self.log.count_before(at_s - tunables.RECENT_INTERACTION_DAYS * DAY_S)
        needed = np.arange(self.log.count_before(first_needed_s(at_s)), n_past)
        needed = needed[self._row[self.log.projects[needed]] >= 0][-tunables.MAX_RECENT_INTERACTIONS :]
        released = needed[is_released(self._released_s[needed], at_s)]
        of_clusters = needed[is_released(self._cluster_released_s[needed], at_s)]
        shared = self.count_shared_projects(actor, engagements, at_s, only_released=True)
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
            interactions=self._interactions(needed[needed >= recent_from], self.log.at_s),
            similar_actors=self._released(released, actor, factors.actors @ viewer_factors),
            clusters=self._released(
                of_clusters,
                actor,
                (factors.clusters @ viewer_factors)[factors.cluster_of],
                self._cluster_released_s,
            ),
            session_neighbors=self._released(released[shared[self.log.actors[released]] > 0], actor, shared),
            platform_activity=platform_activity(self.log.at_s[recent_from:n_past]),
            item_similarity=(factors.projects[candidates] @ viewer_factors).astype(np.float64),
            same_owner_count=count_same_owner(owners, self.owners[engagements.projects]),
            interest_matches=self.contents.interest_matches(actor, candidates, at_s),
            history_similarity=self.contents.similarity_to_history(
                candidates,
                engagements.projects,
                history_weights((at_s - engagements.at_s) / DAY_S),
                self._newest(at_s),
            ),
            floor=self.floor,
        )
        self._row[candidates] = -1
        return evidence

    def _newest(self, at_s: float) -> Integers:
        """Return the newest projects before a moment, with which the texts of a history are compared."""
        end = int(np.searchsorted(self.created_s, at_s, sorter=self._by_creation))
        return self._by_creation[max(end - tunables.DISCRIMINATION_PROJECTS, 0) : end]

    def actors(self, candidates: Integers, at_s: float) -> Floats:
        """Return the decayed actors of candidates before a moment, as `BehaviorEvidence.actors`."""
        end = self.log.count_before(at_s)
        columns = []
        for half_life_h in ACTOR_HALF_LIVES_H:
            start = self.log.count_before(at_s - tunables.DECAY_CUTOFF * half_life_h * HOUR_S)
            age_h = (at_s - self.log.at_s[start:end]) / HOUR_S
            decayed = np.exp2(-age_h / half_life_h)
            if self.log.weights is not None:
                decayed *= self.log.weights[start:end]
            columns.append(
                np.bincount(self.log.projects[start:end], decayed, minlength=self.log.n_projects)[candidates]
            )
        return np.column_stack(columns)

    def _interactions(self, events: Integers, times_s: Floats) -> FirstInteractions:
        """Return the events with candidates, as of the (m,) times of the log's events."""
        rows = self._row[self.log.projects[events]]
        events, rows = events[rows >= 0], rows[rows >= 0]
        return FirstInteractions(rows, self.log.actors[events], np.ones(rows.size), times_s[events])

    def _released(
        self, events: Integers, viewer: int, similarity: Floats, released_s: Floats | None = None
    ) -> FirstInteractions:
        """Return released events of other actors with candidates. `similarity` is by actor."""
        times_s = self._released_s if released_s is None else released_s
        interactions = self._interactions(events[self.log.actors[events] != viewer], times_s)
        return interactions._replace(similarity=similarity[interactions.actors].astype(np.float64))

    def _user_neighbors(self, actor: int, n_past: int) -> tuple[FirstInteractions, float]:
        lists = self.model.user_neighbors
        if lists is None:
            return NO_INTERACTIONS, 0.0
        span = slice(lists.starts[actor], lists.starts[actor + 1])
        similarity = np.zeros(self.log.n_actors)
        similarity[lists.ids[span]] = lists.similarity[span]
        events = self._by_actor.events_of_groups(lists.ids[span], n_past)
        interactions = self._interactions(events, self.log.at_s)
        return interactions._replace(similarity=similarity[interactions.actors]), float(similarity.sum())

    def _links(self, lists: NeighborLists, engagements: History) -> NeighborLinks:
        sizes = np.diff(lists.starts)[engagements.projects]
        entries = ranges(lists.starts[engagements.projects], sizes)
        rows = self._row[lists.ids[entries]]
        is_candidate = rows >= 0
        source = np.repeat(np.arange(engagements.projects.size), sizes)[is_candidate]
        return NeighborLinks(rows[is_candidate], source, lists.similarity[entries][is_candidate].astype(np.float64))


def platform_activity(at_s: Floats) -> PlatformActivity:
    """Count first interactions at (m,) Unix seconds in intervals of `FIRST_ENGAGEMENT_BUCKET_S`, as the stores do."""
    intervals, counts = np.unique(np.floor(at_s / FIRST_ENGAGEMENT_BUCKET_S), return_counts=True)
    return PlatformActivity((intervals + 0.5) * FIRST_ENGAGEMENT_BUCKET_S, counts.astype(np.float64))


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
        kept = (self.actors != viewer) & is_released(released_s, at_s)
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
