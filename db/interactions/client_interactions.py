"""Recording of interactions that clients send, without duplicates."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import lock_actors
from db.database.batches import batch, columns_of, insert_batch
from db.database.column_types import BigIntId, UtcDateTime
from db.interactions.engagement import NewInteraction
from db.interactions.interactions import interaction_identity, record_interactions, validate_positions
from db.models import EventId, Interaction, now

DUPLICATE_WINDOW = timedelta(minutes=5)
"""Equal interactions within this time are recorded once. Examples: page reloads, double clicks, scrolling back."""

_INSERT_IDS = (
    insert_batch(EventId, "actor_id", "event_id", "recorded_at")
    .on_conflict_do_nothing()
    .returning(EventId.actor_id, EventId.event_id)
)
_windows = batch(
    {
        "event_index": BigIntId,
        **columns_of(Interaction, "actor_id", "project_id", "type", "value"),
        "after_at": UtcDateTime(),
        "before_at": UtcDateTime(),
    }
).subquery("windows")
_STORED_DUPLICATES = (
    select(_windows.c.event_index)
    .join(
        Interaction,
        (Interaction.actor_id == _windows.c.actor_id)
        & (Interaction.project_id == _windows.c.project_id)
        & (Interaction.type == _windows.c.type)
        & Interaction.value.is_not_distinct_from(_windows.c.value)
        & (Interaction.at > _windows.c.after_at)
        & (Interaction.at < _windows.c.before_at),
    )
    # Constant bounds let PostgreSQL skip partitions.
    .where(
        Interaction.at > bindparam("earliest", type_=UtcDateTime()),
        Interaction.at < bindparam("latest", type_=UtcDateTime()),
    )
)


async def record_client_interactions(
    connection: AsyncConnection, events: Sequence[NewInteraction], ids: Sequence[str | None] | None = None
) -> list[bool]:
    """Record events without duplicates, in a constant number of statements; return for each event whether it is new.

    Duplicates are events whose id the actor has sent before, and events of the same actor, project, type and value
    within `DUPLICATE_WINDOW` of each other. The earliest of them is recorded. `ids` are the client's own event ids, or
    None.

    Raises `InvalidRecord` if a position is negative or above 2**31 - 1.
    """
    validate_positions(events)
    events = list(_with_distinct_times(events))
    await lock_actors(connection, {event.actor_id for event in events})
    with_new_id = await _with_new_id(connection, events, ids or [None] * len(events))
    recorded_indexes = await _without_duplicates(connection, events, with_new_id)
    new_events = await record_interactions(connection, [events[index] for index in recorded_indexes])
    recorded_identities = {interaction_identity(event) for event in new_events}
    recorded_index_set = set(recorded_indexes)
    return [
        index in recorded_index_set and interaction_identity(event) in recorded_identities
        for index, event in enumerate(events)
    ]


def _with_distinct_times(events: Sequence[NewInteraction]) -> Iterator[NewInteraction]:
    """Shift other values of one type at one time by microseconds, because the primary key has the time and no value."""
    values: dict[tuple[int, int, str, datetime], dict[float | None, int]] = {}
    for event in events:
        shifts = values.setdefault(interaction_identity(event), {})
        yield replace(event, at=event.at + timedelta(microseconds=shifts.setdefault(event.value, len(shifts))))


async def _with_new_id(
    connection: AsyncConnection, events: Sequence[NewInteraction], ids: Sequence[str | None]
) -> list[int]:
    """Store the ids; return the indexes of the events with a new id or without an id."""
    first_index: dict[tuple[int, str], int] = {}
    for index, (event, id_) in enumerate(zip(events, ids, strict=True)):
        if id_ is not None:
            first_index.setdefault((event.actor_id, id_), index)
    if not first_index:
        return list(range(len(events)))
    rows = [(*actor_and_id, now()) for actor_and_id in sorted(first_index)]
    new_ids = {(row.actor_id, row.event_id) for row in await connection.execute(_INSERT_IDS, {"rows": rows})}
    return [
        index
        for index, (event, id_) in enumerate(zip(events, ids, strict=True))
        if id_ is None or (first_index[event.actor_id, id_] == index and (event.actor_id, id_) in new_ids)
    ]


async def _without_duplicates(
    connection: AsyncConnection, events: Sequence[NewInteraction], indexes: Sequence[int]
) -> list[int]:
    """Return the indexes of the events without an earlier or stored duplicate within `DUPLICATE_WINDOW`."""
    last_times: dict[tuple[int, int, str, float | None], datetime] = {}
    kept_indexes: list[int] = []
    for index in sorted(indexes, key=lambda index: events[index].at):
        event = events[index]
        identity = event.actor_id, event.project_id, str(event.type), event.value
        if identity not in last_times or event.at - last_times[identity] >= DUPLICATE_WINDOW:
            last_times[identity] = event.at
            kept_indexes.append(index)
    if not kept_indexes:
        return []
    rows = [
        (index, e.actor_id, e.project_id, e.type, e.value, e.at - DUPLICATE_WINDOW, e.at + DUPLICATE_WINDOW)
        for index, e in ((index, events[index]) for index in kept_indexes)
    ]
    times = {"earliest": min(row[5] for row in rows), "latest": max(row[6] for row in rows)}
    stored_indexes = {row.event_index for row in await connection.execute(_STORED_DUPLICATES, {"rows": rows, **times})}
    return [index for index in sorted(kept_indexes) if index not in stored_indexes]
