"""Writes of interactions: events and all data derived from them, in one transaction.

The transaction that stores an event also updates `engagement`, `likes`, `saves`, `dismissals`, the like and view
counters, and the decayed counters. All writers lock in one order (actors, projects, other rows; by id), so that
concurrent batches do not deadlock.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import Insert

from db.actors.users import lock_actors, mark_profiles_changed
from db.database.batches import batch, columns_of, insert_batch
from db.errors import InvalidRecord
from db.interactions.engagement import NewInteraction, Pair, apply_engagement, remove_engagement_kind
from db.interactions.project_counters import ProjectCounts, add_counts, lock_projects
from db.models import ENGAGEMENT_BIT, Dismissal, Interaction, InteractionType, Like, Save, now

__all__ = [
    "MAX_POSITION", "NewInteraction", "dismiss", "interaction_identity", "record_interactions", "remove_state",
    "set_state", "validate_positions",
]  # fmt: skip

MAX_POSITION = 2**31 - 1
MAX_ID = 2**63 - 1

_INSERT = (
    insert_batch(
        Interaction, "actor_id", "project_id", "type", "at", "feed_kind", "position", "snapshot_id", "session_key",
        "recorded_at", "value",
    )
    .on_conflict_do_nothing()
    .returning(Interaction.actor_id, Interaction.project_id, Interaction.type, Interaction.at)
)  # fmt: skip
_pairs = batch(columns_of(Like, "actor_id", "project_id")).subquery("pairs")
_LIKED = select(Like.actor_id, Like.project_id).join(
    _pairs, (_pairs.c.actor_id == Like.actor_id) & (_pairs.c.project_id == Like.project_id)
)

_STATES: Mapping[str, Any] = {
    InteractionType.LIKE: Like,
    InteractionType.SAVE: Save,
    InteractionType.DISMISS: Dismissal,
}
"""Models of states that actors can set and remove, by the interaction that sets the state."""


def _insert_state(model: Any) -> Insert:
    """Return an insert of a batch of states. If a state exists, the earlier of both times is stored."""
    statement = insert_batch(model, "actor_id", "project_id", "created_at")
    new = statement.excluded.created_at
    earlier = new < model.created_at
    return statement.on_conflict_do_update(
        index_elements=["actor_id", "project_id"], set_={"created_at": new}, where=earlier
    )


def _is_pair(model: Any) -> tuple[Any, Any]:
    return model.actor_id == bindparam("actor"), model.project_id == bindparam("project")


_INSERT_STATE = {type_: _insert_state(model) for type_, model in _STATES.items()}
_FIND_STATE = {type_: select(model.actor_id).where(*_is_pair(model)) for type_, model in _STATES.items()}
_DELETE_STATE = {
    type_: delete(model).where(*_is_pair(model)).returning(model.project_id) for type_, model in _STATES.items()
}
_REASON = bindparam("reason", type_=Dismissal.reason_id.type)
_SET_REASON = update(Dismissal).where(*_is_pair(Dismissal)).values(reason_id=_REASON)


async def record_interactions(connection: AsyncConnection, events: Sequence[NewInteraction]) -> list[NewInteraction]:
    """Record up to about 5,000 events in a constant number of statements; return the new events.

    Events that are stored already, and events of an unknown actor or project, are ignored. For each actor with a new
    event other than an impression, the version is increased once and the index document is enqueued.

    Raises `InvalidRecord` if a position is negative or above 2**31 - 1.
    """
    validate_positions(events)
    existing_events, users = await _lock(connection, events)
    if not existing_events:
        return []
    new_events = await _insert(connection, existing_events)
    await _apply(connection, new_events, users)
    return new_events


async def set_state(connection: AsyncConnection, event: NewInteraction) -> bool:
    """Set the like, save or dismissal of an event; return False if it is set already.

    A removed state can be set again with the same timestamp.
    """
    existing_events, users = await _lock(connection, [event])
    pair = {"actor": event.actor_id, "project": event.project_id}
    if not existing_events or (await connection.execute(_FIND_STATE[event.type], pair)).first() is not None:
        return False
    await _insert(connection, existing_events)
    await _apply(connection, existing_events, users)
    return True


async def remove_state(connection: AsyncConnection, actor_id: int, project_id: int, type_: InteractionType) -> bool:
    """Remove a like, save or dismissal; return whether it existed. The event is kept."""
    if not _are_valid_ids(actor_id, project_id):
        return False
    actors = await lock_actors(connection, [actor_id])
    await lock_projects(connection, [project_id])
    deleted = await connection.execute(_DELETE_STATE[type_], {"actor": actor_id, "project": project_id})
    if deleted.first() is None:
        return False
    if type_ is InteractionType.LIKE and actors[actor_id]:
        await add_counts(connection, {project_id: ProjectCounts(likes=-1)})
    if kind := ENGAGEMENT_BIT.get(type_):
        await remove_engagement_kind(connection, actor_id, project_id, kind)
    await mark_profiles_changed(connection, [actor_id])
    return True


async def dismiss(
    connection: AsyncConnection, actor_id: int, project_id: int, at: datetime, reason_id: str | None = None
) -> bool:
    """Hide a project from an actor's feeds; return False if it is already dismissed.

    `reason_id` is the reason that the viewer gave, if any. It is not changed by a second dismissal.
    """
    if not await set_state(connection, NewInteraction(actor_id, project_id, InteractionType.DISMISS, at)):
        return False
    if reason_id is not None:
        await connection.execute(_SET_REASON, {"actor": actor_id, "project": project_id, "reason": reason_id})
    return True


def validate_positions(events: Sequence[NewInteraction]) -> None:
    """Raise `InvalidRecord` for a negative or too large position."""
    for index, event in enumerate(events):
        if event.position is not None and not 0 <= event.position <= MAX_POSITION:
            message = f"position must be from 0 to {MAX_POSITION}, not {event.position}"
            raise InvalidRecord(message, (index, "position"))


def interaction_identity(event: NewInteraction) -> tuple[int, int, str, datetime]:
    """Return the primary key of an event."""
    return event.actor_id, event.project_id, str(event.type), event.at


async def _lock(connection: AsyncConnection, events: Sequence[NewInteraction]) -> tuple[list[NewInteraction], set[int]]:
    """Lock actors and projects.

    Returns the events whose actor and project exist, without repeated identities, and the actors that are users.
    """
    valid_events = [event for event in events if _are_valid_ids(event.actor_id, event.project_id)]
    if not valid_events:
        return [], set()
    actors = await lock_actors(connection, {event.actor_id for event in valid_events})
    projects = await lock_projects(connection, {event.project_id for event in valid_events})
    event_by_identity = {interaction_identity(event): event for event in reversed(valid_events)}
    keys = [key for key in sorted(event_by_identity) if key[0] in actors and key[1] in projects]
    return [event_by_identity[key] for key in keys], {id_ for id_, is_user in actors.items() if is_user}


def _are_valid_ids(*ids: int) -> bool:
    """Return whether ids are in the range of the id type. The database drivers raise errors for ids outside of it."""
    return all(0 < id_ <= MAX_ID for id_ in ids)


async def _insert(connection: AsyncConnection, events: Sequence[NewInteraction]) -> list[NewInteraction]:
    at = now()
    rows = [
        (*interaction_identity(e), e.feed_kind, e.position, e.snapshot_id, e.session_key, at, e.value) for e in events
    ]
    inserted_identities = {tuple(row) for row in await connection.execute(_INSERT, {"rows": rows})}
    return [event for event in events if interaction_identity(event) in inserted_identities]


async def _apply(connection: AsyncConnection, events: Sequence[NewInteraction], users: Set[int]) -> None:
    """Update engagement, states, counters and actor versions with new events. Only likes of `users` are counted."""
    await apply_engagement(connection, events)
    likes = await _new_likes(connection, events)
    for type_ in _STATES:
        await _insert_states(connection, type_, [event for event in events if event.type == type_])
    like_counts = Counter(project_id for actor_id, project_id in likes if actor_id in users)
    view_counts = Counter(event.project_id for event in events if event.type == InteractionType.VIEW)
    changes = {
        id_: ProjectCounts(like_counts[id_], view_counts[id_]) for id_ in like_counts.keys() | view_counts.keys()
    }
    await add_counts(connection, changes)
    await mark_profiles_changed(
        connection, {event.actor_id for event in events if event.type != InteractionType.IMPRESSION}
    )


async def _new_likes(connection: AsyncConnection, events: Iterable[NewInteraction]) -> set[Pair]:
    """Return the newly liked pairs. Their actors are locked, so no other transaction adds a like."""
    likes = {(event.actor_id, event.project_id) for event in events if event.type == InteractionType.LIKE}
    if not likes:
        return set()
    stored = await connection.execute(_LIKED, {"rows": sorted(likes)})
    return likes - {(row.actor_id, row.project_id) for row in stored}


async def _insert_states(connection: AsyncConnection, type_: str, events: Iterable[NewInteraction]) -> None:
    earliest_times: dict[Pair, datetime] = {}
    for event in events:
        pair = event.actor_id, event.project_id
        earliest_times[pair] = min(event.at, earliest_times.get(pair, event.at))
    if earliest_times:
        rows = [(*pair, at) for pair, at in sorted(earliest_times.items())]
        await connection.execute(_INSERT_STATE[type_], {"rows": rows})
