"""Past feed requests, inferred from an event log, and their replay.

A replay makes the candidates of each request with the inputs of their signals as they were at that time.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from db.time_units import DAY_S
from scoring.mathematics.behavior_evidence import BehaviorEvidence, EventLog, GroupedEvents
from scoring.mathematics.behavior_signals import REPLAYED_SIGNALS, behavior_matrix
from scoring.mathematics.curve_fitting import NO_RANKS, CandidateLists, concatenate_lists
from scoring.mathematics.log_evidence import LogEvidence
from scoring.mathematics.neighbors import build_collaborative_model
from scoring.mathematics.signals import Floats, Integers, Signal
from scoring.mathematics.viewer_stages import ViewerStage, stage
from scoring.replay.dataset import Dataset
from scoring.replay.log_candidate_sources import LogCandidateSources
from scoring.tunables import COLLABORATIVE_TRAINING_AT

MIN_EARLIER_PROJECTS = 5
"""Minimum number of projects that a viewer engaged with before a request."""


@dataclass(frozen=True, slots=True, eq=False)
class FeedRequests:
    """The (r,) viewers and Unix seconds of requests, in the order of time.

    `relevant` holds for each request the projects of others that the viewer first engaged with between the request and
    the end of its UTC day, and that existed before the request.
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


def feed_requests(
    dataset: Dataset, min_earlier: int = MIN_EARLIER_PROJECTS, max_earlier: float = np.inf
) -> FeedRequests:
    """Return a request at the time of each user's first new project of a UTC day, when the user probably read a feed.

    A request needs `min_earlier` to `max_earlier` projects that the user engaged with before, and at least one relevant
    project (see `FeedRequests`).
    """

    def by_day(events: Integers) -> Iterable[Integers]:
        days = np.floor(dataset.log.at_s[events] / DAY_S)
        return np.split(events, np.flatnonzero(np.diff(days)) + 1)

    return _requests(dataset, min_earlier, by_day, max_earlier)


def last_interactions(dataset: Dataset, min_earlier: int = MIN_EARLIER_PROJECTS) -> FeedRequests:
    """Return a request at each user's last new project, for users with `min_earlier` projects before."""
    return _requests(dataset, min_earlier, lambda events: [events[-1:]])


def _requests(
    dataset: Dataset,
    min_earlier: int,
    split: Callable[[Integers], Iterable[Integers]],
    max_earlier: float = np.inf,
) -> FeedRequests:
    """Make one request from each group of events into which `split` divides the events of an actor."""
    log, by_actor = dataset.log, GroupedEvents.from_groups(dataset.log.actors, dataset.log.n_actors)
    requests: list[tuple[float, int, Integers]] = []
    for actor in range(log.n_actors):
        actor_events = by_actor.events_before(actor, log.at_s.size)
        for events in split(actor_events) if actor_events.size else ():
            at_s = float(log.at_s[events[0]])
            relevant = log.projects[events]
            relevant = relevant[(dataset.created_s[relevant] < at_s) & (dataset.owners[relevant] != actor)]
            if relevant.size and min_earlier <= int((log.at_s[actor_events] < at_s).sum()) <= max_earlier:
                requests.append((at_s, actor, relevant))
    requests.sort(key=lambda request: request[:2])
    return FeedRequests(
        np.array([actor for _, actor, _ in requests], dtype=np.int64),
        np.array([at_s for at_s, _, _ in requests]),
        tuple(relevant for _, _, relevant in requests),
    )


Progress = Callable[[str, float], None]

KEPT_NEWEST, KEPT_MOST_ACTIVE, KEPT_SHARE = 40, 60, 0.05
"""Rows kept in a sampled list beside the relevant rows: the newest rows, the rows with the most actors, and a share of
the rest. Each row of that share represents 20 rows, so the softmax is unbiased. 140 rows replace 1,500."""

NIGHTLY_S = COLLABORATIVE_TRAINING_AT / timedelta(seconds=1)
"""Seconds after midnight UTC of the nightly training that a replay repeats."""


@dataclass(frozen=True, slots=True, eq=False)
class ReplayedRequest:
    """The n candidates of one past request, with the inputs of their signals."""

    actor: int  # the viewer
    at_s: float
    projects: Integers  # (n,) candidates
    relevant: Integers  # rows of the candidates that the viewer engaged with afterwards
    evidence: BehaviorEvidence
    stage: ViewerStage
    # Projects that the candidate sources return, if the sources are measured.
    from_sources: Integers = field(default_factory=lambda: np.empty(0, np.int64))


class Replay:
    """State of a log at successive moments: all earlier events, and the output of the last nightly training.

    Nightly training builds factors and neighbor lists every `rebuild_days` days. If `dataset` holds a truncated log,
    `seen` is the complete log, because projects of the viewer's complete history are no candidates.
    """

    def __init__(self, dataset: Dataset, floor: int, seen: EventLog | None = None, rebuild_days: float = 1.0) -> None:
        self.history = LogEvidence(
            dataset.log, dataset.created_s, dataset.owners, floor, dataset.visits, dataset.contents
        )
        self.sources = LogCandidateSources(self.history, dataset.likes)
        self._dataset, self._floor = dataset, floor
        self._seen = dataset.log if seen is None else seen
        self._seen_by = GroupedEvents.from_groups(self._seen.actors, self._seen.n_actors)
        self._rebuild_s = rebuild_days * DAY_S
        self._likes_of = GroupedEvents.from_groups(dataset.likes.actors, dataset.likes.n_actors)
        self._trained_s = -1.0

    def evidence(self, actor: int, projects: Integers, at_s: float) -> BehaviorEvidence:
        """Return the signal inputs of a viewer and projects (dense indexes), from events strictly before a moment."""
        trained_s = float(np.floor((at_s - NIGHTLY_S) / self._rebuild_s) * self._rebuild_s) + NIGHTLY_S
        if trained_s != self._trained_s:
            log = self._dataset.log
            self.history.model = build_collaborative_model(log, log.count_before(trained_s), self._floor)
            self._trained_s = trained_s
        return self.history.evidence(actor, projects, at_s)

    def candidates_for(self, actor: int, at_s: float) -> Integers:
        """Return the projects of others that existed strictly before a moment and are new to the viewer."""
        candidates = (self._dataset.created_s < at_s) & (self._dataset.owners != actor)
        candidates[self._seen.projects[self._seen_by.events_before(actor, self._seen.count_before(at_s))]] = False
        return np.flatnonzero(candidates)

    def stage_of(self, actor: int, evidence: BehaviorEvidence) -> ViewerStage:
        """Return the stage of the viewer at the moment of the evidence."""
        likes = self._likes_of.events_before(actor, self._dataset.likes.count_before(evidence.at_s)).size
        has_interests = bool(self._dataset.interests_s[actor] < evidence.at_s)
        return stage(0, evidence.engagements.projects.size, likes, has_interests)


VIEWER_STAGES = tuple(ViewerStage)
"""The stages by their index in `CandidateLists.stages`."""


def replay_requests(
    replay: Replay, requests: FeedRequests, progress: Progress, label: str
) -> Iterator[ReplayedRequest]:
    """Yield the candidates of each request, in the order of time; `progress` gets `label` and the share done."""
    for index in range(requests.n):
        actor, at_s = int(requests.actors[index]), float(requests.at_s[index])
        projects = replay.candidates_for(actor, at_s)
        relevant = np.searchsorted(projects, requests.relevant[index])
        evidence = replay.evidence(actor, projects, at_s)
        yield ReplayedRequest(actor, at_s, projects, relevant, evidence, replay.stage_of(actor, evidence))
        if index % 50 == 0 or index == requests.n - 1:
            progress(label, (index + 1) / requests.n)


def training_lists(
    requests: Iterator[ReplayedRequest], seed: int, signals: tuple[Signal, ...] = tuple(REPLAYED_SIGNALS)
) -> CandidateLists:
    """Return sampled candidate lists with the values of `signals`, to fit a model to."""
    rng = np.random.default_rng(seed)
    lists = []
    for request in requests:
        relevant = np.zeros(request.projects.size, dtype=bool)
        relevant[request.relevant] = True
        rows, row_weights = _sample_rows(request.evidence, relevant, rng)
        values = behavior_matrix(request.evidence, signals).astype(np.float32)[rows]
        stage_index = VIEWER_STAGES.index(request.stage)
        lists.append(CandidateLists.single(values, relevant[rows], row_weights, request.actor, stage_index, NO_RANKS))
    return concatenate_lists(lists)


def _sample_rows(
    evidence: BehaviorEvidence, relevant: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Integers, NDArray[np.float32]]:
    """Return the rows of a sampled list, and the number of rows that each represents."""
    is_kept = relevant.copy()
    for values, count in ((evidence.created_s, KEPT_NEWEST), (evidence.actors[:, 1], KEPT_MOST_ACTIVE)):
        is_kept[np.argpartition(-values, count)[:count] if values.size > count else slice(None)] = True
    rows = np.flatnonzero(is_kept | (rng.random(is_kept.size) < KEPT_SHARE))
    return rows, np.where(is_kept[rows], 1.0, 1.0 / KEPT_SHARE).astype(np.float32)
