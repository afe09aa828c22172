"""Crowds: how many people came to one project from one network lately, so that a room full of them counts as a few.

A network is known by a hash that the edge makes with its secret and the day; no address reaches this floor.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Float, bindparam, case, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import insert_batch
from db.database.engine import Database
from db.interactions.decayed_counters import decay_factor
from db.models import NetworkCount

HALF_LIFE_S = 86_400.0
"""A crowd is forgotten by half each day."""

FULL_WEIGHT_ACTORS = 3.0
"""People of one network who count in full: a household, a small office."""

RETENTION_S = 7 * 86_400.0
"""A crowd that nobody joined for a week has less than a hundredth left, and goes."""

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
_EXPIRE = delete(NetworkCount).where(NetworkCount.as_of_s < bindparam("before_s", type_=Float(53)))


class NetworkActor(NamedTuple):
    """A person who comes to a project from a network for the first time."""

    project_id: int
    network: str
    at: datetime


async def count_network_actors(connection: AsyncConnection, network_actors: Sequence[NetworkActor]) -> list[float]:
    """Count people into their crowds, in one statement; give the share of each that counts, in their order."""
    if not network_actors:
        return []
    new = Counter((comer.project_id, comer.network) for comer in network_actors)
    latest = {
        (comer.project_id, comer.network): comer.at.timestamp() for comer in sorted(network_actors, key=lambda c: c.at)
    }
    rows = [(*crowd, float(actors), latest[crowd]) for crowd, actors in sorted(new.items())]
    written = await connection.execute(_ADD, {"rows": rows})
    before = {(row.project_id, row.network): row.actors - new[row.project_id, row.network] for row in written}
    return list(_shares(network_actors, before))


def _shares(network_actors: Iterable[NetworkActor], before: dict[tuple[int, str], float]) -> Iterable[float]:
    for comer in network_actors:
        before[comer.project_id, comer.network] += 1
        yield network_weight(before[comer.project_id, comer.network])


def network_weight(place: float) -> float:
    """Give how much the n-th person of a crowd counts: the first `FULL_WEIGHT_ACTORS` in full, then FREE/n squared.

    So the whole crowd never counts more than about twice `FULL_WEIGHT_ACTORS`, however many they are.
    """
    return 1.0 if place <= FULL_WEIGHT_ACTORS else (FULL_WEIGHT_ACTORS / place) ** 2


async def delete_expired_network_counts(database: Database, at: datetime) -> None:
    """Forget the crowds that nobody has joined for `RETENTION_S`."""
    async with database.write() as connection:
        await connection.execute(_EXPIRE, {"before_s": at.timestamp() - RETENTION_S})
