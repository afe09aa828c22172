"""The sources of candidates: their names, what they cost, and the same sources read from an event log.

`scoring.candidates` asks the stores; `LogSources` finds the same candidates of a past request in a log, so that what
each source adds can be measured. A test holds the two together.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np

from scoring import weights
from scoring.crowd.history import DAY_S, EventLog, Kinship, LogHistory, Touches, worth_of_touches
from scoring.signals import Floats, Integers


class Source(StrEnum):
    """Where a candidate may come from."""

    NEAR = "near"
    """Vectors near the profile's."""
    COLLABORATIVE = "collaborative"
    """Liked by people with the same stated interests, or the same touches."""
    TAGS = "tags"
    """Carries terms of the stated interests."""
    TRENDING = "trending"
    """Many people for its age, counted hourly."""
    NEWEST = "newest"
    POPULAR = "popular"
    """Most likes of all time."""
    LATELY = "lately"
    """Most people among the last first touches on the whole platform; live."""
    NEIGHBOURS = "neighbours"
    """Item-item neighbours of what the viewer touched."""
    COMPANY = "company"
    """What those who touched the viewer's last projects came to."""
    OWNERS = "owners"
    """The newest of those who made what the viewer touched."""


FROM_LOGS = (Source.NEWEST, Source.POPULAR, Source.LATELY, Source.NEIGHBOURS, Source.COMPANY, Source.OWNERS)
"""The sources that a log of events alone can feed: the others want texts, stated interests or the hourly velocity."""


def united(by_source: Mapping[Source, Sequence[int] | Integers]) -> Integers:
    """Unite what the sources brought: distinct ids in the order in which the sources name them."""
    ids = dict.fromkeys(int(id_) for found in by_source.values() for id_ in found)
    return np.fromiter(ids, dtype=np.int64, count=len(ids))


def neighbours_of(ids: Integers, likeness: Floats, touched: Integers, limit: int) -> Integers:
    """Choose the projects most like all that was touched.

    Parameters
    ----------
    ids, likeness
        (m,) neighbours of touched projects, in any order, and how much each of these likenesses counts.
    touched
        What is no candidate.

    Returns
    -------
    At most `limit` ids, the most alike first; equals by id.
    """
    found, place = np.unique(ids, return_inverse=True)
    summed = np.bincount(place, likeness, minlength=found.size)
    summed[np.isin(found, touched)] = 0.0
    order = np.lexsort((found, -summed))[:limit]
    return found[order[summed[order] > 0]]


class LogSources:
    """Finds the candidates of past requests in a log, source by source, as `scoring.candidates` does in the stores.

    Parameters
    ----------
    history
        The log, its nights, and when projects were published.
    likes
        First likes of actors and projects.
    """

    def __init__(self, history: LogHistory, likes: EventLog) -> None:
        self._history = history
        self._likes = likes

    def of(self, actor: int, at_s: float) -> dict[Source, Integers]:
        """Give the candidates of a request by source (dense indexes, best first), without what was touched before."""
        touches = self._history.touches(actor, at_s)
        exists = np.flatnonzero(self._history.created_s < at_s)
        found = {
            Source.NEWEST: self._best(exists, np.zeros(exists.size), weights.CANDIDATES_NEWEST),
            Source.POPULAR: self._popular(exists, at_s),
            Source.LATELY: self._lately(exists, at_s),
            Source.NEIGHBOURS: self._neighbours(touches, at_s),
            Source.COMPANY: self._company(actor, touches, at_s),
            Source.OWNERS: self._owners(touches.projects, exists),
        }
        unseen = self._history.created_s < at_s
        unseen[touches.projects] = False
        return {source: ids[unseen[ids]] for source, ids in found.items()}

    def _best(self, projects: Integers, worth: Floats, limit: int) -> Integers:
        """Choose the worthiest; of equals the newest."""
        return projects[np.lexsort((-projects, -self._history.created_s[projects], -worth))[:limit]]

    def _popular(self, exists: Integers, at_s: float) -> Integers:
        likes = self._likes
        counted = np.bincount(likes.projects[: likes.before(at_s)], minlength=likes.n_projects)
        return self._best(exists, counted[exists].astype(np.float64), weights.CANDIDATES_POPULAR)

    def _lately(self, exists: Integers, at_s: float) -> Integers:
        log = self._history.log
        until = log.before(at_s)
        last = log.projects[max(until - weights.LATELY_ARRIVALS, 0) : until]
        people = np.bincount(last, minlength=log.n_projects)[exists].astype(np.float64)
        return self._best(exists[people > 0], people[people > 0], weights.CANDIDATES_LATELY)

    def _neighbours(self, touches: Touches, at_s: float) -> Integers:
        lists = self._history.night.lists.get(Kinship.COSINE)
        if lists is None:
            return np.empty(0, np.int64)
        seeds = touches.projects[: weights.NEIGHBOUR_SEEDS]
        worth = worth_of_touches((at_s - touches.at_s[: seeds.size]) / DAY_S)
        spans = [slice(lists.starts[seed], lists.starts[seed + 1]) for seed in seeds]
        ids = np.concatenate([lists.ids[span] for span in spans] or [np.empty(0, np.int64)])
        likeness = [one * lists.similarity[span] for one, span in zip(worth, spans, strict=True)]
        summed = np.concatenate(likeness or [np.empty(0)])
        return neighbours_of(ids, summed, touches.projects, weights.CANDIDATES_NEIGHBOURS)

    def _company(self, actor: int, touches: Touches, at_s: float) -> Integers:
        history, log = self._history, self._history.log
        shared = history.company_of(actor, touches, at_s)
        people = np.lexsort((np.arange(shared.size), -shared))[: weights.COMPANY_PEOPLE]
        known = np.zeros(log.n_actors, dtype=bool)
        known[people[shared[people] > 0]] = True
        recent = slice(log.before(at_s - weights.RECENT_DEEDS_DAYS * DAY_S), log.before(at_s))
        met = log.projects[recent][known[log.actors[recent]]]
        people_on = np.bincount(met, minlength=log.n_projects)
        people_on[touches.projects] = 0
        enough = np.flatnonzero(people_on >= history.floor)
        return self._best(enough, people_on[enough].astype(np.float64), weights.CANDIDATES_COMPANY)

    def _owners(self, touched: Integers, exists: Integers) -> Integers:
        owners = self._history.owners
        makers = owners[touched]
        theirs = exists[np.isin(owners[exists], makers[makers >= 0])]
        theirs = np.setdiff1d(theirs, touched)
        return self._best(theirs, np.zeros(theirs.size), weights.CANDIDATES_OWNERS)
