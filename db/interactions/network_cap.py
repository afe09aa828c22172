"""Caps on the weight of new actors of one group in a project's counters.

Groups are a network, all unclaimed sessions, and all users of a few minutes. A network is identified by a keyed hash
that the gateway computes and that changes daily. No address is passed to `db`.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Float, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from db.database.batches import insert_batch
from db.database.column_types import greatest
from db.interactions.decayed_counters import decay_factor
from db.models import DecayedCounters, NetworkCount
from db.time_units import DAY_S, HOUR_S

SHARED_NETWORK = "shared"
"""The network of all addresses that are not global."""
SESSIONS = "sessions"
"""The group of all unclaimed sessions."""
BURST = "burst"
"""The group of all users of a few minutes."""

FULL_WEIGHT_ACTORS = 3.0
"""Number of actors of one network with full weight, enough for a household or small office."""
FULL_WEIGHT_SESSIONS = 1.0
"""Number of sessions with full weight. All sessions of a project together weigh less than 1.65 times one session."""
FULL_WEIGHT_BURST = 3.5
"""Number of actors of a burst with full weight: twenty old accounts at once count as six."""
ESTABLISHED_SHARE = 0.5
"""Further actors of a burst with full weight, for each actor of the last hours before it: a project that many people
visit may gain many visitors at once."""

HALF_LIFE_S = DAY_S
SESSIONS_HALF_LIFE_S = 14 * DAY_S  # the longest half-life of the decayed counters
BURST_HALF_LIFE_S = 600.0

_insert = insert_batch(NetworkCount, "project_id", "network", "actors", "as_of_s")
_later_s = greatest(_insert.excluded.as_of_s, NetworkCount.as_of_s)
_HALF_LIFE_S: ColumnElement[float] = case(
    (NetworkCount.network == SESSIONS, SESSIONS_HALF_LIFE_S),
    (NetworkCount.network == BURST, BURST_HALF_LIFE_S),
    else_=HALF_LIFE_S,
)
# Literal, because SQLAlchemy names columns of the table without the table in RETURNING.
_PROJECT_ID: ColumnElement[int] = literal_column("network_counts.project_id")
_AS_OF_S: ColumnElement[float] = literal_column("network_counts.as_of_s", Float(53))
_ESTABLISHED = (
    select(DecayedCounters.actors_6h * decay_factor(_AS_OF_S - DecayedCounters.as_of_s, 6 * HOUR_S))
    .where(DecayedCounters.project_id == _PROJECT_ID)
    .scalar_subquery()
)
_HALVINGS: ColumnElement[Any] = (_later_s - NetworkCount.as_of_s) / _HALF_LIFE_S
_ADD = _insert.on_conflict_do_update(
    index_elements=["project_id", "network"],
    set_={
        "actors": NetworkCount.actors * decay_factor(_HALVINGS, 1.0) + _insert.excluded.actors,
        "as_of_s": _later_s,
    },
).returning(
    NetworkCount.project_id,
    NetworkCount.network,
    NetworkCount.actors,
    func.coalesce(_ESTABLISHED, 0.0).label("established"),
)


class GroupActor(NamedTuple):
    """A first engagement with a project, with a group of the actor."""

    project_id: int
    group: str
    at: datetime


async def count_group_actors(connection: AsyncConnection, actors: Sequence[GroupActor]) -> list[float]:
    """Add new actors to the stored counts of their project and group. Return the weight of each, in order."""
    if not actors:
        return []
    new_actors = Counter((actor.project_id, actor.group) for actor in actors)
    latest = {(actor.project_id, actor.group): actor.at.timestamp() for actor in sorted(actors, key=lambda a: a.at)}
    rows = [(*group, float(count), latest[group]) for group, count in sorted(new_actors.items())]
    updated = {(row.project_id, row.network): row for row in await connection.execute(_ADD, {"rows": rows})}
    counts = {group: row.actors - new_actors[group] for group, row in updated.items()}
    weights = []
    for actor in actors:
        group = actor.project_id, actor.group
        counts[group] += 1
        weights.append(group_weight(actor.group, counts[group], updated[group].established))
    return weights


def group_weight(group: str, n: float, established: float = 0.0) -> float:
    """Return the weight of the n-th actor of a group: 1 up to a number, then (number / n)².

    The sum over all actors is less than about twice the number. `established` is the project's count at the half-life
    of six hours, which raises the number for bursts.
    """
    if group == SESSIONS:
        full = FULL_WEIGHT_SESSIONS
    elif group == BURST:
        full = FULL_WEIGHT_BURST + ESTABLISHED_SHARE * max(established - (n - 1.0), 0.0)
    else:
        full = FULL_WEIGHT_ACTORS
    return 1.0 if n <= full else (full / n) ** 2
