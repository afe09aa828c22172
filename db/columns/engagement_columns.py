"""Recent first engagements as columns."""

import asyncio
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Text, case, cast, func, literal, select

from db.columns.project_columns import Floats, Ids, Mask
from db.database.column_types import SINCE, UNTIL, micros
from db.database.engine import Database
from db.models import Actor, Engagement
from db.time_units import FIRST_ENGAGEMENT_BUCKET_S, MICROSECONDS, microseconds

_SLICE = timedelta(hours=12)


@dataclass(frozen=True, eq=False)
class EngagementColumns:
    """First engagements of all actors within some time: (m,) columns, the earliest first."""

    projects: Ids
    actors: Ids
    at_us: Ids  # Unix microseconds
    by_users: Mask  # whether the actor is a user and not a session

    @cached_property
    def counts(self) -> tuple[NDArray[Any], Floats]:
        """First engagements in intervals: middles in ascending Unix seconds, and counts; `first_engagement_counts`."""
        buckets, counts = np.unique(self.at_us // int(FIRST_ENGAGEMENT_BUCKET_S * MICROSECONDS), return_counts=True)
        return (buckets + 0.5) * FIRST_ENGAGEMENT_BUCKET_S, counts.astype(np.float64)

    def since(self, at_us: int) -> "EngagementColumns":
        """Return the first engagements from a time on."""
        return self._part(slice(int(np.searchsorted(self.at_us, at_us)), None))

    def before(self, at_us: int) -> "EngagementColumns":
        """Return the first engagements before a time."""
        return self._part(slice(0, int(np.searchsorted(self.at_us, at_us))))

    def _part(self, part: slice) -> "EngagementColumns":
        return EngagementColumns(*(getattr(self, name)[part] for name in _NAMES))


_NAMES = tuple(field.name for field in fields(EngagementColumns))


_IS_USER = case((Actor.user_id.is_(None), 0), else_=1)
_COLUMNS = (Engagement.project_id, Engagement.actor_id, micros(Engagement.first_at), _IS_USER)
_FIRST, *_OTHERS = (cast(column, Text) for column in _COLUMNS)
_TEXT = reduce(lambda text, column: text.concat(literal(" ", Text)).concat(column), _OTHERS, literal("").concat(_FIRST))
# One text for all rows, which is parsed ten times as fast as rows are.
_PACKED = (
    select(func.aggregate_strings(_TEXT, " "))
    .join(Actor, Actor.id == Engagement.actor_id)
    .where(Engagement.kinds > 0, Engagement.first_at >= SINCE)
)
_PACKED_UNTIL = _PACKED.where(Engagement.first_at < UNTIL)


async def read_engagement(database: Database, since: datetime, at: datetime) -> EngagementColumns:
    """Read the first engagements since a time. `at` is the present, from which on they are read at once."""
    texts = []
    while since < at:
        until = since + _SLICE
        rows = await database.fetch(_PACKED_UNTIL, {"since": since, "until": until})
        texts.append(rows[0][0])
        since = until
    texts.append((await database.fetch(_PACKED, {"since": since}))[0][0])
    return await asyncio.to_thread(_unpacked, " ".join(filter(None, texts)))


async def with_latest(columns: EngagementColumns, database: Database, since: datetime) -> EngagementColumns:
    """Return the columns with the first engagements since a time read anew."""
    rows = await database.fetch(_PACKED, {"since": since})
    kept = columns.before(microseconds(since))
    return await asyncio.to_thread(lambda: _joined(kept, _unpacked(rows[0][0] or "")))


def _unpacked(text: str) -> EngagementColumns:
    projects, actors, at_us, is_user = np.fromstring(text, np.int64, sep=" ").reshape(-1, len(_COLUMNS)).T
    order = np.argsort(at_us, kind="stable")
    return _joined(EngagementColumns(projects[order], actors[order], at_us[order], is_user[order] > 0))


def _joined(*parts: EngagementColumns) -> EngagementColumns:
    columns = EngagementColumns(*(np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES))
    _ = columns.counts  # computed here, and not during a request
    return columns
