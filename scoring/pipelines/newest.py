"""Newest: projects by time of creation, spread by owner."""

from datetime import datetime

import numpy as np

from db.catalog.candidate_queries import newest_projects
from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.models import FeedKind
from db.time_units import MICROSECONDS
from scoring import tunables
from scoring.mathematics.diversity import DiversityAttributes
from scoring.mathematics.signals import Incidence, Signal
from scoring.ranking import Ranking, Strategy

NAME = "newest"


async def rank(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Order the newest projects by time, spread by owner, in one statement."""
    ids, owners, created_us = (await newest_projects(database, tunables.SNAPSHOT_RANKS, where)).T
    ranking = Ranking(
        kind=FeedKind.NEWEST,
        strategy=Strategy.NEWEST,
        model=NAME,
        signals=(Signal.CREATED_AT,),
        ids=ids,
        values=created_us[:, None] / MICROSECONDS,  # 64 bits, because 32 are exact to a minute only
        contributions=created_us[:, None],
        generated_at=at,
    )
    nothing = Incidence(ids.size, *np.empty((2, 0), np.int64))
    return ranking.spread(DiversityAttributes(owners, nothing, nothing))
