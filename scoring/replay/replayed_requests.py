"""Replay of past feed requests: their candidates with the inputs of the signals as they were at that moment."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from db.time_units import DAY_S
from scoring.mathematics.behavior_evidence import (
    BehaviorEvidence,
    CollaborativeModel,
    EventLog,
    GroupedEvents,
    LogEvidence,
)
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, behavior_matrix
from scoring.mathematics.curve_fitting import NO_RANKS, CandidateLists, concatenate_lists
from scoring.mathematics.neighbors import build_collaborative_model, interaction_matrix, learn_factors
from scoring.mathematics.signals import Integers
from scoring.mathematics.viewer_stages import ViewerStage, stage
from scoring.replay.dataset import Dataset
from scoring.replay.feed_requests import FeedRequests
from scoring.replay.log_candidate_sources import LogCandidateSources
from scoring.weights import Signal

Progress = Callable[[str, float], None]

KEPT_NEWEST, KEPT_MOST_ACTIVE, KEPT_SHARE = 40, 60, 0.05
"""Rows of a thinned-out list: the relevant ones, the newest, those with most visitors, and this share of the rest, each
of which stands for 20. Unlike hard negatives alone this keeps the softmax unbiased; 140 rows replace 1,500.
"""

NEIGHBOR_LISTS_DAYS = 7.0
"""Days between two builds of the neighbor lists in a replay: lists of a week ago are as good, and each costs 1 s."""


@dataclass(frozen=True, slots=True, eq=False)
class ReplayedRequest:
    """The n candidates of one request, and the rows of the relevant ones.

    `from_sources` holds the projects that the candidate sources find, if these are measured.
    """

    actor: int
    at_s: float
    projects: Integers
    relevant: Integers
    evidence: BehaviorEvidence
    stage: ViewerStage
    from_sources: Integers = field(default_factory=lambda: np.empty(0, np.int64))


class Replay:
    """A log as it was at successive moments: live events, and neighbors and factors of the last nightly training.

    Moments must not go back in time, because lists are only built for later moments.

    Parameters
    ----------
    floor
        People from which on neighbor signals count.
    seed
        Of the random draws of the nightly training.
    seen
        The complete log, if `dataset` holds a truncated one: what a viewer knows is no candidate.
    rebuild_days
        Days between two builds of the factors.
    """

    def __init__(
        self, dataset: Dataset, floor: int, seed: int = 0, seen: EventLog | None = None, rebuild_days: float = 1.0
    ) -> None:
        self.history = LogEvidence(dataset.log, dataset.created_s, dataset.owners, floor)
        self.sources = LogCandidateSources(self.history, dataset.likes)
        self._dataset, self._floor, self._seed = dataset, floor, seed
        self._seen = dataset.log if seen is None else seen
        self._seen_by = GroupedEvents.from_groups(self._seen.actors, self._seen.n_actors)
        self._rebuild_s = rebuild_days * DAY_S
        self._likes_of = GroupedEvents.from_groups(dataset.likes.actors, dataset.likes.n_actors)
        self._trained_s = self._lists_due_s = -1.0

    def evidence(self, actor: int, projects: Integers, at_s: float) -> BehaviorEvidence:
        """Return the inputs of the signals of a viewer and projects (dense indexes), known strictly before a moment."""
        trained_s = float(np.floor(at_s / self._rebuild_s) * self._rebuild_s)
        if trained_s != self._trained_s:
            recent = trained_s < self._lists_due_s
            old = self.history.model if recent else None
            self.history.use_model(_train(self._dataset.log, trained_s, self._floor, self._seed, old))
            self._lists_due_s = self._lists_due_s if recent else trained_s + NEIGHBOR_LISTS_DAYS * DAY_S
            self._trained_s = trained_s
        return self.history.evidence(actor, projects, at_s)

    def candidates_for(self, actor: int, at_s: float) -> Integers:
        """Return the projects that existed strictly before a moment and that are new to the viewer."""
        candidates = self._dataset.created_s < at_s
        candidates[self._seen.projects[self._seen_by.events_before(actor, self._seen.count_before(at_s))]] = False
        return np.flatnonzero(candidates)

    def stage_of(self, actor: int, evidence: BehaviorEvidence) -> ViewerStage:
        """Return the stage of the viewer at the moment of the evidence."""
        likes = self._likes_of.events_before(actor, self._dataset.likes.count_before(evidence.at_s)).size
        stated = bool(self._dataset.interests_s[actor] < evidence.at_s)
        return stage(0, evidence.engagements.projects.size, likes, stated)


VIEWER_STAGES = tuple(ViewerStage)
"""The stages by their index in `CandidateLists.stages`."""


def replay_requests(past: Replay, requests: FeedRequests, progress: Progress, label: str) -> Iterator[ReplayedRequest]:
    """Yield the candidates of each request, in the order of time."""
    for index in range(requests.n):
        actor, at_s = int(requests.actors[index]), float(requests.at_s[index])
        projects = past.candidates_for(actor, at_s)
        relevant = np.searchsorted(projects, requests.relevant[index])
        evidence = past.evidence(actor, projects, at_s)
        yield ReplayedRequest(actor, at_s, projects, relevant, evidence, past.stage_of(actor, evidence))
        if index % 50 == 0 or index == requests.n - 1:
            progress(label, (index + 1) / requests.n)


def _train(log: EventLog, at_s: float, floor: int, seed: int, old: CollaborativeModel | None) -> CollaborativeModel:
    """Build the factors, and the neighbor lists unless recent ones are given."""
    until = log.count_before(at_s)
    if old is None:
        return build_collaborative_model(log, until, floor, seed)
    engaged = interaction_matrix(log.actors[:until], log.projects[:until], log.n_actors, log.n_projects)
    return replace(old, factors=learn_factors(engaged, floor=floor, seed=seed))


def training_lists(
    candidates: Iterator[ReplayedRequest], seed: int, signals: tuple[Signal, ...] = tuple(BEHAVIOR_SIGNALS)
) -> CandidateLists:
    """Return thinned-out lists with their signals, to fit a model to."""
    rng = np.random.default_rng(seed)
    lists = []
    for one in candidates:
        marked = np.zeros(one.projects.size, dtype=bool)
        marked[one.relevant] = True
        kept, stands_for = _thinned(one.evidence, marked, rng)
        values = behavior_matrix(one.evidence, signals).astype(np.float32)[kept]
        stage_index = VIEWER_STAGES.index(one.stage)
        lists.append(CandidateLists.single(values, marked[kept], stands_for, one.actor, stage_index, NO_RANKS))
    return concatenate_lists(lists)


def _thinned(
    evidence: BehaviorEvidence, relevant: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Integers, NDArray[np.float32]]:
    sure = relevant.copy()
    for value, most in ((evidence.created_s, KEPT_NEWEST), (evidence.actors[:, 1], KEPT_MOST_ACTIVE)):
        sure[np.argpartition(-value, most)[:most] if value.size > most else slice(None)] = True
    kept = np.flatnonzero(sure | (rng.random(sure.size) < KEPT_SHARE))
    return kept, np.where(sure[kept], 1.0, 1.0 / KEPT_SHARE).astype(np.float32)
