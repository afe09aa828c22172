"""Past feed requests, inferred from an event log: the viewer, the time, and the projects engaged with afterwards."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from db.time_units import DAY_S
from scoring.mathematics.behavior_evidence import GroupedEvents
from scoring.mathematics.signals import Floats, Integers
from scoring.replay.dataset import Dataset

MIN_EARLIER_PROJECTS = 5
"""Minimum number of projects that a viewer engaged with before a request."""


@dataclass(frozen=True, slots=True, eq=False)
class FeedRequests:
    """The (r,) viewers and Unix seconds of requests, in the order of time.

    `relevant` holds for each request the projects that the viewer first engaged with between the request and the end of
    its UTC day, and that existed before the request.
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


def feed_requests(dataset: Dataset, min_earlier: int = MIN_EARLIER_PROJECTS) -> FeedRequests:
    """Return a request at each user's first new project of each UTC day, when the user probably read a feed.

    A request needs `min_earlier` projects that the user engaged with before, and at least one relevant project (see
    `FeedRequests`).
    """

    def by_day(events: Integers) -> Iterable[Integers]:
        days = np.floor(dataset.log.at_s[events] / DAY_S)
        return np.split(events, np.flatnonzero(np.diff(days)) + 1)

    return _requests(dataset, min_earlier, by_day)


def last_interactions(dataset: Dataset, min_earlier: int = MIN_EARLIER_PROJECTS) -> FeedRequests:
    """Return a request at each user's last new project, for users with `min_earlier` projects before."""
    return _requests(dataset, min_earlier, lambda events: [events[-1:]])


def _requests(dataset: Dataset, min_earlier: int, split: Callable[[Integers], Iterable[Integers]]) -> FeedRequests:
    """Make one request from each group of events into which `split` divides the events of an actor."""
    log, by_actor = dataset.log, GroupedEvents.from_groups(dataset.log.actors, dataset.log.n_actors)
    requests: list[tuple[float, int, Integers]] = []
    for actor in range(log.n_actors):
        actor_events = by_actor.events_before(actor, log.at_s.size)
        for events in split(actor_events) if actor_events.size else ():
            at_s = float(log.at_s[events[0]])
            relevant = log.projects[events]
            relevant = relevant[dataset.created_s[relevant] < at_s]
            if relevant.size and int((log.at_s[actor_events] < at_s).sum()) >= min_earlier:
                requests.append((at_s, actor, relevant))
    requests.sort(key=lambda request: request[:2])
    return FeedRequests(
        np.array([actor for _, actor, _ in requests], dtype=np.int64),
        np.array([at_s for at_s, _, _ in requests]),
        tuple(relevant for _, _, relevant in requests),
    )
