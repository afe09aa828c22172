"""Moments at which a feed would have been asked for, found in a log: who, when, and what they went on to touch."""

from dataclasses import dataclass

import numpy as np

from scoring.mathematics.behavior_evidence import DAY_S, EventLog, GroupedEvents
from scoring.mathematics.signals import Floats, Integers
from scoring.replay.dataset import Dataset

EARLIER_POSITIVES = 5
"""A viewer counts from this many earlier projects on."""


@dataclass(frozen=True, slots=True, eq=False)
class FeedRequests:
    """Moments in the order of time.

    Attributes
    ----------
    actors, at_s
        (r,) who asked, and when.
    relevant
        What each of them touched for the first time from then to the end of that UTC day, among what existed.
    """

    actors: Integers
    at_s: Floats
    relevant: tuple[Integers, ...]

    @property
    def n(self) -> int:
        """How many there are."""
        return self.actors.size

    def between(self, since_s: float, until_s: float) -> "FeedRequests":
        """Keep those from `since_s` to `until_s`, both ends included."""
        return self.chosen(np.flatnonzero((self.at_s >= since_s) & (self.at_s <= until_s)))

    def chosen(self, indexes: Integers) -> "FeedRequests":
        """Keep those at these indexes."""
        return FeedRequests(self.actors[indexes], self.at_s[indexes], tuple(self.relevant[index] for index in indexes))

    def part(self, first: int, last: int) -> "FeedRequests":
        """Keep those from index `first` to before `last`."""
        return FeedRequests(self.actors[first:last], self.at_s[first:last], self.relevant[first:last])


def feed_requests(dataset: Dataset, earlier: int = EARLIER_POSITIVES) -> FeedRequests:
    """Find each user's first new project of each UTC day: at that moment a feed would have been read.

    Kept are those with `earlier` positives before and at least one relevant candidate: a project that existed
    strictly before and that the user touches for the first time from then to the end of the day.
    """
    log = dataset.log
    moments: list[tuple[float, int, Integers]] = []
    by_actor = GroupedEvents.by(log.actors, log.n_actors)
    for actor in range(log.n_actors):
        own = by_actor.of(actor, log.at_s.size)
        days = np.floor(log.at_s[own] / DAY_S)
        for day in np.unique(days):
            today = own[days == day]
            moment = _moment(dataset, own, today, earlier)
            if moment is not None:
                moments.append((float(log.at_s[today[0]]), actor, moment))
    moments.sort(key=lambda one: one[:2])
    return FeedRequests(
        np.array([actor for _, actor, _ in moments], dtype=np.int64),
        np.array([at_s for at_s, _, _ in moments]),
        tuple(relevant for _, _, relevant in moments),
    )


def candidates_at(dataset: Dataset, log: EventLog, engaged: Integers, at_s: float) -> Integers:
    """Give the projects that existed strictly before a moment and that the viewer has not touched."""
    open_ = dataset.created_s < at_s
    open_[engaged] = False
    return np.flatnonzero(open_)


def _moment(dataset: Dataset, own: Integers, today: Integers, earlier: int) -> Integers | None:
    log, at_s = dataset.log, dataset.log.at_s[today[0]]
    if int((log.at_s[own] < at_s).sum()) < earlier:
        return None
    relevant = log.projects[today]
    relevant = relevant[dataset.created_s[relevant] < at_s]
    return relevant if relevant.size else None


def last_interactions(dataset: Dataset, earlier: int = EARLIER_POSITIVES) -> FeedRequests:
    """Find each user's last new project, for users with `earlier` positives before; it has to have existed."""
    log = dataset.log
    by_actor = GroupedEvents.by(log.actors, log.n_actors)
    moments = []
    for actor in range(log.n_actors):
        own = by_actor.of(actor, log.at_s.size)
        moment = _moment(dataset, own, own[-1:], earlier) if own.size else None
        if moment is not None:
            moments.append((float(log.at_s[own[-1]]), actor, moment))
    moments.sort(key=lambda one: one[:2])
    return FeedRequests(
        np.array([actor for _, actor, _ in moments], dtype=np.int64),
        np.array([at_s for at_s, _, _ in moments]),
        tuple(relevant for _, _, relevant in moments),
    )
