"""Feed requests found in an event log: the viewer, the time, and the projects engaged with afterwards."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from db.time_units import DAY_S
from scoring.mathematics.behavior_evidence import GroupedEvents
from scoring.mathematics.signals import Floats, Integers
from scoring.replay.dataset import Dataset

EARLIER_POSITIVES = 5
"""Earlier projects from which on a viewer's requests count."""


@dataclass(frozen=True, slots=True, eq=False)
class FeedRequests:
    """The (r,) viewers and Unix seconds of requests, in the order of time.

    `relevant` holds the existing projects that each viewer first engaged with from then to the end of that UTC day.
    """

    actors: Integers
    at_s: Floats
    relevant: tuple[Integers, ...]

    @property
    def n(self) -> int:
        """The number of requests."""
        return self.actors.size

    def select_period(self, since_s: float, until_s: float) -> "FeedRequests":
        """Select the requests from `since_s` to `until_s`, both ends included."""
        return self.select(np.flatnonzero((self.at_s >= since_s) & (self.at_s <= until_s)))

    def select(self, indexes: Integers) -> "FeedRequests":
        """Select the requests at these indexes."""
        return FeedRequests(self.actors[indexes], self.at_s[indexes], tuple(self.relevant[index] for index in indexes))


def feed_requests(dataset: Dataset, earlier: int = EARLIER_POSITIVES) -> FeedRequests:
    """Return a request at each user's first new project of each UTC day: a feed was probably read at that moment.

    Kept are those with `earlier` positives before and at least one relevant candidate: a project that existed strictly
    before and that the user first engages with from then to the end of the day.
    """

    def by_day(own: Integers) -> Iterable[Integers]:
        days = np.floor(dataset.log.at_s[own] / DAY_S)
        return np.split(own, np.flatnonzero(np.diff(days)) + 1)

    return _requests(dataset, earlier, by_day)


def last_interactions(dataset: Dataset, earlier: int = EARLIER_POSITIVES) -> FeedRequests:
    """Return a request at each user's last new project, for users with `earlier` positives before."""
    return _requests(dataset, earlier, lambda own: [own[-1:]])


def _requests(dataset: Dataset, earlier: int, split: Callable[[Integers], Iterable[Integers]]) -> FeedRequests:
    """Make a request of each group into which `split` parts the events of an actor."""
    log, by_actor = dataset.log, GroupedEvents.from_groups(dataset.log.actors, dataset.log.n_actors)
    found: list[tuple[float, int, Integers]] = []
    for actor in range(log.n_actors):
        own = by_actor.events_before(actor, log.at_s.size)
        for events in split(own) if own.size else ():
            at_s = float(log.at_s[events[0]])
            relevant = log.projects[events]
            relevant = relevant[dataset.created_s[relevant] < at_s]
            if relevant.size and int((log.at_s[own] < at_s).sum()) >= earlier:
                found.append((at_s, actor, relevant))
    found.sort(key=lambda request: request[:2])
    return FeedRequests(
        np.array([actor for _, actor, _ in found], dtype=np.int64),
        np.array([at_s for at_s, _, _ in found]),
        tuple(relevant for _, _, relevant in found),
    )
