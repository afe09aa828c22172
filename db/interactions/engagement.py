"""Engagement: one row for each actor and project, and what its first moment says to the project's pulse."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import batch, columns_of, insert_batch
from db.interactions.decayed_counters import FirstEngagement, add_first_engagements
from db.interactions.network_cap import NetworkActor, count_network_actors
from db.interactions.new_interaction import NewInteraction, Pair
from db.models import ENGAGEMENT_BIT, Engagement, EngagementKind


class _Engaged(NamedTuple):
    """What new events add to one row of `Engagement`; `network` is that of its first event."""

    first_at: datetime
    last_at: datetime
    kinds: int
    weight: float
    network: str | None


class _First(NamedTuple):
    """The first engagement of an actor with a project, as the truth has it."""

    at: datetime
    weight: float


_engaged = insert_batch(Engagement, "actor_id", "project_id", "first_at", "last_at", "kinds", "weight")
_ENGAGE = _engaged.on_conflict_do_update(
    index_elements=["actor_id", "project_id"],
    set_={
        "first_at": case(
            (_engaged.excluded.first_at < Engagement.first_at, _engaged.excluded.first_at), else_=Engagement.first_at
        ),
        "last_at": case(
            (_engaged.excluded.last_at > Engagement.last_at, _engaged.excluded.last_at), else_=Engagement.last_at
        ),
        "kinds": Engagement.kinds.bitwise_or(_engaged.excluded.kinds),
    },
)
_pairs = batch(columns_of(Engagement, "actor_id", "project_id")).subquery("pairs")
_FIRSTS = select(Engagement.actor_id, Engagement.project_id, Engagement.first_at, Engagement.weight).join(
    _pairs, (_pairs.c.actor_id == Engagement.actor_id) & (_pairs.c.project_id == Engagement.project_id)
)

_ENGAGED_PAIR = (Engagement.actor_id == bindparam("actor"), Engagement.project_id == bindparam("project"))
_CLEAR_BIT = (
    update(Engagement)
    .where(*_ENGAGED_PAIR)
    .values(kinds=Engagement.kinds.bitwise_and(bindparam("mask", type_=Engagement.kinds.type)))
)
_DROP_EMPTY = (
    delete(Engagement).where(*_ENGAGED_PAIR, Engagement.kinds == 0).returning(Engagement.first_at, Engagement.weight)
)


async def apply_engagement(connection: AsyncConnection, events: Iterable[NewInteraction]) -> None:
    """Gather events in the rows of their actors and projects, which must be locked, and tell the pulses who is new."""
    engaged = _gathered(events)
    if not engaged:
        return
    there = await connection.execute(_FIRSTS, {"rows": sorted(engaged)})
    known = {(row.actor_id, row.project_id): _First(row.first_at, row.weight) for row in there}
    weights = await _weights(connection, {pair: one for pair, one in engaged.items() if pair not in known})
    rows = [(*pair, *one[:3], weights.get(pair, one.weight)) for pair, one in sorted(engaged.items())]
    await connection.execute(_ENGAGE, {"rows": rows})
    await add_first_engagements(connection, _arrivals(engaged, known, weights))


def _gathered(events: Iterable[NewInteraction]) -> dict[Pair, _Engaged]:
    engaged: dict[Pair, _Engaged] = {}
    for event in events:
        bit = ENGAGEMENT_BIT.get(event.type)
        if bit is None:
            continue
        pair = event.actor_id, event.project_id
        one = engaged.get(pair)
        if one is None:
            engaged[pair] = _Engaged(event.at, event.at, int(bit), event.weight, event.network)
            continue
        weight, network = (event.weight, event.network) if event.at < one.first_at else one[3:]
        engaged[pair] = _Engaged(
            min(one.first_at, event.at), max(one.last_at, event.at), one.kinds | int(bit), weight, network
        )
    return engaged


async def _weights(connection: AsyncConnection, new: Mapping[Pair, _Engaged]) -> dict[Pair, float]:
    """Give what each new pair counts: the more came to the project from one network lately, the less."""
    network_actors = [
        NetworkActor(pair[1], one.network, one.first_at) for pair, one in new.items() if one.network is not None
    ]
    shares = iter(await count_network_actors(connection, network_actors))
    return {pair: one.weight * (1.0 if one.network is None else next(shares)) for pair, one in new.items()}


def _arrivals(
    engaged: Mapping[Pair, _Engaged], known: Mapping[Pair, _First], weights: Mapping[Pair, float]
) -> Iterator[FirstEngagement]:
    """Tell the pulses who is new, and whose first engagement turned out to be earlier."""
    for pair, one in engaged.items():
        first = known.get(pair)
        if first is None:
            yield FirstEngagement(pair[1], one.first_at, weights[pair])
        elif one.first_at < first.at:
            yield FirstEngagement(pair[1], first.at, -first.weight)
            yield FirstEngagement(pair[1], one.first_at, first.weight)


async def remove_engagement_kind(
    connection: AsyncConnection, actor_id: int, project_id: int, bit: EngagementKind
) -> None:
    """Forget one kind of engagement; where none is left there was no engagement."""
    pair = {"actor": actor_id, "project": project_id}
    await connection.execute(_CLEAR_BIT, pair | {"mask": ~int(bit)})
    for row in await connection.execute(_DROP_EMPTY, pair):
        await add_first_engagements(connection, [FirstEngagement(project_id, row.first_at, -row.weight)])
