"""Candidate lists of past requests with the product's signals: what a model is fitted to and measured on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scoring.mathematics.behavior_evidence import (
    DAY_S,
    BehaviorEvidence,
    CollaborativeModel,
    EventLog,
    GroupedEvents,
    LogEvidence,
)
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, behavior_matrix
from scoring.mathematics.curve_fitting import CandidateLists
from scoring.mathematics.neighbors import build_collaborative_model, interaction_matrix, tastes
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.viewer_stages import ViewerStage, stage
from scoring.replay.dataset import Dataset
from scoring.replay.feed_requests import FeedRequests, candidates_at
from scoring.replay.log_candidate_sources import LogCandidateSources
from scoring.weights import Signal

Progress = Callable[[str, float], None]

NEWEST_KEPT, LIVELIEST_KEPT, SHARE_KEPT = 40, 60, 0.05
"""A list is thinned out to what is relevant, its newest, its liveliest, and this share of the rest, each of which then
stands for as many as were left out. Unlike hard negatives alone this keeps the softmax unbiased; 140 rows do for 1,500.
"""


NEIGHBOR_LISTS_DAYS = 7.0
"""Neighbor lists are rebuilt so often in a replay: a week old they lose nothing, and each costs a second."""


@dataclass(frozen=True, slots=True, eq=False)
class ReplayedRequest:
    """One request's candidates: their dense indexes, the rows that are relevant, and what was known of the viewer.

    `brought` is what the sources bring, for those who ask.
    """

    request: int
    actor: int
    at_s: float
    projects: Integers
    relevant: Integers
    evidence: BehaviorEvidence
    stage: ViewerStage
    brought: Integers = field(default_factory=lambda: np.empty(0, np.int64))


class Replay:
    """A log as it stood at one moment after another, with the nights between them: yesterday's lists, live events.

    Moments must not go back, for lists are only ever built anew.

    Parameters
    ----------
    dataset
        The log.
    floor
        Neighbor signals count from this many people on.
    seed
        Of the nights' draws.
    seen
        What viewers had truly touched, if the log is cut: that is never a candidate. The log itself unless given.
    rebuild_days
        How often tastes are built anew.
    """

    def __init__(
        self,
        dataset: Dataset,
        floor: int,
        seed: int = 0,
        seen: EventLog | None = None,
        rebuild_days: float = 1.0,
    ) -> None:
        self.history = LogEvidence(dataset.log, dataset.created_s, dataset.owners, floor)
        self.sources = LogCandidateSources(self.history, dataset.likes)
        self._dataset, self._floor, self._seed = dataset, floor, seed
        self._seen = dataset.log if seen is None else seen
        self._seen_by = GroupedEvents.by(self._seen.actors, self._seen.n_actors)
        self._night_s = rebuild_days * DAY_S
        self._likes_of = GroupedEvents.by(dataset.likes.actors, dataset.likes.n_actors)
        self._last_night = self._lists_due = -1.0

    def evidence(self, actor: int, projects: Integers, at_s: float) -> BehaviorEvidence:
        """Give what was known of a viewer and of projects (dense indexes) strictly before a moment."""
        midnight = float(np.floor(at_s / self._night_s) * self._night_s)
        if midnight != self._last_night:
            young = midnight < self._lists_due
            old = self.history.build_collaborative_model if young else None
            self.history.use_model(_built(self._dataset.log, midnight, self._floor, self._seed, old))
            self._lists_due = self._lists_due if young else midnight + NEIGHBOR_LISTS_DAYS * DAY_S
            self._last_night = midnight
        return self.history.evidence(actor, projects, at_s)

    def candidates_for(self, actor: int, at_s: float) -> Integers:
        """Give the projects that existed strictly before a moment and that the viewer had not touched."""
        engaged = self._seen.projects[self._seen_by.of(actor, self._seen.before(at_s))]
        return candidates_at(self._dataset, self._dataset.log, engaged, at_s)

    def stage_of(self, actor: int, evidence: BehaviorEvidence) -> ViewerStage:
        """Tell how well the viewer was known whose evidence this is."""
        likes = self._likes_of.of(actor, self._dataset.likes.before(evidence.at_s)).size
        stated = bool(self._dataset.interests_s[actor] < evidence.at_s)
        return stage(0, evidence.engagements.projects.size, likes, stated)


VIEWER_STAGES = tuple(ViewerStage)
"""The stages in the order in which `CandidateLists.stages` counts them."""


def replay_requests(past: Replay, requests: FeedRequests, progress: Progress, what: str) -> Iterator[ReplayedRequest]:
    """Go through requests in the order of time."""
    for index in range(requests.n):
        actor, at_s = int(requests.actors[index]), float(requests.at_s[index])
        projects = past.candidates_for(actor, at_s)
        relevant = np.searchsorted(projects, requests.relevant[index])
        evidence = past.evidence(actor, projects, at_s)
        yield ReplayedRequest(index, actor, at_s, projects, relevant, evidence, past.stage_of(actor, evidence))
        if index % 50 == 0 or index == requests.n - 1:
            progress(what, (index + 1) / requests.n)


def _built(log: EventLog, midnight: float, floor: int, seed: int, old: CollaborativeModel | None) -> CollaborativeModel:
    """Build tastes anew, and lists if there are none young enough."""
    until = log.before(midnight)
    if old is None:
        return build_collaborative_model(log, until, floor, seed)
    engaged = interaction_matrix(log.actors[:until], log.projects[:until], log.n_actors, log.n_projects)
    return replace(old, tastes=tastes(engaged, floor=floor, seed=seed))


def training_lists(
    candidates: Iterator[ReplayedRequest], seed: int, signals: tuple[Signal, ...] = tuple(BEHAVIOR_SIGNALS)
) -> CandidateLists:
    """Compute the signals of thinned-out lists."""
    rng = np.random.default_rng(seed)
    values, relevant, weight, viewers, stages = [], [], [], [], []
    for one in candidates:
        matrix = behavior_matrix(one.evidence, signals).astype(np.float32)
        marked = np.zeros(one.projects.size, dtype=bool)
        marked[one.relevant] = True
        kept, stands_for = _thinned(one.evidence, marked, rng)
        values.append(matrix[kept])
        relevant.append(marked[kept])
        weight.append(stands_for)
        viewers.append(one.actor)
        stages.append(VIEWER_STAGES.index(one.stage))
    sizes = [part.size for part in weight]
    return CandidateLists(
        np.concatenate(values),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate(relevant),
        np.concatenate(weight),
        np.array(viewers, dtype=np.int64),
        np.array(stages, dtype=np.int64),
    )


def _thinned(
    evidence: BehaviorEvidence, relevant: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Integers, NDArray[np.float32]]:
    sure = relevant.copy()
    for value, most in ((evidence.created_s, NEWEST_KEPT), (evidence.actors[:, 1], LIVELIEST_KEPT)):
        sure[_best(value, most)] = True
    kept = np.flatnonzero(sure | (rng.random(sure.size) < SHARE_KEPT))
    return kept, np.where(sure[kept], 1.0, 1.0 / SHARE_KEPT).astype(np.float32)


def _best(value: Floats, most: int) -> Integers:
    return np.argpartition(-value, most)[:most] if value.size > most else np.arange(value.size)
