"""Candidate sources of past requests, read from an event log.

`scoring.pipelines.candidate_sources` reads the stores; `LogCandidateSources` finds the same candidates of past requests
in a log, so that each source can be measured. A test compares the two.
"""

import numpy as np

from db.time_units import DAY_S
from scoring import weights
from scoring.mathematics.behavior_evidence import EventLog, History, LogEvidence, NeighborKind, history_weights
from scoring.mathematics.signals import Floats, Integers
from scoring.pipelines.candidate_sources import CandidateSource, nearest_to_history

LOG_SOURCES = (
    CandidateSource.NEWEST,
    CandidateSource.POPULAR,
    CandidateSource.RECENT,
    CandidateSource.ITEM_NEIGHBORS,
    CandidateSource.SESSION_NEIGHBORS,
    CandidateSource.OWNERS,
)
"""Sources that need only a log of events: the others need texts, stated interests or the hourly velocity."""


class LogCandidateSources:
    """Candidates of past requests by source, read from a log.

    Parameters
    ----------
    history
        The log with its nightly trainings, and the times of publication.
    likes
        First likes of actors and projects.
    """

    def __init__(self, history: LogEvidence, likes: EventLog) -> None:
        self._history = history
        self._likes = likes

    def of(self, actor: int, at_s: float) -> dict[CandidateSource, Integers]:
        """Return the candidates of a request by source (dense indexes, best first), without the viewer's history."""
        engagements = self._history.engagements(actor, at_s)
        exists = np.flatnonzero(self._history.created_s < at_s)
        found = {
            CandidateSource.NEWEST: self._best(exists, np.zeros(exists.size), weights.CANDIDATES_NEWEST),
            CandidateSource.POPULAR: self._popular(exists, at_s),
            CandidateSource.RECENT: self._lately(exists, at_s),
            CandidateSource.ITEM_NEIGHBORS: self._item_neighbors(engagements, at_s),
            CandidateSource.SESSION_NEIGHBORS: self._company(actor, engagements, at_s),
            CandidateSource.OWNERS: self._owners(engagements.projects, exists),
        }
        unseen = self._history.created_s < at_s
        unseen[engagements.projects] = False
        return {source: ids[unseen[ids]] for source, ids in found.items()}

    def _best(self, projects: Integers, values: Floats, limit: int) -> Integers:
        """Return the projects of the highest value; of ties the newest."""
        return projects[np.lexsort((-projects, -self._history.created_s[projects], -values))[:limit]]

    def _popular(self, exists: Integers, at_s: float) -> Integers:
        likes = self._likes
        counted = np.bincount(likes.projects[: likes.count_before(at_s)], minlength=likes.n_projects)
        return self._best(exists, counted[exists].astype(np.float64), weights.CANDIDATES_POPULAR)

    def _lately(self, exists: Integers, at_s: float) -> Integers:
        log = self._history.log
        until = log.count_before(at_s)
        last = log.projects[max(until - weights.RECENT_SOURCE_ENGAGEMENTS, 0) : until]
        people = np.bincount(last, minlength=log.n_projects)[exists].astype(np.float64)
        return self._best(exists[people > 0], people[people > 0], weights.CANDIDATES_RECENT)

    def _item_neighbors(self, engagements: History, at_s: float) -> Integers:
        lists = self._history.model.lists.get(NeighborKind.COSINE)
        if lists is None:
            return np.empty(0, np.int64)
        seeds = engagements.projects[: weights.NEIGHBOR_SEEDS]
        values = history_weights((at_s - engagements.at_s[: seeds.size]) / DAY_S)
        spans = [slice(lists.starts[seed], lists.starts[seed + 1]) for seed in seeds]
        ids = np.concatenate([lists.ids[span] for span in spans] or [np.empty(0, np.int64)])
        similarity = [one * lists.similarity[span] for one, span in zip(values, spans, strict=True)]
        summed = np.concatenate(similarity or [np.empty(0)])
        return nearest_to_history(ids, summed, engagements.projects, weights.CANDIDATES_ITEM_NEIGHBORS)

    def _company(self, actor: int, engagements: History, at_s: float) -> Integers:
        history, log = self._history, self._history.log
        shared = history.count_shared_projects(actor, engagements, at_s)
        people = np.lexsort((np.arange(shared.size), -shared))[: weights.SESSION_NEIGHBOR_COUNT]
        known = np.zeros(log.n_actors, dtype=bool)
        known[people[shared[people] > 0]] = True
        recent = slice(log.count_before(at_s - weights.RECENT_INTERACTION_DAYS * DAY_S), log.count_before(at_s))
        met = log.projects[recent][known[log.actors[recent]]]
        people_on = np.bincount(met, minlength=log.n_projects)
        people_on[engagements.projects] = 0
        enough = np.flatnonzero(people_on >= history.floor)
        return self._best(enough, people_on[enough].astype(np.float64), weights.CANDIDATES_SESSION_NEIGHBORS)

    def _owners(self, engaged: Integers, exists: Integers) -> Integers:
        owners = self._history.owners
        makers = owners[engaged]
        theirs = exists[np.isin(owners[exists], makers[makers >= 0])]
        theirs = np.setdiff1d(theirs, engaged)
        return self._best(theirs, np.zeros(theirs.size), weights.CANDIDATES_OWNERS)
