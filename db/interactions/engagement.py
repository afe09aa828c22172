"""Updates of `engagement`, the aggregate of interactions by actor and project."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import prod
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import batch, columns_of, insert_batch
from db.database.column_types import UNKNOWN_TIME, greatest, least
from db.interactions.decayed_counters import FirstEngagement, add_first_engagements
from db.interactions.network_cap import BURST, GroupActor, count_group_actors
from db.models import ENGAGEMENT_BIT, Engagement, EngagementKind, FeedKind, now


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """An interaction to record, identified by (actor, project, type, at).

    A platform's own type has a name for `type`. Its `custom_kind` is the bit of `Engagement.kinds` if the interaction
    counts as engagement, and otherwise 0.
    """

    actor_id: int
    project_id: int
    type: str
    at: datetime = UNKNOWN_TIME
    feed_kind: FeedKind | None = None
    position: int | None = None  # rank in the feed, from 0
    snapshot_id: str | None = None
    session_key: str | None = None
    weight: float = 1.0  # weight in the decayed counters if this is the first engagement; 0 to 1
    value: float | None = None
    custom_kind: int = 0
    strength: float = 1.0  # factor of `weight` by the type of interaction, 0 to 1
    groups: tuple[str, ...] = ()  # groups that cap the weight (`db.interactions.network_cap`)


Pair = tuple[int, int]
"""The ids of an actor and a project."""


class _NewEngagement(NamedTuple):
    """The aggregate of the new events of one pair.

    It has the `weight` and `groups` of the first event, and the highest `strength`.
    """

    first_at: datetime
    last_at: datetime
    kinds: int
    strength: float
    weight: float
    groups: tuple[str, ...]


def _if_counted(merged: Any, new: Any) -> Any:
    """Return the merged value, or the new one if the stored row has only types that are no longer configured."""
    return case((Engagement.kinds > 0, merged), else_=new)


_insert = insert_batch(Engagement, "actor_id", "project_id", "first_at", "last_at", "kinds", "strength", "weight")
_inserted = _insert.excluded
_UPSERT = _insert.on_conflict_do_update(
    index_elements=["actor_id", "project_id"],
    set_={
        "first_at": _if_counted(least(_inserted.first_at, Engagement.first_at), _inserted.first_at),
        "last_at": greatest(_inserted.last_at, Engagement.last_at),
        "kinds": Engagement.kinds.bitwise_or(_inserted.kinds),
        "strength": _if_counted(greatest(_inserted.strength, Engagement.strength), _inserted.strength),
        "weight": _if_counted(
            Engagement.weight * greatest(_inserted.strength / Engagement.strength, 1.0), _inserted.weight
        ),
    },
)
_pairs = batch(columns_of(Engagement, "actor_id", "project_id")).subquery("pairs")
_FIRST_ENGAGEMENTS = select(
    Engagement.actor_id, Engagement.project_id, Engagement.first_at, Engagement.weight, Engagement.strength
).join(_pairs, (_pairs.c.actor_id == Engagement.actor_id) & (_pairs.c.project_id == Engagement.project_id))
_FIRST_ENGAGEMENTS = _FIRST_ENGAGEMENTS.where(Engagement.kinds > 0)
_IS_PAIR = (Engagement.actor_id == bindparam("actor"), Engagement.project_id == bindparam("project"))
_MASK = bindparam("mask", type_=Engagement.kinds.type)
_CLEAR_BIT = (
    update(Engagement)
    .where(*_IS_PAIR, Engagement.kinds.bitwise_and(bindparam("bit", type_=Engagement.kinds.type)) > 0)
    .values(kinds=Engagement.kinds.bitwise_and(_MASK))
    .returning(Engagement.kinds, Engagement.first_at, Engagement.weight)
)
_DELETE_EMPTY = delete(Engagement).where(*_IS_PAIR, Engagement.kinds == 0, Engagement.inactive_kinds == 0)


async def apply_engagement(connection: AsyncConnection, events: Iterable[NewInteraction]) -> None:
    """Merge events into the rows of their locked pairs, and add new pairs to the decayed counters."""
    new_engagements = _merged(events)
    if not new_engagements:
        return
    rows_of_pairs = await connection.execute(_FIRST_ENGAGEMENTS, {"rows": sorted(new_engagements)})
    stored_first_engagements = {(row.actor_id, row.project_id): row for row in rows_of_pairs}
    weights = await _weights(
        connection, {pair: new for pair, new in new_engagements.items() if pair not in stored_first_engagements}
    )
    rows = [(*pair, *new[:4], weights.get(pair, new.weight)) for pair, new in sorted(new_engagements.items())]
    await connection.execute(_UPSERT, {"rows": rows})
    await add_first_engagements(connection, _first_engagements(new_engagements, stored_first_engagements, weights))


def _merged(events: Iterable[NewInteraction]) -> dict[Pair, _NewEngagement]:
    new_engagements: dict[Pair, _NewEngagement] = {}
    for event in events:
        kind = int(ENGAGEMENT_BIT.get(event.type, event.custom_kind))  # type: ignore[call-overload]  # a StrEnum is a str
        if not kind:
            continue
        pair = event.actor_id, event.project_id
        first = event.at, event.at, 0, 0.0, event.weight, event.groups
        engagement = new_engagements.get(pair) or _NewEngagement(*first)
        weight, groups = (event.weight, event.groups) if event.at < engagement.first_at else engagement[4:]
        new_engagements[pair] = _NewEngagement(
            min(engagement.first_at, event.at),
            max(engagement.last_at, event.at),
            engagement.kinds | kind,
            max(engagement.strength, event.strength),
            weight,
            groups,
        )
    return new_engagements


async def _weights(connection: AsyncConnection, new: Mapping[Pair, _NewEngagement]) -> dict[Pair, float]:
    """Return the weight of each new pair, reduced by the caps of its groups (`db.interactions.network_cap`).

    A burst is counted at the present time, because clients choose the times of their events.
    """
    at = now()
    actors = [
        GroupActor(pair[1], group, at if group == BURST else engagement.first_at)
        for pair, engagement in new.items()
        for group in engagement.groups
    ]
    factors = iter(await count_group_actors(connection, actors))
    return {
        pair: engagement.strength * engagement.weight * prod(next(factors) for _ in engagement.groups)
        for pair, engagement in new.items()
    }


def _first_engagements(
    new_engagements: Mapping[Pair, _NewEngagement],
    stored_first_engagements: Mapping[Pair, Any],
    weights: Mapping[Pair, float],
) -> Iterator[FirstEngagement]:
    """Yield the first engagements of new pairs, and corrections of pairs that are now engaged earlier or stronger."""
    for pair, engagement in new_engagements.items():
        stored = stored_first_engagements.get(pair)
        if stored is None:
            yield FirstEngagement(pair[1], engagement.first_at, weights[pair])
        elif engagement.first_at < stored.first_at or engagement.strength > stored.strength:
            weight = stored.weight * max(engagement.strength / stored.strength, 1.0)
            yield FirstEngagement(pair[1], stored.first_at, -stored.weight)
            yield FirstEngagement(pair[1], min(engagement.first_at, stored.first_at), weight)


async def remove_engagement_kind(
    connection: AsyncConnection, actor_id: int, project_id: int, bit: EngagementKind
) -> None:
    """Remove one kind of engagement. If no kind remains, subtract it from the decayed counters and delete the row.

    A row with types that are no longer configured stays.
    """
    pair = {"actor": actor_id, "project": project_id}
    row = (await connection.execute(_CLEAR_BIT, pair | {"bit": int(bit), "mask": ~int(bit)})).first()
    if row is not None and not row.kinds:
        await connection.execute(_DELETE_EMPTY, pair)
        await add_first_engagements(connection, [FirstEngagement(project_id, row.first_at, -row.weight)])
