"""Events as clients send them: often twice, and by people who press a button again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.batches import batch, columns_of, insert_batch
from db.database.column_types import BigIntId, UtcDateTime
from db.interactions.interactions import interaction_identity, lock_actors, record_new_interactions, validate_positions
from db.interactions.new_interaction import NewInteraction
from db.models import EventId, Interaction, now

DUPLICATE_WINDOW = timedelta(minutes=5)
"""The same thing again within this time is the same thing: a reload, a double click, a list scrolled back."""

_REMEMBER = (
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
    # The bounds of the whole call: PostgreSQL need not look into every month.
    .where(
        Interaction.at > bindparam("least", type_=UtcDateTime()),
        Interaction.at < bindparam("most", type_=UtcDateTime()),
    )
)


async def record_client_interactions(
    connection: AsyncConnection, events: Sequence[NewInteraction], ids: Sequence[str | None] | None = None
) -> list[bool]:
    """Write events as clients send them: often twice, and by people who press a button again.

    Left out are those whose id the actor has sent before, and those that say the same of the same project within
    `DUPLICATE_WINDOW` of another; the earliest of a call counts. A constant number of statements.

    Parameters
    ----------
    ids
        The client's own id of each event, None for none.

    Returns
    -------
    Whether each event is new, in order.

    Raises
    ------
    InvalidRecord
        As `record_new_interactions`.
    """
    validate_positions(events)
    await lock_actors(connection, {event.actor_id for event in events})
    fresh = await _not_sent_before(connection, events, ids or [None] * len(events))
    apart = await _apart(connection, events, fresh)
    new = await record_new_interactions(connection, [events[place] for place in apart])
    written = {interaction_identity(event) for event in new}
    told = set(apart)
    return [place in told and interaction_identity(event) in written for place, event in enumerate(events)]


async def _not_sent_before(
    connection: AsyncConnection, events: Sequence[NewInteraction], ids: Sequence[str | None]
) -> list[int]:
    """Give the places of the events whose id is new, or that have none; and remember those ids."""
    first: dict[tuple[int, str], int] = {}
    for place, (event, id_) in enumerate(zip(events, ids, strict=True)):
        if id_ is not None:
            first.setdefault((event.actor_id, id_), place)
    if not first:
        return list(range(len(events)))
    rows = [(*mark, now()) for mark in sorted(first)]
    new = {(row.actor_id, row.event_id) for row in await connection.execute(_REMEMBER, {"rows": rows})}
    return [
        place
        for place, (event, id_) in enumerate(zip(events, ids, strict=True))
        if id_ is None or (first[event.actor_id, id_] == place and (event.actor_id, id_) in new)
    ]


async def _apart(connection: AsyncConnection, events: Sequence[NewInteraction], places: Sequence[int]) -> list[int]:
    """Give those places whose event is `DUPLICATE_WINDOW` away from any like it, in this call and in the truth."""
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
