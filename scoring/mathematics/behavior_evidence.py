"""What the behavior signals read of one viewer, n candidates and one moment, as arrays.

The signals never ask a store: they read an `BehaviorEvidence`. Two makers fill it with the same meaning: `LogEvidence` from an
event log in memory, strictly before the moment (evaluation and training), and `scoring.collaborative.evidence_loader` from SQL
(serving). So what is evaluated is what serves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring import weights
from scoring.mathematics.signals import Floats, Integers

HOUR_S = 3_600.0
DAY_S = 86_400.0


class NeighborKind(StrEnum):
    """What makes two projects neighbors."""

    COSINE = "cosine"
    RP3BETA = "rp3beta"
    EASE = "ease"


class Part(Flag):
    """The parts of an `BehaviorEvidence` that cost a statement each; what the viewer touched is known anyhow."""

    NOTHING = 0
    PEOPLE = auto()
    COSINE = auto()
    RP3BETA = auto()
    EASE = auto()
    USER_NEIGHBORS = auto()
    INTERACTIONS = auto()
    TASTES = auto()
    CIRCLES = auto()
    SESSION_NEIGHBORS = auto()
    ARRIVALS = auto()
    ITEM_FACTORS = auto()
    OWNER_FACTORS = auto()
    OWNERS = auto()


class History(NamedTuple):
    """What the viewer touched, the latest first: (h,) project ids and the seconds of the first touch."""

    projects: Integers
    at_s: Floats


class PlatformActivity(NamedTuple):
    """How busy the platform was: (m,) Unix seconds in order, and first touches at each."""

    at_s: Floats
    actors: Floats


class NeighborLinks(NamedTuple):
    """Item-item neighborhood: (m,) candidate rows, indexes into the viewer's touches, and similarities."""

    rows: Integers
    engagements: Integers
    similarity: Floats


class FirstInteractions(NamedTuple):
    """What other people did: (m,) candidate rows, who (any number that tells people apart), likeness, seconds.

    One entry for a person and a project: the first touch.
    """

    rows: Integers
    actors: Integers
    similarity: Floats
    at_s: Floats


NO_INTERACTIONS = FirstInteractions(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
NO_LINKS = NeighborLinks(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
NO_ACTIVITY = PlatformActivity(np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class BehaviorEvidence:
    """What the behavior signals read; n candidates.

    Attributes
    ----------
    at_s
        The moment, Unix seconds. Everything below was known strictly before it.
    created_s
        (n,) when each candidate was published.
    actors
        (n, 4) distinct people, each decayed since the first touch, at `weights.ACTOR_HALF_LIVES_H`.
    engagements
        The viewer's own history.
    links
        Candidates that are item-item neighbors of the viewer's touches, for each kind of list.
    user_neighbors
        Deeds of all time of the `weights.USER_NEIGHBOR_COUNT` most like the viewer; its similarity is theirs.
    user_neighbor_similarity
        The sum of likeness of all of them, whatever they did.
    interactions
        Who touched the candidates in the last `weights.RECENT_INTERACTION_DAYS`; the similarity is the likeness of their
        taste to the viewer's, −1 to 1, 0 where nobody knows.
    clusters
        The same deeds, each told of a circle of at least `weights.MIN_CLUSTER_SIZE` like-minded people and not of the
        person: the similarity is the likeness of the viewer's taste to the mean of the circle. It has no floor.
    session_neighbors
        Those of the deeds that are by people who touched one of the viewer's last `weights.SESSION_PROJECTS` projects
        in the days before; the similarity is how many of these they touched.
    platform_activity
        First touches of any project in the last `weights.RECENT_INTERACTION_DAYS`: times in order, and how many at each.
    item_similarity
        (n,) likeness of the viewer's taste to the candidate's as it was at night.
    owner_similarity
        (n,) likeness of the viewer's taste to that of the candidate's owner.
    owner_touches
        (n,) earlier projects of the same owner that the viewer touched.
    floor
        What fewer people than this did counts as nothing, so that no contribution tells what one of them did.
    """

    at_s: float
    created_s: Floats
    actors: Floats
    engagements: History
    links: Mapping[NeighborKind, NeighborLinks]
    user_neighbors: FirstInteractions
    user_neighbor_similarity: float
    interactions: FirstInteractions
    clusters: FirstInteractions
    session_neighbors: FirstInteractions
    platform_activity: PlatformActivity
    item_similarity: Floats
    owner_similarity: Floats
    owner_touches: Floats
    floor: int = weights.ANONYMITY_FLOOR

    @property
    def n(self) -> int:
        """How many candidates there are."""
        return self.created_s.size


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """First touches, one for each actor and project, in the order of time.

    Attributes
    ----------
    actors, projects, at_s
        (m,) dense indexes from 0, and Unix seconds.
    n_actors, n_projects
        How many there are of each.
    """

    actors: Integers
    projects: Integers
    at_s: Floats
    n_actors: int
    n_projects: int

    @classmethod
    def of(cls, actors: Integers, projects: Integers, at_s: Floats, n_actors: int, n_projects: int) -> "EventLog":
        """Sort events by time, and keep the first of each actor and project."""
        order = np.lexsort((projects, actors, at_s))
        actors, projects, at_s = actors[order], projects[order], at_s[order]
        _, first = np.unique(actors * n_projects + projects, return_index=True)
        first.sort()
        return cls(actors[first], projects[first], at_s[first], n_actors, n_projects)

    def before(self, at_s: float) -> int:
        """Count the events strictly before a moment: `log[:count]` is what was known then."""
        return int(np.searchsorted(self.at_s, at_s, side="left"))


class GroupedEvents(NamedTuple):
    """Indexes of a log's events, by group: those of group g are `events[starts[g]:starts[g + 1]]`, in time order."""

    events: Integers
    starts: Integers

    @classmethod
    def by(cls, groups: Integers, n: int) -> "GroupedEvents":
        """Group events by a number from 0 to n − 1 each."""
        order = np.argsort(groups, kind="stable").astype(np.int64)
        return cls(order, np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=n))]).astype(np.int64))

    def of(self, group: int, until: int) -> Integers:
        """Give the events of a group that stand before index `until` of the log."""
        events = self.events[self.starts[group] : self.starts[group + 1]]
        return events[: np.searchsorted(events, until)]

    def of_all(self, groups: Integers, until: int) -> Integers:
        """Give the events of several groups that stand before index `until`, and nothing about the order."""
        if not groups.size:
            return np.empty(0, np.int64)
        starts, sizes = self.starts[groups], self.starts[groups + 1] - self.starts[groups]
        offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
        events = self.events[offsets + np.arange(sizes.sum())]
        known: Integers = events[events < until]
        return known


class NeighborLists(NamedTuple):
    """Neighbor lists: those of g are `ids[starts[g]:starts[g + 1]]` with `similarity`, the nearest first."""

    starts: Integers
    ids: Integers
    similarity: NDArray[np.float32]


class Factors(NamedTuple):
    """Latent factors, built at night: unit rows, or zeros for what nobody knows enough of.

    Attributes
    ----------
    actors, projects
        (n, k) a row each.
    cluster_of
        (n_actors,) the circle of each actor, −1 for none.
    clusters
        (c + 1, k) the mean taste of each circle; the last row is zeros (see `scoring.mathematics.taste_clusters`).
    """

    actors: NDArray[np.float32]
    projects: NDArray[np.float32]
    cluster_of: Integers
    clusters: NDArray[np.float32]

    @classmethod
    def unknown(cls, n_actors: int, n_projects: int) -> "Factors":
        """Give the tastes of people and projects of whom nobody knows anything."""
        none = np.zeros((1, 1), np.float32)
        return cls(none.repeat(n_actors, 0), none.repeat(n_projects, 0), np.full(n_actors, -1), none)


@dataclass(frozen=True, slots=True, eq=False)
class CollaborativeModel:
    """What was built at night (see `scoring.mathematics.neighbors`): lists of projects by kind, lists of people, tastes."""

    lists: Mapping[NeighborKind, NeighborLists]
    actors: NeighborLists
    tastes: Factors


class LogEvidence:
    """Makes evidence from an event log in memory. Whatever happened at or after the moment does not exist for it.

    Parameters
    ----------
    log
        The events.
    created_s
        (n_projects,) when each project was published.
    owners
        (n_projects,) the actor whose project it is, −1 for none.
    floor
        As `BehaviorEvidence.floor`.
    """

    def __init__(
        self, log: EventLog, created_s: Floats, owners: Integers, floor: int = weights.ANONYMITY_FLOOR
    ) -> None:
        self.log = log
        self.created_s = created_s
        self.floor = floor
        self.owners = owners
        self._by_actor = GroupedEvents.by(log.actors, log.n_actors)
        self._by_project = GroupedEvents.by(log.projects, log.n_projects)
        self._row = np.full(log.n_projects, -1, dtype=np.int64)
        empty_lists = NeighborLists(
            np.zeros(log.n_actors + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        )
        self.build_collaborative_model = CollaborativeModel(
            {}, empty_lists, Factors.unknown(log.n_actors, log.n_projects)
        )

    def use_model(self, build_collaborative_model: CollaborativeModel) -> None:
        """Take what stands from now on: as in the product, it is built at night and used all day."""
        self.build_collaborative_model = build_collaborative_model

    def engaged(self, actor: int, at_s: float) -> Integers:
        """Give the projects that an actor touched before a moment."""
        return self.log.projects[self._by_actor.of(actor, self.log.before(at_s))]

    def engagements(self, actor: int, at_s: float) -> History:
        """Give what an actor touched before a moment, and when, the latest first."""
        own = self._by_actor.of(actor, self.log.before(at_s))[::-1]
        return History(self.log.projects[own], self.log.at_s[own])

    def session_neighbors_of(self, actor: int, engagements: History, at_s: float) -> Floats:
        """Count, for each actor, how many of the actor's last projects he or she came to lately: (n_actors,)."""
        met = self._by_project.of_all(engagements.projects[: weights.SESSION_PROJECTS], self.log.before(at_s))
        met = met[self.log.at_s[met] >= at_s - weights.SESSION_DAYS * DAY_S]
        shared = np.bincount(self.log.actors[met], minlength=self.log.n_actors).astype(np.float64)
        shared[actor] = 0.0
        return shared

    def evidence(self, actor: int, candidates: Integers, at_s: float) -> BehaviorEvidence:
        """Gather what was known of an actor and of candidates (dense indexes) strictly before a moment."""
        until = self.log.before(at_s)
        self._row[candidates] = np.arange(candidates.size)
        engagements = self.engagements(actor, at_s)
        recent = np.arange(self.log.before(at_s - weights.RECENT_INTERACTION_DAYS * DAY_S), until)
        tastes = self.build_collaborative_model.tastes
        taste = tastes.actors[actor]
        owners = self.owners[candidates]
        made = BehaviorEvidence(
            at_s=at_s,
            created_s=self.created_s[candidates],
            actors=self.actors(candidates, at_s),
            engagements=engagements,
            links={
                kind: self._links(lists, engagements) for kind, lists in self.build_collaborative_model.lists.items()
            },
            user_neighbors=self._fellow_deeds(actor, until),
            user_neighbor_similarity=float(
                self.build_collaborative_model.actors.similarity[self._fellow_span(actor)].sum()
            ),
            interactions=self._deeds(recent, tastes.actors @ taste),
            clusters=self._deeds(recent, (tastes.clusters @ taste)[tastes.cluster_of]),
            session_neighbors=self._company(recent, self.session_neighbors_of(actor, engagements, at_s)),
            platform_activity=PlatformActivity(self.log.at_s[recent], np.ones(recent.size)),
            item_similarity=(tastes.projects[candidates] @ taste).astype(np.float64),
            owner_similarity=np.where(owners >= 0, tastes.actors[np.maximum(owners, 0)] @ taste, 0.0),
            owner_touches=same_owner(owners, self.owners[engagements.projects]),
            floor=self.floor,
        )
        self._row[candidates] = -1
        return made

    def actors(self, candidates: Integers, at_s: float) -> Floats:
        """Count distinct people before a moment, decayed: (n, 4), as `BehaviorEvidence.actors`."""
        until = self.log.before(at_s)
        columns = []
        for half_life_h in weights.ACTOR_HALF_LIVES_H:
            since = self.log.before(at_s - weights.DECAY_CUTOFF * half_life_h * HOUR_S)
            age_h = (at_s - self.log.at_s[since:until]) / HOUR_S
            counted = np.bincount(
                self.log.projects[since:until], np.exp2(-age_h / half_life_h), minlength=self.log.n_projects
            )
            columns.append(counted[candidates])
        return np.column_stack(columns)

    def _deeds(self, events: Integers, similarity: Floats) -> FirstInteractions:
        rows = self._row[self.log.projects[events]]
        events, rows = events[rows >= 0], rows[rows >= 0]
        actors = self.log.actors[events]
        return FirstInteractions(rows, actors, similarity[actors].astype(np.float64), self.log.at_s[events])

    def _company(self, recent: Integers, shared: Floats) -> FirstInteractions:
        return self._deeds(recent[shared[self.log.actors[recent]] > 0], shared)

    def _fellow_deeds(self, actor: int, until: int) -> FirstInteractions:
        span = self._fellow_span(actor)
        actors = self.build_collaborative_model.actors.ids[span]
        likeness = np.zeros(self.log.n_actors)
        likeness[actors] = self.build_collaborative_model.actors.similarity[span]
        return self._deeds(self._by_actor.of_all(actors, until), likeness)

    def _fellow_span(self, actor: int) -> slice:
        return slice(
            self.build_collaborative_model.actors.starts[actor], self.build_collaborative_model.actors.starts[actor + 1]
        )

    def _links(self, lists: NeighborLists, engagements: History) -> NeighborLinks:
        starts, sizes = lists.starts[engagements.projects], np.diff(lists.starts)[engagements.projects]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        at = np.repeat(starts, sizes) + within
        rows = self._row[lists.ids[at]]
        kept = rows >= 0
        source = np.repeat(np.arange(engagements.projects.size), sizes)
        return NeighborLinks(rows[kept], source[kept], lists.similarity[at][kept].astype(np.float64))


def same_owner(owners: Integers, touched_owners: Integers) -> Floats:
    """Count for each candidate's owner (−1 for none) the touched projects of the same owner."""
    if not owners.size:
        return np.zeros(0)
    ids, times = np.unique(touched_owners[touched_owners >= 0], return_counts=True)
    if not ids.size:
        return np.zeros(owners.size)
    at = np.minimum(np.searchsorted(ids, owners), ids.size - 1)
    return np.where(ids[at] == owners, times[at], 0).astype(np.float64)


def history_weights(ages_days: Floats) -> Floats:
    """Give what each of the viewer's touches counts, by its age: half every `weights.HISTORY_HALF_LIFE_DAYS`."""
    return np.exp2(-np.maximum(ages_days, 0.0) / weights.HISTORY_HALF_LIFE_DAYS)
