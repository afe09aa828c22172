"""Crowds: how many people came to one project from one network lately, so that a room full of them counts as a few.

A network is known by a hash that the edge makes with its secret and the day; no address reaches this floor.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Float, bindparam, case, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from db.activity.pulse import remaining
from db.batches import insert_batch
from db.engine import Database
from db.models import Crowd

HALF_LIFE_S = 86_400.0
"""A crowd is forgotten by half each day."""

FREE = 3.0
"""People of one network who count in full: a household, a small office."""

KEPT_S = 7 * 86_400.0
"""A crowd that nobody joined for a week has less than a hundredth left, and goes."""

_added = insert_batch(Crowd, "project_id", "network", "people", "last_s")
_later = case((_added.excluded.last_s > Crowd.last_s, _added.excluded.last_s), else_=Crowd.last_s)
_ADD = _added.on_conflict_do_update(
    index_elements=["project_id", "network"],
    set_={
        "people": Crowd.people * remaining(_later - Crowd.last_s, HALF_LIFE_S) + _added.excluded.people,
        "last_s": _later,
    },
).returning(Crowd.project_id, Crowd.network, Crowd.people)
_EXPIRE = delete(Crowd).where(Crowd.last_s < bindparam("before_s", type_=Float(53)))


class Comer(NamedTuple):
    """A person who comes to a project from a network for the first time."""

    project_id: int
    network: str
    at: datetime


async def count_comers(connection: AsyncConnection, comers: Sequence[Comer]) -> list[float]:
    """Count people into their crowds, in one statement; give the share of each that counts, in their order."""
    if not comers:
        return []
    new = Counter((comer.project_id, comer.network) for comer in comers)
    latest = {(comer.project_id, comer.network): comer.at.timestamp() for comer in sorted(comers, key=lambda c: c.at)}
    rows = [(*crowd, float(people), latest[crowd]) for crowd, people in sorted(new.items())]
    written = await connection.execute(_ADD, {"rows": rows})
    before = {(row.project_id, row.network): row.people - new[row.project_id, row.network] for row in written}
    return list(_shares(comers, before))


def _shares(comers: Iterable[Comer], before: dict[tuple[int, str], float]) -> Iterable[float]:
    for comer in comers:
        before[comer.project_id, comer.network] += 1
        yield share(before[comer.project_id, comer.network])


def share(place: float) -> float:
    """Give how much the n-th person of a crowd counts: the first `FREE` in full, then FREE/n squared.

    So the whole crowd never counts more than about twice `FREE`, however many they are.
    """
    return 1.0 if place <= FREE else (FREE / place) ** 2


async def expire_crowds(database: Database, at: datetime) -> None:
    """Forget the crowds that nobody has joined for `KEPT_S`."""
    async with database.write() as connection:
        await connection.execute(_EXPIRE, {"before_s": at.timestamp() - KEPT_S})
