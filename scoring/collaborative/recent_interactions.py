"""Recent interactions of other actors, read once per project while a page is ranked several times."""

from datetime import datetime, timedelta

import numpy as np

from db.database.engine import Database
from db.trained_models import collaborative_data as stored
from scoring import tunables
from scoring.mathematics.signals import Integers


class RecentInteractionReader:
    """Reader of others' interactions in the `tunables.RECENT_INTERACTION_DAYS` before `at`.

    A counterfactual search ranks a page up to seven times with nearly the same candidates. Reading their 9,000
    interactions is a third of the cost of a ranking.

    Parameters
    ----------
    actor_id
        The actor whose own interactions are left out; 0 for none.
    """

    def __init__(self, database: Database, actor_id: int, at: datetime) -> None:
        self._database = database
        self._actor_id = actor_id
        self._since = at - timedelta(days=tunables.RECENT_INTERACTION_DAYS)
        self._read_ids = np.empty(0, np.int64)
        self._interactions = stored.NO_INTERACTIONS
        self._is_truncated = False

    async def read(self, ids: Integers) -> stored.FirstInteractions:
        """Return the interactions with the given projects, at most the latest `tunables.MAX_RECENT_INTERACTIONS`."""
        new = np.setdiff1d(ids, self._read_ids)
        if self._is_truncated:  # the latest interactions depend on all the requested projects
            return await self._fetch(ids)
        if new.size:
            interactions = await self._fetch(new)
            union = stored.FirstInteractions(
                *(np.concatenate(pair) for pair in zip(self._interactions, interactions, strict=True))
            )
            self._is_truncated = union.projects.size >= tunables.MAX_RECENT_INTERACTIONS
            if self._is_truncated:
                return await self._fetch(ids) if self._read_ids.size else interactions
            self._read_ids, self._interactions = np.union1d(self._read_ids, new), union
        kept = np.isin(self._interactions.projects, ids)
        return stored.FirstInteractions(
            self._interactions.projects[kept], self._interactions.actors[kept], self._interactions.at_s[kept]
        )

    async def _fetch(self, ids: Integers) -> stored.FirstInteractions:
        limit = tunables.MAX_RECENT_INTERACTIONS
        return await stored.recent_interactions(self._database, ids.tolist(), self._actor_id, self._since, limit)
