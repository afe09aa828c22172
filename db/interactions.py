"""Who did what with which project: raw events, and all that follows from them in the same transaction.

An event enters `interactions` once. What it says is gathered in `engagement` (one row for each actor and project),
in `likes`, `saves` and `dismissals`, in the two counters of the project and in its pulse. Every writer locks in one
order, actors before projects before the rest, each by id, so that concurrent batches wait for each other and never
block each other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable
from sqlalchemy.sql.dml import Insert

from db.batches import batch, columns_of, insert_batch
from db.columns import UNKNOWN_TIME, Identity, IntegerList, UtcDateTime, among
from db.counters import Counts, lock_projects, move_counts
from db.crowds import Comer, count_comers
from db.errors import InvalidRecord
from db.models import (
    ENGAGEMENT_BIT,
    Actor,
    Base,
    Dismissal,
    Engagement,
    EngagementKind,
    EventId,
    FeedKind,
    Interaction,
    InteractionType,
    Like,
    OutboxKind,
    Save,
    now,
)
from db.outbox import enqueue
from db.pulse import Arrival, add_arrivals
from db.users import raise_versions

SAME_WITHIN = timedelta(minutes=5)
"""The same thing again within this time is the same thing: a reload, a double click, a list scrolled back."""

MAX_POSITION = 2**31 - 1
MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Event:
    """One thing an actor did with a project. Its identity is (actor, project, type, at).

    Attributes
    ----------
    at
        When; `db.columns.UNKNOWN_TIME` if nobody knows.
    feed_kind, position, snapshot_id
        The feed it happened in, the rank in it from 0, and the snapshot that ranked it, if it was in one.
    session_key
        The session it happened in.
    weight
        How much its actor counts in the project's pulse if this is the first engagement of the two, 0 to 1.
    network
        A hash that the actor's network has for a day; None if it is not known, or says nothing.
    """

    actor_id: int
    project_id: int
    type: InteractionType
    at: datetime = UNKNOWN_TIME
    feed_kind: FeedKind | None = None
    position: int | None = None
    snapshot_id: str | None = None
    session_key: str | None = None
    weight: float = 1.0
    network: str | None = None


Pair = tuple[int, int]
"""An actor's id and a project's id."""


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


_LOCK_ACTORS = (
    select(Actor.id)
    .where(among(Actor.id, bindparam("ids", type_=IntegerList())))
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
_pairs = batch(columns_of(Like, "actor_id", "project_id")).subquery("pairs")
_LIKED = select(Like.actor_id, Like.project_id).join(
    _pairs, (_pairs.c.actor_id == Like.actor_id) & (_pairs.c.project_id == Like.project_id)
)
_FIRSTS = select(Engagement.actor_id, Engagement.project_id, Engagement.first_at, Engagement.weight).join(
    _pairs, (_pairs.c.actor_id == Engagement.actor_id) & (_pairs.c.project_id == Engagement.project_id)
)

_REMEMBER = (
    insert_batch(EventId, "actor_id", "event_id", "recorded_at")
    .on_conflict_do_nothing()
    .returning(EventId.actor_id, EventId.event_id)
)
_windows = batch(
    {"place": Identity, **columns_of(Interaction, "actor_id", "project_id", "type"), "low": UtcDateTime(),
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
    InteractionType.BOOKMARK: _earliest(Save),
    InteractionType.DISMISS: _earliest(Dismissal),
}


def _taken_back(model: Any) -> Executable:
    where = (model.actor_id == bindparam("actor_id"), model.project_id == bindparam("project_id"))
    return delete(model).where(*where).returning(model.project_id)


_UNLIKE = _taken_back(Like)
_UNSAVE = _taken_back(Save)
_UNDO_DISMISSAL = _taken_back(Dismissal)
_ENGAGED_PAIR = (Engagement.actor_id == bindparam("actor"), Engagement.project_id == bindparam("project"))
_CLEAR_BIT = (
    update(Engagement)
    .where(*_ENGAGED_PAIR)
    .values(kinds=Engagement.kinds.bitwise_and(bindparam("mask", type_=Engagement.kinds.type)))
)
_DROP_EMPTY = (
    delete(Engagement).where(*_ENGAGED_PAIR, Engagement.kinds == 0).returning(Engagement.first_at, Engagement.weight)
)
_IS_KEPT = {
    type_: select(model.actor_id).where(
        model.actor_id == bindparam("actor_id"), model.project_id == bindparam("project_id")
    )
    for type_, model in (
        (InteractionType.LIKE, Like),
        (InteractionType.BOOKMARK, Save),
        (InteractionType.DISMISS, Dismissal),
    )
}
_SET_REASON = (
    update(Dismissal)
    .where(Dismissal.actor_id == bindparam("actor"), Dismissal.project_id == bindparam("project"))
    .values(because=bindparam("reason", type_=Dismissal.because.type))
)


async def record(connection: AsyncConnection, events: Sequence[Event]) -> int:
    """Write events as `record_new` does; give how many were new."""
    return len(await record_new(connection, events))


async def record_new(connection: AsyncConnection, events: Sequence[Event]) -> list[Event]:
    """Write events, up to about 5,000 a call, in a constant number of statements; give those that were new.

    An event that is there already is ignored, and one whose actor or project does not exist (any more) is left out.
    Each actor with a new event gets a higher version, once, and its profile goes into the outbox; being shown
    something (an impression) is no act and does neither.

    Raises
    ------
    InvalidRecord
        If a position is negative or above 2**31 - 1.
    """
    _require_positions(events)
    given = await _existing(connection, events)
    if not given:
        return []
    new = await _insert(connection, given)
    await _apply(connection, new)
    return new


async def record_sent(
    connection: AsyncConnection, events: Sequence[Event], ids: Sequence[str | None] | None = None
) -> list[bool]:
    """Write events as clients send them: often twice, and by people who press a button again.

    Left out are those whose id the actor has sent before, and those that say the same of the same project within
    `SAME_WITHIN` of another; the earliest of a call counts. A constant number of statements.

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
        As `record_new`.
    """
    _require_positions(events)
    await _lock_actors(connection, {event.actor_id for event in events})
    fresh = await _not_sent_before(connection, events, ids or [None] * len(events))
    apart = await _apart(connection, events, fresh)
    new = await record_new(connection, [events[place] for place in apart])
    written = {_identity(event) for event in new}
    told = set(apart)
    return [place in told and _identity(event) in written for place, event in enumerate(events)]


async def like(
    connection: AsyncConnection,
    actor_id: int,
    project_id: int,
    at: datetime,
    *,
    weight: float = 1.0,
    network: str | None = None,
) -> bool:
    """Let an actor like a project; give whether that changed anything. `weight` and `network` as in `Event`."""
    event = Event(actor_id, project_id, InteractionType.LIKE, at, weight=weight, network=network)
    return await _keep(connection, event)


async def unlike(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
    """Take a like back; give whether there was one. The raw event stays: it did happen."""
    if not await _take_back(connection, _UNLIKE, actor_id, project_id):
        return False
    await move_counts(connection, {project_id: Counts(likes=-1)})
    await _clear_bit(connection, actor_id, project_id, EngagementKind.LIKE)
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
    event = Event(actor_id, project_id, InteractionType.BOOKMARK, at, weight=weight, network=network)
    return await _keep(connection, event)


async def unsave(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
    """Take a save back; give whether there was one."""
    if not await _take_back(connection, _UNSAVE, actor_id, project_id):
        return False
    await _clear_bit(connection, actor_id, project_id, EngagementKind.BOOKMARK)
    return True


async def dismiss(
    connection: AsyncConnection, actor_id: int, project_id: int, at: datetime, because: str | None = None
) -> bool:
    """Let an actor not see a project any more; give whether that changed anything.

    Parameters
    ----------
    because
        The id of the reason that the actor found wrong, if any; that of the first dismissal stays.
    """
    event = Event(actor_id, project_id, InteractionType.DISMISS, at)
    if not await _keep(connection, event):
        return False
    if because is not None:
        await connection.execute(_SET_REASON, {"actor": actor_id, "project": project_id, "reason": because})
    return True


async def undo_dismissal(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
    """Let a dismissed project come back; give whether it was dismissed."""
    return await _take_back(connection, _UNDO_DISMISSAL, actor_id, project_id)


# --- what clients send twice ---------------------------------------------------------------------------------------


async def _not_sent_before(
    connection: AsyncConnection, events: Sequence[Event], ids: Sequence[str | None]
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


async def _apart(connection: AsyncConnection, events: Sequence[Event], places: Sequence[int]) -> list[int]:
    """Give those places whose event is `SAME_WITHIN` away from any like it, in this call and in the truth."""
    last: dict[tuple[int, int, str], datetime] = {}
    kept: list[int] = []
    for place in sorted(places, key=lambda place: events[place].at):
        event = events[place]
        same = event.actor_id, event.project_id, event.type.value
        if same not in last or event.at - last[same] >= SAME_WITHIN:
            last[same] = event.at
            kept.append(place)
    if not kept:
        return []
    rows = [_window(place, events[place]) for place in kept]
    times = {"least": min(row[4] for row in rows), "most": max(row[5] for row in rows)}
    there = {row.place for row in await connection.execute(_SAME, {"rows": rows, **times})}
    return [place for place in sorted(kept) if place not in there]


def _window(place: int, event: Event) -> tuple[int, int, int, str, datetime, datetime]:
    low, high = event.at - SAME_WITHIN, event.at + SAME_WITHIN
    return place, event.actor_id, event.project_id, event.type.value, low, high


# --- a batch of events ---------------------------------------------------------------------------------------------


def _require_positions(events: Sequence[Event]) -> None:
    for index, event in enumerate(events):
        if event.position is not None and not 0 <= event.position <= MAX_POSITION:
            raise InvalidRecord(
                f"position must be from 0 to {MAX_POSITION}, not {event.position}", (index, "position")
            )  # fmt: skip


async def _existing(connection: AsyncConnection, events: Sequence[Event]) -> list[Event]:
    """Keep the events whose actor and project exist, each identity once, and lock those actors and projects."""
    possible = [event for event in events if _may_exist(event.actor_id, event.project_id)]
    if not possible:
        return []
    actors = await _lock_actors(connection, {event.actor_id for event in possible})
    projects = await lock_projects(connection, {event.project_id for event in possible})
    once = {_identity(event): event for event in reversed(possible)}
    return [
        once[identity] for identity in sorted(once) if identity[0] in actors and identity[1] in projects
    ]  # fmt: skip


def _may_exist(*ids: int) -> bool:
    """Tell whether these fit into a key; a driver refuses a number that does not."""
    return all(0 < id_ <= MAX_ID for id_ in ids)


def _identity(event: Event) -> tuple[int, int, str, datetime]:
    return event.actor_id, event.project_id, event.type.value, event.at


async def _lock_actors(connection: AsyncConnection, ids: Iterable[int]) -> set[int]:
    return set(await connection.scalars(_LOCK_ACTORS, {"ids": sorted(set(ids))}))


async def _insert(connection: AsyncConnection, events: Sequence[Event]) -> list[Event]:
    at = now()
    rows = [
        (e.actor_id, e.project_id, e.type.value, e.at, e.feed_kind, e.position, e.snapshot_id, e.session_key, at)
        for e in events
    ]
    inserted = {tuple(row) for row in await connection.execute(_INSERT, {"rows": rows})}
    return [event for event in events if _identity(event) in inserted]


async def _apply(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Bring engagement, what is kept, the counters and the actors up to date with these new events."""
    await _engage(connection, events)
    likes = await _new_likes(connection, events)
    for type_ in _KEEP:
        await _keep_since(connection, type_, [event for event in events if event.type is type_])
    await _count(connection, likes, [event for event in events if event.type is InteractionType.VIEW])
    acted = {event.actor_id for event in events if event.type is not InteractionType.IMPRESSION}
    await raise_versions(connection, acted)
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id) for actor_id in acted])


async def _engage(connection: AsyncConnection, events: Iterable[Event]) -> None:
    engaged = _gathered(events)
    if not engaged:
        return
    there = await connection.execute(_FIRSTS, {"rows": sorted(engaged)})
    known = {(row.actor_id, row.project_id): _First(row.first_at, row.weight) for row in there}
    weights = await _weights(connection, {pair: one for pair, one in engaged.items() if pair not in known})
    rows = [(*pair, *one[:3], weights.get(pair, one.weight)) for pair, one in sorted(engaged.items())]
    await connection.execute(_ENGAGE, {"rows": rows})
    await add_arrivals(connection, _arrivals(engaged, known, weights))


def _gathered(events: Iterable[Event]) -> dict[Pair, _Engaged]:
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
    comers = [Comer(pair[1], one.network, one.first_at) for pair, one in new.items() if one.network is not None]
    shares = iter(await count_comers(connection, comers))
    return {pair: one.weight * (1.0 if one.network is None else next(shares)) for pair, one in new.items()}


def _arrivals(
    engaged: Mapping[Pair, _Engaged], known: Mapping[Pair, _First], weights: Mapping[Pair, float]
) -> Iterator[Arrival]:
    """Tell the pulses who is new, and whose first engagement turned out to be earlier."""
    for pair, one in engaged.items():
        first = known.get(pair)
        if first is None:
            yield Arrival(pair[1], one.first_at, weights[pair])
        elif one.first_at < first.at:
            yield Arrival(pair[1], first.at, -first.weight)
            yield Arrival(pair[1], one.first_at, first.weight)


async def _new_likes(connection: AsyncConnection, events: Iterable[Event]) -> set[Pair]:
    """Give those who like what they have not liked before. Their actors are locked, so nobody else adds a like."""
    likes = {(event.actor_id, event.project_id) for event in events if event.type is InteractionType.LIKE}
    if not likes:
        return set()
    there = await connection.execute(_LIKED, {"rows": sorted(likes)})
    return likes - {(row.actor_id, row.project_id) for row in there}


async def _keep_since(connection: AsyncConnection, type_: InteractionType, events: Iterable[Event]) -> None:
    since: dict[Pair, datetime] = {}
    for event in events:
        pair = event.actor_id, event.project_id
        since[pair] = min(event.at, since.get(pair, event.at))
    if since:
        await connection.execute(_KEEP[type_], {"rows": [(*pair, at) for pair, at in sorted(since.items())]})


async def _count(connection: AsyncConnection, likes: Iterable[Pair], views: Iterable[Event]) -> None:
    moves: dict[int, Counts] = {}
    for _, project_id in likes:
        counts = moves.get(project_id, Counts())
        moves[project_id] = counts._replace(likes=counts.likes + 1)
    for event in views:
        counts = moves.get(event.project_id, Counts())
        moves[event.project_id] = counts._replace(views=counts.views + 1)
    await move_counts(connection, moves)


# --- one act -------------------------------------------------------------------------------------------------------


async def _keep(connection: AsyncConnection, event: Event) -> bool:
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
    await _lock_actors(connection, [actor_id])
    await lock_projects(connection, [project_id])
    deleted = await connection.execute(statement, {"actor_id": actor_id, "project_id": project_id})
    if deleted.first() is None:
        return False
    await raise_versions(connection, [actor_id])
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id)])
    return True


async def _clear_bit(connection: AsyncConnection, actor_id: int, project_id: int, bit: EngagementKind) -> None:
    """Forget one kind of engagement; where none is left there was no engagement."""
    pair = {"actor": actor_id, "project": project_id}
    await connection.execute(_CLEAR_BIT, pair | {"mask": ~int(bit)})
    for row in await connection.execute(_DROP_EMPTY, pair):
        await add_arrivals(connection, [Arrival(project_id, row.first_at, -row.weight)])
