"""Cap on the new actors that one network contributes to a project's counters.

A network is identified by a hash that the gateway makes from its secret and the day; this layer sees no address.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Float, bindparam, case, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import insert_batch
from db.database.engine import Database
from db.interactions.decayed_counters import decay_factor
from db.models import NetworkCount
from db.time_units import DAY_S

HALF_LIFE_S = DAY_S
FULL_WEIGHT_ACTORS = 3.0
"""Actors of one network that count in full: a household, a small office."""

RETENTION_S = 7 * DAY_S
"""Less than a hundredth of a count is left after a week without a new actor."""

_added = insert_batch(NetworkCount, "project_id", "network", "actors", "as_of_s")
_later = case((_added.excluded.as_of_s > NetworkCount.as_of_s, _added.excluded.as_of_s), else_=NetworkCount.as_of_s)
_ADD = _added.on_conflict_do_update(
    index_elements=["project_id", "network"],
    set_={
        "actors": NetworkCount.actors * decay_factor(_later - NetworkCount.as_of_s, HALF_LIFE_S)
        + _added.excluded.actors,
        "as_of_s": _later,
    },
).returning(NetworkCount.project_id, NetworkCount.network, NetworkCount.actors)
_DELETE_EXPIRED = delete(NetworkCount).where(NetworkCount.as_of_s < bindparam("before_s", type_=Float(53)))


class NetworkActor(NamedTuple):
    """The first engagement of an actor of a network with a project."""

    project_id: int
    network: str
    at: datetime


async def count_network_actors(connection: AsyncConnection, actors: Sequence[NetworkActor]) -> list[float]:
    """Count new actors by project and network, in one statement; return the weight of each, in order."""
    if not actors:
        return []
    new = Counter((actor.project_id, actor.network) for actor in actors)
    latest = {(actor.project_id, actor.network): actor.at.timestamp() for actor in sorted(actors, key=lambda a: a.at)}
    rows = [(*network, float(count), latest[network]) for network, count in sorted(new.items())]
    written = await connection.execute(_ADD, {"rows": rows})
    places = {(row.project_id, row.network): row.actors - new[row.project_id, row.network] for row in written}
    weights = []
    for actor in actors:
        network = actor.project_id, actor.network
        places[network] += 1
        weights.append(network_weight(places[network]))
    return weights


def network_weight(place: float) -> float:
    """Return the weight of a network's n-th actor: 1 for the first `FULL_WEIGHT_ACTORS`, then (that / n) squared.

    The sum over all actors stays below about twice `FULL_WEIGHT_ACTORS`.
    """
    return 1.0 if place <= FULL_WEIGHT_ACTORS else (FULL_WEIGHT_ACTORS / place) ** 2


async def delete_expired_network_counts(database: Database, at: datetime) -> None:
    """Delete the counts without a new actor for `RETENTION_S`."""
    async with database.write() as connection:
        await connection.execute(_DELETE_EXPIRED, {"before_s": at.timestamp() - RETENTION_S})
