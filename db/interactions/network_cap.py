"""Cap on the weight of one network's new actors in a project's counters.

A network is identified by a keyed hash that the gateway computes and that changes daily. No address is passed to `db`.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import insert_batch
from db.database.column_types import greatest
from db.interactions.decayed_counters import decay_factor
from db.models import NetworkCount
from db.time_units import DAY_S

HALF_LIFE_S = DAY_S
SHARED_NETWORK = "shared"
"""The network of all addresses that are not global."""
FULL_WEIGHT_ACTORS = 3.0
"""Number of actors of one network with full weight, enough for a household or small office."""

_insert = insert_batch(NetworkCount, "project_id", "network", "actors", "as_of_s")
_later_s = greatest(_insert.excluded.as_of_s, NetworkCount.as_of_s)
_ADD = _insert.on_conflict_do_update(
    index_elements=["project_id", "network"],
    set_={
        "actors": NetworkCount.actors * decay_factor(_later_s - NetworkCount.as_of_s, HALF_LIFE_S)
        + _insert.excluded.actors,
        "as_of_s": _later_s,
    },
).returning(NetworkCount.project_id, NetworkCount.network, NetworkCount.actors)


class NetworkActor(NamedTuple):
    """A first engagement with a project, with the network of the actor."""

    project_id: int
    network: str
    at: datetime


async def count_network_actors(connection: AsyncConnection, actors: Sequence[NetworkActor]) -> list[float]:
    """Add new actors to the stored counts of their project and network. Return the weight of each actor, in order."""
    if not actors:
        return []
    new_actors = Counter((actor.project_id, actor.network) for actor in actors)
    latest = {(actor.project_id, actor.network): actor.at.timestamp() for actor in sorted(actors, key=lambda a: a.at)}
    rows = [(*network, float(count), latest[network]) for network, count in sorted(new_actors.items())]
    updated = await connection.execute(_ADD, {"rows": rows})
    counts = {(row.project_id, row.network): row.actors - new_actors[row.project_id, row.network] for row in updated}
    weights = []
    for actor in actors:
        network = actor.project_id, actor.network
        counts[network] += 1
        weights.append(network_weight(counts[network]))
    return weights


def network_weight(n: float) -> float:
    """Return the weight of the n-th actor of a network: 1 up to `FULL_WEIGHT_ACTORS`, then (`FULL_WEIGHT_ACTORS` / n)².

    The sum over all actors is less than about twice `FULL_WEIGHT_ACTORS`.
    """
    return 1.0 if n <= FULL_WEIGHT_ACTORS else (FULL_WEIGHT_ACTORS / n) ** 2
