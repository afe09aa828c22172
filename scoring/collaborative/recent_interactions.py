"""Recent interactions of other actors, read once a project while the same page is ranked several times."""

from datetime import datetime, timedelta

import numpy as np

from db.database.engine import Database
from db.trained_models import collaborative_data as stored
from scoring import weights
from scoring.mathematics.signals import Integers


class RecentInteractionReader:
    """Reader of others' interactions in the last `weights.RECENT_INTERACTION_DAYS` before one moment.

    A counterfactual search ranks a page up to seven times with nearly the same candidates, and their 9,000 interactions
    are a third of the cost of a ranking.

    Parameters
    ----------
    actor_id
        The actor whose own interactions are left out; 0 for none.
    """

    def __init__(self, database: Database, actor_id: int, at: datetime) -> None:
        self._database = database
        self._actor_id = actor_id
        self._since = at - timedelta(days=weights.RECENT_INTERACTION_DAYS)
        self._read = np.empty(0, np.int64)
        self._known = stored.NO_INTERACTIONS
        self._cut = False

    async def of(self, ids: Integers) -> stored.FirstInteractions:
        """Return the interactions with the given projects, at most the latest `weights.MAX_RECENT_INTERACTIONS`."""
        new = np.setdiff1d(ids, self._read)
        if self._cut:  # which ones are the latest depends on all the projects asked for
            return await self._fetch(ids)
        if new.size:
            found = await self._fetch(new)
            union = stored.FirstInteractions(*(np.concatenate(pair) for pair in zip(self._known, found, strict=True)))
            self._cut = union.projects.size >= weights.MAX_RECENT_INTERACTIONS
            if self._cut:
                return await self._fetch(ids) if self._read.size else found
            self._read, self._known = np.union1d(self._read, new), union
        kept = np.isin(self._known.projects, ids)
        return stored.FirstInteractions(self._known.projects[kept], self._known.actors[kept], self._known.at_s[kept])

    async def _fetch(self, ids: Integers) -> stored.FirstInteractions:
        most = weights.MAX_RECENT_INTERACTIONS
        return await stored.recent_interactions(self._database, ids.tolist(), self._actor_id, self._since, most)
