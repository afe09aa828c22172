"""Candidate sources of past requests, read from an event log.

`scoring.pipelines.candidate_sources` reads candidates from the stores. `LogCandidateSources` reads the same candidates
of past requests from a log, so that each source can be measured. A test compares both.
"""

import numpy as np

from db.time_units import DAY_S
from scoring import tunables
from scoring.mathematics.behavior_evidence import EventLog, History, NeighborKind, history_weights
from scoring.mathematics.log_evidence import LogEvidence
from scoring.mathematics.signals import Floats, Integers, ranges
from scoring.pipelines.candidate_sources import CandidateSource, nearest_to_history

LOG_SOURCES = (
    CandidateSource.NEWEST,
    CandidateSource.POPULAR,
    CandidateSource.RECENT,
    CandidateSource.ITEM_NEIGHBORS,
    CandidateSource.SESSION_NEIGHBORS,
    CandidateSource.OWNERS,
)
"""Sources that need only a log of events. The other sources need texts, stated interests or the hourly velocity."""


class LogCandidateSources:
    """Candidates of past requests by source, read from a log of first interactions and a log of first likes."""

    def __init__(self, history: LogEvidence, likes: EventLog) -> None:
        self._history = history
        self._likes = likes

    def candidates_by_source(self, actor: int, at_s: float) -> dict[CandidateSource, Integers]:
        """Return the candidates of a request by source (dense indexes, best first), without the viewer's history."""
        engagements = self._history.engagements(actor, at_s)
        existing = np.flatnonzero(self._history.created_s < at_s)
        candidates = {
            CandidateSource.NEWEST: self._best(existing, np.zeros(existing.size), tunables.CANDIDATES_NEWEST),
            CandidateSource.POPULAR: self._popular(existing, at_s),
            CandidateSource.RECENT: self._recent(existing, at_s),
            CandidateSource.ITEM_NEIGHBORS: self._item_neighbors(engagements, at_s),
            CandidateSource.SESSION_NEIGHBORS: self._session_neighbors(actor, engagements, at_s),
            CandidateSource.OWNERS: self._owners(engagements.projects, existing),
        }
        is_candidate = self._history.created_s < at_s
        is_candidate[engagements.projects] = False
        return {source: ids[is_candidate[ids]] for source, ids in candidates.items()}

    def _best(self, projects: Integers, values: Floats, limit: int) -> Integers:
        """Return the `limit` projects with the highest values; of equal values, the newest projects."""
        return projects[np.lexsort((-projects, -self._history.created_s[projects], -values))[:limit]]

    def _popular(self, existing: Integers, at_s: float) -> Integers:
        counts = self._likes.count_by_project(at_s)[existing].astype(np.float64)
        return self._best(existing, counts, tunables.CANDIDATES_POPULAR)

    def _recent(self, existing: Integers, at_s: float) -> Integers:
        log = self._history.log
        n_past = log.count_before(at_s)
        latest = log.projects[max(n_past - tunables.RECENT_SOURCE_ENGAGEMENTS, 0) : n_past]
        actors = np.bincount(latest, minlength=log.n_projects)[existing].astype(np.float64)
        return self._best(existing[actors > 0], actors[actors > 0], tunables.CANDIDATES_RECENT)

    def _item_neighbors(self, engagements: History, at_s: float) -> Integers:
        lists = self._history.model.lists.get(NeighborKind.COSINE)
        if lists is None:
            return np.empty(0, np.int64)
        seeds = engagements.projects[: tunables.NEIGHBOR_SEEDS]
        seed_weights = history_weights((at_s - engagements.at_s[: seeds.size]) / DAY_S)
        sizes = np.diff(lists.starts)[seeds]
        entries = ranges(lists.starts[seeds], sizes)
        similarity = np.repeat(seed_weights, sizes) * lists.similarity[entries]
        return nearest_to_history(
            lists.ids[entries], similarity, engagements.projects, tunables.CANDIDATES_ITEM_NEIGHBORS
        )

    def _session_neighbors(self, actor: int, engagements: History, at_s: float) -> Integers:
        history, log = self._history, self._history.log
        shared = history.count_shared_projects(actor, engagements, at_s)
        neighbors = np.lexsort((np.arange(shared.size), -shared))[: tunables.SESSION_NEIGHBOR_COUNT]
        is_neighbor = np.zeros(log.n_actors, dtype=bool)
        is_neighbor[neighbors[shared[neighbors] > 0]] = True
        recent = slice(log.count_before(at_s - tunables.RECENT_INTERACTION_DAYS * DAY_S), log.count_before(at_s))
        projects = log.projects[recent][is_neighbor[log.actors[recent]]]
        counts = np.bincount(projects, minlength=log.n_projects)
        counts[engagements.projects] = 0
        projects_above_floor = np.flatnonzero(counts >= history.floor)
        return self._best(
            projects_above_floor, counts[projects_above_floor].astype(np.float64), tunables.CANDIDATES_SESSION_NEIGHBORS
        )

    def _owners(self, engaged: Integers, existing: Integers) -> Integers:
        owners = self._history.owners
        history_owners = owners[engaged]
        same_owner = existing[np.isin(owners[existing], history_owners[history_owners >= 0])]
        same_owner = np.setdiff1d(same_owner, engaged)
        return self._best(same_owner, np.zeros(same_owner.size), tunables.CANDIDATES_OWNERS)
