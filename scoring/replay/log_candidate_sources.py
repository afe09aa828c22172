"""Names of the candidate sources, and the same sources read from an event log.

`scoring.pipelines.candidate_sources` reads the stores; `LogCandidateSources` finds the same candidates of past requests
in a log, so that each source can be measured. A test compares the two.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np

from db.time_units import DAY_S
from scoring import weights
from scoring.mathematics.behavior_evidence import EventLog, History, LogEvidence, NeighborKind, history_weights
from scoring.mathematics.signals import Floats, Integers


class CandidateSource(StrEnum):
    """Source of candidates."""

    NEAR = "near"
    """Nearest vectors to the profile's."""
    COLLABORATIVE = "collaborative"
    """Liked by people with the same stated interests, or the same history."""
    TAGS = "tags"
    """Projects with terms of the stated interests."""
    TRENDING = "trending"
    """Highest velocity, computed hourly."""
    NEWEST = "newest"
    POPULAR = "popular"
    """Most likes of all time."""
    RECENT = "lately"
    """Most people among the latest first interactions on the whole platform; live."""
    ITEM_NEIGHBORS = "item_neighbors"
    """Item neighbors of the viewer's history."""
    SESSION_NEIGHBORS = "session_neighbors"
    """Projects of the people who engaged with the viewer's latest projects."""
    OWNERS = "owners"
    """The newest projects of the owners in the viewer's history."""


LOG_SOURCES = (
    CandidateSource.NEWEST,
    CandidateSource.POPULAR,
    CandidateSource.RECENT,
    CandidateSource.ITEM_NEIGHBORS,
    CandidateSource.SESSION_NEIGHBORS,
    CandidateSource.OWNERS,
)
"""Sources that need only a log of events: the others need texts, stated interests or the hourly velocity."""


def merge_candidates(by_source: Mapping[CandidateSource, Sequence[int] | Integers]) -> Integers:
    """Return the distinct ids of all sources, in their order."""
    ids = dict.fromkeys(int(id_) for found in by_source.values() for id_ in found)
    return np.fromiter(ids, dtype=np.int64, count=len(ids))


def nearest_to_history(ids: Integers, similarity: Floats, engaged: Integers, limit: int) -> Integers:
    """Return the projects most similar to a whole history.

    Parameters
    ----------
    ids, similarity
        (m,) neighbors of the history's projects, in any order, with weighted similarities.
    engaged
        The history, which is no candidate.

    Returns
    -------
    At most `limit` ids, the most similar first; ties by id.
    """
    found, place = np.unique(ids, return_inverse=True)
    summed = np.bincount(place, similarity, minlength=found.size)
    summed[np.isin(found, engaged)] = 0.0
    order = np.lexsort((found, -summed))[:limit]
    return found[order[summed[order] > 0]]


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

    def _best(self, projects: Integers, worth: Floats, limit: int) -> Integers:
        """Return the projects of the highest value; of ties the newest."""
        return projects[np.lexsort((-projects, -self._history.created_s[projects], -worth))[:limit]]

    def _popular(self, exists: Integers, at_s: float) -> Integers:
        likes = self._likes
        counted = np.bincount(likes.projects[: likes.before(at_s)], minlength=likes.n_projects)
        return self._best(exists, counted[exists].astype(np.float64), weights.CANDIDATES_POPULAR)

    def _lately(self, exists: Integers, at_s: float) -> Integers:
        log = self._history.log
        until = log.before(at_s)
        last = log.projects[max(until - weights.RECENT_SOURCE_ENGAGEMENTS, 0) : until]
        people = np.bincount(last, minlength=log.n_projects)[exists].astype(np.float64)
        return self._best(exists[people > 0], people[people > 0], weights.CANDIDATES_RECENT)

    def _item_neighbors(self, engagements: History, at_s: float) -> Integers:
        lists = self._history.build_collaborative_model.lists.get(NeighborKind.COSINE)
        if lists is None:
            return np.empty(0, np.int64)
        seeds = engagements.projects[: weights.NEIGHBOR_SEEDS]
        worth = history_weights((at_s - engagements.at_s[: seeds.size]) / DAY_S)
        spans = [slice(lists.starts[seed], lists.starts[seed + 1]) for seed in seeds]
        ids = np.concatenate([lists.ids[span] for span in spans] or [np.empty(0, np.int64)])
        similarity = [one * lists.similarity[span] for one, span in zip(worth, spans, strict=True)]
        summed = np.concatenate(similarity or [np.empty(0)])
        return nearest_to_history(ids, summed, engagements.projects, weights.CANDIDATES_ITEM_NEIGHBORS)

    def _company(self, actor: int, engagements: History, at_s: float) -> Integers:
        history, log = self._history, self._history.log
        shared = history.session_neighbors_of(actor, engagements, at_s)
        people = np.lexsort((np.arange(shared.size), -shared))[: weights.SESSION_NEIGHBOR_COUNT]
        known = np.zeros(log.n_actors, dtype=bool)
        known[people[shared[people] > 0]] = True
        recent = slice(log.before(at_s - weights.RECENT_INTERACTION_DAYS * DAY_S), log.before(at_s))
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
