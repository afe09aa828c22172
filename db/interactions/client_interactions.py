"""Interactions as clients send them: with repeated requests and repeated clicks."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import lock_actors
from db.database.batches import batch, columns_of, insert_batch
from db.database.column_types import BigIntId, UtcDateTime
from db.interactions.engagement import NewInteraction
from db.interactions.interactions import interaction_identity, record_new_interactions, validate_positions
from db.models import EventId, Interaction, now

DUPLICATE_WINDOW = timedelta(minutes=5)
"""The same interaction within this time counts once: a reload, a double click, a list scrolled back."""

_INSERT_IDS = (
    insert_batch(EventId, "actor_id", "event_id", "recorded_at")
    .on_conflict_do_nothing()
    .returning(EventId.actor_id, EventId.event_id)
)
_windows = batch(
    {"place": BigIntId, **columns_of(Interaction, "actor_id", "project_id", "type"), "low": UtcDateTime(),
     "high": UtcDateTime()}
).subquery("windows")  # fmt: skip
_SAME = (
    select(_windows.c.place)
    .join(
        Interaction,
        (Interaction.actor_id == _windows.c.actor_id)
        & (Interaction.project_id == _windows.c.project_id)
        & (Interaction.type == _windows.c.type)
        & (Interaction.at > _windows.c.low)
        & (Interaction.at < _windows.c.high),
    )
    # The bounds of the whole call let PostgreSQL skip partitions.
    .where(
        Interaction.at > bindparam("least", type_=UtcDateTime()),
        Interaction.at < bindparam("most", type_=UtcDateTime()),
    )
)


async def record_client_interactions(
    connection: AsyncConnection, events: Sequence[NewInteraction], ids: Sequence[str | None] | None = None
) -> list[bool]:
    """Record events without duplicates, in a constant number of statements; return for each whether it is new.

    Left out are events whose id the actor has sent before, and events of the same type on the same project within
    `DUPLICATE_WINDOW` of another; the earliest of a call counts. `ids` are the client's own ids, None for none. Raises
    `InvalidRecord` as `record_new_interactions`.
    """
    validate_positions(events)
    await lock_actors(connection, {event.actor_id for event in events})
    fresh = await _with_new_id(connection, events, ids or [None] * len(events))
    apart = await _without_duplicates(connection, events, fresh)
    new = await record_new_interactions(connection, [events[place] for place in apart])
    written = {interaction_identity(event) for event in new}
    kept = set(apart)
    return [place in kept and interaction_identity(event) in written for place, event in enumerate(events)]


async def _with_new_id(
    connection: AsyncConnection, events: Sequence[NewInteraction], ids: Sequence[str | None]
) -> list[int]:
    """Store the ids; return the indexes of the events whose id is new, or that have none."""
    first: dict[tuple[int, str], int] = {}
    for place, (event, id_) in enumerate(zip(events, ids, strict=True)):
        if id_ is not None:
            first.setdefault((event.actor_id, id_), place)
    if not first:
        return list(range(len(events)))
    rows = [(*mark, now()) for mark in sorted(first)]
    new = {(row.actor_id, row.event_id) for row in await connection.execute(_INSERT_IDS, {"rows": rows})}
    return [
        place
        for place, (event, id_) in enumerate(zip(events, ids, strict=True))
        if id_ is None or (first[event.actor_id, id_] == place and (event.actor_id, id_) in new)
    ]


async def _without_duplicates(
    connection: AsyncConnection, events: Sequence[NewInteraction], places: Sequence[int]
) -> list[int]:
    """Return the indexes of the events without an equal one within `DUPLICATE_WINDOW`, in the call or stored."""
    last: dict[tuple[int, int, str], datetime] = {}
    kept: list[int] = []
    for place in sorted(places, key=lambda place: events[place].at):
        event = events[place]
        same = event.actor_id, event.project_id, event.type.value
        if same not in last or event.at - last[same] >= DUPLICATE_WINDOW:
            last[same] = event.at
            kept.append(place)
    if not kept:
        return []
    rows = [_window(place, events[place]) for place in kept]
    times = {"least": min(row[4] for row in rows), "most": max(row[5] for row in rows)}
    there = {row.place for row in await connection.execute(_SAME, {"rows": rows, **times})}
    return [place for place in sorted(kept) if place not in there]


def _window(place: int, event: NewInteraction) -> tuple[int, int, int, str, datetime, datetime]:
    low, high = event.at - DUPLICATE_WINDOW, event.at + DUPLICATE_WINDOW
    return place, event.actor_id, event.project_id, event.type.value, low, high
