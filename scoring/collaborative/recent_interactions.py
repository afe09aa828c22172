"""Who came to projects lately, read once for each project however often the same page is ranked again."""

from datetime import datetime, timedelta

import numpy as np

from db.database.engine import Database
from db.trained_models import collaborative_data as stored
from scoring import weights
from scoring.mathematics.signals import Integers


class RecentInteractionReader:
    """Others' deeds of the last `weights.RECENT_INTERACTION_DAYS`, as they were at one moment.

    It lives as long as one question does. Finding what would remove a project ranks a page up to seven times; the
    candidates are nearly the same each time, and their 9,000 deeds are a third of what a ranking costs.

    Parameters
    ----------
    actor_id
        Whose own deeds are left out; 0 for nobody's.
    at
        The moment.
    """

    def __init__(self, database: Database, actor_id: int, at: datetime) -> None:
        self._database = database
        self._actor_id = actor_id
        self._since = at - timedelta(days=weights.RECENT_INTERACTION_DAYS)
        self._read = np.empty(0, np.int64)
        self._known = stored.NO_INTERACTIONS
        self._cut = False

    async def of(self, ids: Integers) -> stored.FirstInteractions:
        """Give the deeds at some projects, at most the latest `weights.MAX_RECENT_INTERACTIONS`."""
        new = np.setdiff1d(ids, self._read)
        if self._cut:  # which ones are the latest depends on what else is asked for
            return await self._fetch(ids)
        if new.size:
            found = await self._fetch(new)
            union = _one_behind_the_other(self._known, found)
            self._cut = union.projects.size >= weights.MAX_RECENT_INTERACTIONS
            if self._cut:
                return await self._fetch(ids) if self._read.size else found
            self._read, self._known = np.union1d(self._read, new), union
        kept = np.isin(self._known.projects, ids)
        return stored.FirstInteractions(self._known.projects[kept], self._known.actors[kept], self._known.at_s[kept])

    async def _fetch(self, ids: Integers) -> stored.FirstInteractions:
        most = weights.MAX_RECENT_INTERACTIONS
        return await stored.recent_interactions(self._database, ids.tolist(), self._actor_id, self._since, most)


def _one_behind_the_other(
    first: stored.FirstInteractions, second: stored.FirstInteractions
) -> stored.FirstInteractions:
    return stored.FirstInteractions(
        np.concatenate([first.projects, second.projects]),
        np.concatenate([first.actors, second.actors]),
        np.concatenate([first.at_s, second.at_s]),
    )
