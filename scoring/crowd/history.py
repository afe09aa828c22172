"""What the behaviour signals read of one viewer, n candidates and one moment, as arrays.

The signals never ask a store: they read an `Evidence`. Two makers fill it with the same meaning: `LogHistory` from an
event log in memory, strictly before the moment (evaluation and training), and `scoring.crowd.evidence` from SQL
(serving). So what is evaluated is what serves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring import weights
from scoring.signals import Floats, Integers

HOUR_S = 3_600.0
DAY_S = 86_400.0


class Kinship(StrEnum):
    """What makes two projects neighbours."""

    COSINE = "cosine"
    WALK = "walk"
    EASE = "ease"


class Part(Flag):
    """The parts of an `Evidence` that cost a statement each; what the viewer touched is known anyhow."""

    NOTHING = 0
    PEOPLE = auto()
    COSINE = auto()
    WALK = auto()
    EASE = auto()
    FELLOWS = auto()
    DEEDS = auto()
    TASTES = auto()
    CIRCLES = auto()
    COMPANY = auto()
    ARRIVALS = auto()
    PROJECT_TASTE = auto()
    OWNER_TASTE = auto()
    OWNERS = auto()


class Touches(NamedTuple):
    """What the viewer touched, the latest first: (h,) project ids and the seconds of the first touch."""

    projects: Integers
    at_s: Floats


class Arrivals(NamedTuple):
    """How busy the platform was: (m,) Unix seconds in order, and first touches at each."""

    at_s: Floats
    people: Floats


class Links(NamedTuple):
    """Item-item neighbourhood: (m,) candidate rows, indexes into the viewer's touches, and similarities."""

    rows: Integers
    touches: Integers
    similarity: Floats


class Deeds(NamedTuple):
    """What other people did: (m,) candidate rows, who (any number that tells people apart), likeness, seconds.

    One entry for a person and a project: the first touch.
    """

    rows: Integers
    people: Integers
    similarity: Floats
    at_s: Floats


NO_DEEDS = Deeds(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
NO_LINKS = Links(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
NO_ARRIVALS = Arrivals(np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the behaviour signals read; n candidates.

    Attributes
    ----------
    at_s
        The moment, Unix seconds. Everything below was known strictly before it.
    created_s
        (n,) when each candidate was published.
    people
        (n, 4) distinct people, each decayed since the first touch, at `weights.PEOPLE_HALF_LIVES_H`.
    touches
        The viewer's own history.
    links
        Candidates that are item-item neighbours of the viewer's touches, for each kind of list.
    fellows
        Deeds of all time of the `weights.NEAREST_PEOPLE` most like the viewer; its similarity is theirs.
    fellows_likeness
        The sum of likeness of all of them, whatever they did.
    deeds
        Who touched the candidates in the last `weights.RECENT_DEEDS_DAYS`; the similarity is the likeness of their
        taste to the viewer's, −1 to 1, 0 where nobody knows.
    circles
        The same deeds, each told of a circle of at least `weights.CIRCLE_LEAST` like-minded people and not of the
        person: the similarity is the likeness of the viewer's taste to the mean of the circle. It has no floor.
    company
        Those of the deeds that are by people who touched one of the viewer's last `weights.SESSION_PROJECTS` projects
        in the days before; the similarity is how many of these they touched.
    arrivals
        First touches of any project in the last `weights.RECENT_DEEDS_DAYS`: times in order, and how many at each.
    project_taste
        (n,) likeness of the viewer's taste to the candidate's as it was at night.
    owner_taste
        (n,) likeness of the viewer's taste to that of the candidate's owner.
    owner_touches
        (n,) earlier projects of the same owner that the viewer touched.
    floor
        What fewer people than this did counts as nothing, so that no contribution tells what one of them did.
    """

    at_s: float
    created_s: Floats
    people: Floats
    touches: Touches
    links: Mapping[Kinship, Links]
    fellows: Deeds
    fellows_likeness: float
    deeds: Deeds
    circles: Deeds
    company: Deeds
    arrivals: Arrivals
    project_taste: Floats
    owner_taste: Floats
    owner_touches: Floats
    floor: int = weights.PEOPLE_FLOOR

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


class Grouped(NamedTuple):
    """Indexes of a log's events, by group: those of group g are `events[starts[g]:starts[g + 1]]`, in time order."""

    events: Integers
    starts: Integers

    @classmethod
    def by(cls, groups: Integers, n: int) -> "Grouped":
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


class Neighbours(NamedTuple):
    """Neighbour lists: those of g are `ids[starts[g]:starts[g + 1]]` with `similarity`, the nearest first."""

    starts: Integers
    ids: Integers
    similarity: NDArray[np.float32]


class Tastes(NamedTuple):
    """Latent factors, built at night: unit rows, or zeros for what nobody knows enough of.

    Attributes
    ----------
    actors, projects
        (n, k) a row each.
    circle_of
        (n_actors,) the circle of each actor, −1 for none.
    circles
        (c + 1, k) the mean taste of each circle; the last row is zeros (see `scoring.crowd.circles`).
    """

    actors: NDArray[np.float32]
    projects: NDArray[np.float32]
    circle_of: Integers
    circles: NDArray[np.float32]

    @classmethod
    def unknown(cls, n_actors: int, n_projects: int) -> "Tastes":
        """Give the tastes of people and projects of whom nobody knows anything."""
        none = np.zeros((1, 1), np.float32)
        return cls(none.repeat(n_actors, 0), none.repeat(n_projects, 0), np.full(n_actors, -1), none)


@dataclass(frozen=True, slots=True, eq=False)
class Night:
    """What was built at night (see `scoring.crowd.neighbors`): lists of projects by kind, lists of people, tastes."""

    lists: Mapping[Kinship, Neighbours]
    people: Neighbours
    tastes: Tastes


class LogHistory:
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
        As `Evidence.floor`.
    """

    def __init__(self, log: EventLog, created_s: Floats, owners: Integers, floor: int = weights.PEOPLE_FLOOR) -> None:
        self.log = log
        self.created_s = created_s
        self.floor = floor
        self.owners = owners
        self._by_actor = Grouped.by(log.actors, log.n_actors)
        self._by_project = Grouped.by(log.projects, log.n_projects)
        self._row = np.full(log.n_projects, -1, dtype=np.int64)
        nobody = Neighbours(np.zeros(log.n_actors + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        self.night = Night({}, nobody, Tastes.unknown(log.n_actors, log.n_projects))

    def use_night(self, night: Night) -> None:
        """Take what stands from now on: as in the product, it is built at night and used all day."""
        self.night = night

    def touched(self, actor: int, at_s: float) -> Integers:
        """Give the projects that an actor touched before a moment."""
        return self.log.projects[self._by_actor.of(actor, self.log.before(at_s))]

    def touches(self, actor: int, at_s: float) -> Touches:
        """Give what an actor touched before a moment, and when, the latest first."""
        own = self._by_actor.of(actor, self.log.before(at_s))[::-1]
        return Touches(self.log.projects[own], self.log.at_s[own])

    def company_of(self, actor: int, touches: Touches, at_s: float) -> Floats:
        """Count, for each actor, how many of the actor's last projects he or she came to lately: (n_actors,)."""
        met = self._by_project.of_all(touches.projects[: weights.SESSION_PROJECTS], self.log.before(at_s))
        met = met[self.log.at_s[met] >= at_s - weights.SESSION_DAYS * DAY_S]
        shared = np.bincount(self.log.actors[met], minlength=self.log.n_actors).astype(np.float64)
        shared[actor] = 0.0
        return shared

    def evidence(self, actor: int, candidates: Integers, at_s: float) -> Evidence:
        """Gather what was known of an actor and of candidates (dense indexes) strictly before a moment."""
        until = self.log.before(at_s)
        self._row[candidates] = np.arange(candidates.size)
        touches = self.touches(actor, at_s)
        recent = np.arange(self.log.before(at_s - weights.RECENT_DEEDS_DAYS * DAY_S), until)
        tastes = self.night.tastes
        taste = tastes.actors[actor]
        owners = self.owners[candidates]
        made = Evidence(
            at_s=at_s,
            created_s=self.created_s[candidates],
            people=self.people(candidates, at_s),
            touches=touches,
            links={kind: self._links(lists, touches) for kind, lists in self.night.lists.items()},
            fellows=self._fellow_deeds(actor, until),
            fellows_likeness=float(self.night.people.similarity[self._fellow_span(actor)].sum()),
            deeds=self._deeds(recent, tastes.actors @ taste),
            circles=self._deeds(recent, (tastes.circles @ taste)[tastes.circle_of]),
            company=self._company(recent, self.company_of(actor, touches, at_s)),
            arrivals=Arrivals(self.log.at_s[recent], np.ones(recent.size)),
            project_taste=(tastes.projects[candidates] @ taste).astype(np.float64),
            owner_taste=np.where(owners >= 0, tastes.actors[np.maximum(owners, 0)] @ taste, 0.0),
            owner_touches=same_owner(owners, self.owners[touches.projects]),
            floor=self.floor,
        )
        self._row[candidates] = -1
        return made

    def people(self, candidates: Integers, at_s: float) -> Floats:
        """Count distinct people before a moment, decayed: (n, 4), as `Evidence.people`."""
        until = self.log.before(at_s)
        columns = []
        for half_life_h in weights.PEOPLE_HALF_LIVES_H:
            since = self.log.before(at_s - weights.DECAYED_OUT * half_life_h * HOUR_S)
            age_h = (at_s - self.log.at_s[since:until]) / HOUR_S
            counted = np.bincount(
                self.log.projects[since:until], np.exp2(-age_h / half_life_h), minlength=self.log.n_projects
            )
            columns.append(counted[candidates])
        return np.column_stack(columns)

    def _deeds(self, events: Integers, similarity: Floats) -> Deeds:
        rows = self._row[self.log.projects[events]]
        events, rows = events[rows >= 0], rows[rows >= 0]
        people = self.log.actors[events]
        return Deeds(rows, people, similarity[people].astype(np.float64), self.log.at_s[events])

    def _company(self, recent: Integers, shared: Floats) -> Deeds:
        return self._deeds(recent[shared[self.log.actors[recent]] > 0], shared)

    def _fellow_deeds(self, actor: int, until: int) -> Deeds:
        span = self._fellow_span(actor)
        people = self.night.people.ids[span]
        likeness = np.zeros(self.log.n_actors)
        likeness[people] = self.night.people.similarity[span]
        return self._deeds(self._by_actor.of_all(people, until), likeness)

    def _fellow_span(self, actor: int) -> slice:
        return slice(self.night.people.starts[actor], self.night.people.starts[actor + 1])

    def _links(self, lists: Neighbours, touches: Touches) -> Links:
        starts, sizes = lists.starts[touches.projects], np.diff(lists.starts)[touches.projects]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        at = np.repeat(starts, sizes) + within
        rows = self._row[lists.ids[at]]
        kept = rows >= 0
        source = np.repeat(np.arange(touches.projects.size), sizes)
        return Links(rows[kept], source[kept], lists.similarity[at][kept].astype(np.float64))


def same_owner(owners: Integers, touched_owners: Integers) -> Floats:
    """Count for each candidate's owner (−1 for none) the touched projects of the same owner."""
    if not owners.size:
        return np.zeros(0)
    ids, times = np.unique(touched_owners[touched_owners >= 0], return_counts=True)
    if not ids.size:
        return np.zeros(owners.size)
    at = np.minimum(np.searchsorted(ids, owners), ids.size - 1)
    return np.where(ids[at] == owners, times[at], 0).astype(np.float64)


def worth_of_touches(ages_days: Floats) -> Floats:
    """Give what each of the viewer's touches counts, by its age: half every `weights.OWN_HISTORY_HALF_LIFE_DAYS`."""
    return np.exp2(-np.maximum(ages_days, 0.0) / weights.OWN_HISTORY_HALF_LIFE_DAYS)
