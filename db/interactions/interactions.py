"""Who did what with which project: raw events, and all that follows from them in the same transaction.

An event enters `interactions` once. What it says is gathered in `engagement` (one row for each actor and project),
in `likes`, `saves` and `dismissals`, in the two counters of the project and in its pulse. Every writer locks in one
order, actors before projects before the rest, each by id, so that concurrent batches wait for each other and never
block each other.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable
from sqlalchemy.sql.dml import Insert

from db.actors.users import raise_versions
from db.database.batches import batch, columns_of, insert_batch
from db.database.column_types import IntegerList, in_list
from db.errors import InvalidRecord
from db.interactions.engagement import apply_engagement, remove_engagement_kind
from db.interactions.new_interaction import NewInteraction, Pair
from db.interactions.project_counters import ProjectCounts, add_counts, lock_projects
from db.models import (
    Actor,
    Base,
    Dismissal,
    EngagementKind,
    Interaction,
    InteractionType,
    Like,
    OutboxKind,
    Save,
    now,
)
from db.outbox import enqueue

__all__ = [
    "MAX_POSITION",
    "NewInteraction",
    "dismiss",
    "interaction_identity",
    "like",
    "lock_actors",
    "record_interactions",
    "record_new_interactions",
    "save",
    "undo_dismissal",
    "unlike",
    "unsave",
    "validate_positions",
]

MAX_POSITION = 2**31 - 1
MAX_ID = 2**63 - 1


_LOCK_ACTORS = (
    select(Actor.id)
    .where(in_list(Actor.id, bindparam("ids", type_=IntegerList())))
    .order_by(Actor.id)
    .with_for_update(key_share=True)
)
_INSERT = (
    insert_batch(
        Interaction, "actor_id", "project_id", "type", "at", "feed_kind", "position", "snapshot_id", "session_key",
        "recorded_at",
    )
    .on_conflict_do_nothing()
    .returning(Interaction.actor_id, Interaction.project_id, Interaction.type, Interaction.at)
)  # fmt: skip

_pairs = batch(columns_of(Like, "actor_id", "project_id")).subquery("pairs")
_LIKED = select(Like.actor_id, Like.project_id).join(
    _pairs, (_pairs.c.actor_id == Like.actor_id) & (_pairs.c.project_id == Like.project_id)
)


def _earliest(model: type[Base], *names: str) -> Insert:
    """Insert rows that say since when; where there is one, the earlier time stays, whatever the order of arrival."""
    statement = insert_batch(model, "actor_id", "project_id", "created_at", *names)
    table = model.__table__
    earlier = statement.excluded.created_at < table.c.created_at
    return statement.on_conflict_do_update(
        index_elements=["actor_id", "project_id"], set_={"created_at": statement.excluded.created_at}, where=earlier
    )


_KEEP: dict[InteractionType, Insert] = {
    InteractionType.LIKE: _earliest(Like),
    InteractionType.SAVE: _earliest(Save),
    InteractionType.DISMISS: _earliest(Dismissal),
}


def _taken_back(model: Any) -> Executable:
    where = (model.actor_id == bindparam("actor_id"), model.project_id == bindparam("project_id"))
    return delete(model).where(*where).returning(model.project_id)


_UNLIKE = _taken_back(Like)
_UNSAVE = _taken_back(Save)
_UNDO_DISMISSAL = _taken_back(Dismissal)
_IS_KEPT = {
    type_: select(model.actor_id).where(
        model.actor_id == bindparam("actor_id"), model.project_id == bindparam("project_id")
    )
    for type_, model in (
        (InteractionType.LIKE, Like),
        (InteractionType.SAVE, Save),
        (InteractionType.DISMISS, Dismissal),
    )
}
_SET_REASON = (
    update(Dismissal)
    .where(Dismissal.actor_id == bindparam("actor"), Dismissal.project_id == bindparam("project"))
    .values(reason_id=bindparam("reason", type_=Dismissal.reason_id.type))
)


async def record_interactions(connection: AsyncConnection, events: Sequence[NewInteraction]) -> int:
    """Write events as `record_new_interactions` does; give how many were new."""
    return len(await record_new_interactions(connection, events))


async def record_new_interactions(
    connection: AsyncConnection, events: Sequence[NewInteraction]
) -> list[NewInteraction]:
    """Write events, up to about 5,000 a call, in a constant number of statements; give those that were new.

    An event that is there already is ignored, and one whose actor or project does not exist (any more) is left out.
    Each actor with a new event gets a higher version, once, and its profile goes into the outbox; being shown
    something (an impression) is no act and does neither.

    Raises
    ------
    InvalidRecord
        If a position is negative or above 2**31 - 1.
    """
    validate_positions(events)
    given = await _existing(connection, events)
    if not given:
        return []
    new = await _insert(connection, given)
    await _apply(connection, new)
    return new


async def like(
    connection: AsyncConnection,
    actor_id: int,
    project_id: int,
    at: datetime,
    *,
    weight: float = 1.0,
    network: str | None = None,
) -> bool:
    """Let an actor like a project; give whether that changed anything. `weight` and `network` as in `NewInteraction`."""
    event = NewInteraction(actor_id, project_id, InteractionType.LIKE, at, weight=weight, network=network)
    return await _keep(connection, event)


async def unlike(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
    """Take a like back; give whether there was one. The raw event stays: it did happen."""
    if not await _take_back(connection, _UNLIKE, actor_id, project_id):
        return False
    await add_counts(connection, {project_id: ProjectCounts(likes=-1)})
    await remove_engagement_kind(connection, actor_id, project_id, EngagementKind.LIKE)
    return True


async def save(
    connection: AsyncConnection,
    actor_id: int,
    project_id: int,
    at: datetime,
    *,
    weight: float = 1.0,
    network: str | None = None,
) -> bool:
    """Let an actor keep a project for later; give whether that changed anything. As `like`."""
    event = NewInteraction(actor_id, project_id, InteractionType.SAVE, at, weight=weight, network=network)
    return await _keep(connection, event)


async def unsave(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
    """Take a save back; give whether there was one."""
    if not await _take_back(connection, _UNSAVE, actor_id, project_id):
        return False
    await remove_engagement_kind(connection, actor_id, project_id, EngagementKind.SAVE)
    return True


async def dismiss(
    connection: AsyncConnection, actor_id: int, project_id: int, at: datetime, reason_id: str | None = None
) -> bool:
    """Let an actor not see a project any more; give whether that changed anything.

    Parameters
    ----------
    reason_id
        The id of the reason that the actor found wrong, if any; that of the first dismissal stays.
    """
    event = NewInteraction(actor_id, project_id, InteractionType.DISMISS, at)
    if not await _keep(connection, event):
        return False
    if reason_id is not None:
        await connection.execute(_SET_REASON, {"actor": actor_id, "project": project_id, "reason": reason_id})
    return True


async def undo_dismissal(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
    """Let a dismissed project come back; give whether it was dismissed."""
    return await _take_back(connection, _UNDO_DISMISSAL, actor_id, project_id)


# --- a batch of events ---------------------------------------------------------------------------------------------


def validate_positions(events: Sequence[NewInteraction]) -> None:
    """Refuse a position that no feed has."""
    for index, event in enumerate(events):
        if event.position is not None and not 0 <= event.position <= MAX_POSITION:
            raise InvalidRecord(
                f"position must be from 0 to {MAX_POSITION}, not {event.position}", (index, "position")
            )  # fmt: skip


async def _existing(connection: AsyncConnection, events: Sequence[NewInteraction]) -> list[NewInteraction]:
    """Keep the events whose actor and project exist, each identity once, and lock those actors and projects."""
    possible = [event for event in events if _may_exist(event.actor_id, event.project_id)]
    if not possible:
        return []
    actors = await lock_actors(connection, {event.actor_id for event in possible})
    projects = await lock_projects(connection, {event.project_id for event in possible})
    once = {interaction_identity(event): event for event in reversed(possible)}
    return [
        once[interaction_identity] for interaction_identity in sorted(once) if interaction_identity[0] in actors and interaction_identity[1] in projects
    ]  # fmt: skip


def _may_exist(*ids: int) -> bool:
    """Tell whether these fit into a key; a driver refuses a number that does not."""
    return all(0 < id_ <= MAX_ID for id_ in ids)


def interaction_identity(event: NewInteraction) -> tuple[int, int, str, datetime]:
    """Give what makes two events the same."""
    return event.actor_id, event.project_id, event.type.value, event.at


async def lock_actors(connection: AsyncConnection, ids: Iterable[int]) -> set[int]:
    """Lock these actors in the order of their ids until the transaction ends; give those that exist."""
    return set(await connection.scalars(_LOCK_ACTORS, {"ids": sorted(set(ids))}))


async def _insert(connection: AsyncConnection, events: Sequence[NewInteraction]) -> list[NewInteraction]:
    at = now()
    rows = [
        (e.actor_id, e.project_id, e.type.value, e.at, e.feed_kind, e.position, e.snapshot_id, e.session_key, at)
        for e in events
    ]
    inserted = {tuple(row) for row in await connection.execute(_INSERT, {"rows": rows})}
    return [event for event in events if interaction_identity(event) in inserted]


async def _apply(connection: AsyncConnection, events: Sequence[NewInteraction]) -> None:
    """Bring engagement, what is kept, the counters and the actors up to date with these new events."""
    await apply_engagement(connection, events)
    likes = await _new_likes(connection, events)
    for type_ in _KEEP:
        await _keep_since(connection, type_, [event for event in events if event.type is type_])
    await _count(connection, likes, [event for event in events if event.type is InteractionType.VIEW])
    acted = {event.actor_id for event in events if event.type is not InteractionType.IMPRESSION}
    await raise_versions(connection, acted)
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id) for actor_id in acted])


async def _new_likes(connection: AsyncConnection, events: Iterable[NewInteraction]) -> set[Pair]:
    """Give those who like what they have not liked before. Their actors are locked, so nobody else adds a like."""
    likes = {(event.actor_id, event.project_id) for event in events if event.type is InteractionType.LIKE}
    if not likes:
        return set()
    there = await connection.execute(_LIKED, {"rows": sorted(likes)})
    return likes - {(row.actor_id, row.project_id) for row in there}


async def _keep_since(connection: AsyncConnection, type_: InteractionType, events: Iterable[NewInteraction]) -> None:
    since: dict[Pair, datetime] = {}
    for event in events:
        pair = event.actor_id, event.project_id
        since[pair] = min(event.at, since.get(pair, event.at))
    if since:
        await connection.execute(_KEEP[type_], {"rows": [(*pair, at) for pair, at in sorted(since.items())]})


async def _count(connection: AsyncConnection, likes: Iterable[Pair], views: Iterable[NewInteraction]) -> None:
    moves: dict[int, ProjectCounts] = {}
    for _, project_id in likes:
        counts = moves.get(project_id, ProjectCounts())
        moves[project_id] = counts._replace(likes=counts.likes + 1)
    for event in views:
        counts = moves.get(event.project_id, ProjectCounts())
        moves[event.project_id] = counts._replace(views=counts.views + 1)
    await add_counts(connection, moves)


# --- one act -------------------------------------------------------------------------------------------------------


async def _keep(connection: AsyncConnection, event: NewInteraction) -> bool:
    """Make a like, a save or a dismissal, unless there is one. One taken back may come again at the same moment."""
    given = await _existing(connection, [event])
    pair = {"actor_id": event.actor_id, "project_id": event.project_id}
    if not given or (await connection.execute(_IS_KEPT[event.type], pair)).first() is not None:
        return False
    await _insert(connection, given)
    await _apply(connection, given)
    return True


async def _take_back(connection: AsyncConnection, statement: Executable, actor_id: int, project_id: int) -> bool:
    if not _may_exist(actor_id, project_id):
        return False
    await lock_actors(connection, [actor_id])
    await lock_projects(connection, [project_id])
    deleted = await connection.execute(statement, {"actor_id": actor_id, "project_id": project_id})
    if deleted.first() is None:
        return False
    await raise_versions(connection, [actor_id])
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id)])
    return True
