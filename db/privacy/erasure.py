"""Deleting people: everything of theirs in the truth at once, and in the shadows as soon as those can be reached.

1. One transaction deletes every row of the actors, puts counters and pulses right, and notes in `Erasure` what is left
   to do. The actors' own rows become nameless *tombstones*: a request that is under way may still write to them, and
   SQLite, which gives the id of a deleted last row to the next one, must not make somebody else of them meanwhile.
2. `finish` empties cache, index and neighbor lists at once, and once more when `ERASURE_GRACE` has passed: only then has every
   request ended that knew the actors. Then the tombstones go, and what SQLite's files still hold of deleted pages.

Whatever interrupts it, `finish` begins again where it was: every step may be done twice.
"""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Table, bindparam, cast, delete, insert, literal, null, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.catalog_entries import remove_projects
from db.database.batches import table_of
from db.database.column_types import BigIntId, IntegerList, Json, TextList, UtcDateTime, in_list
from db.database.engine import Database
from db.errors import ProtectedUser, UnknownReference
from db.interactions.decayed_counters import subtract_actors
from db.interactions.project_counters import ProjectCounts, add_counts, counts_by_actors, lock_projects
from db.models import Actor, Base, Erasure, OutboxKind, Project, ProjectTerm, Role, Term, TermKind, Tool, User, now
from db.outbox import enqueue

ERASURE_GRACE = timedelta(seconds=90)
"""No request and no batch of the outbox takes longer; see `db.synchronization.synchronizer.LEASE_S`."""


class OwnedProjects(StrEnum):
    """What becomes of the projects that a deleted user made."""

    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What was deleted, and whether all of it is gone.

    Attributes
    ----------
    id
        128 random bits: whoever has it may ask how far the deletion is.
    report
        Rows by what they were: the names of tables, and ``users``.
    completed_at
        When nothing was left in any store; None while something may be.
    """

    id: str
    requested_at: datetime
    report: Mapping[str, int]
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ErasureRemainder:
    """What shadows may still hold of the deleted.

    Attributes
    ----------
    actors
        Their ids.
    removed, kept
        Keys of the projects that went with them, and of those that stay without their name.
    """

    actors: list[int] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


_IDS = bindparam("ids", type_=IntegerList())
_KEYS = bindparam("keys", type_=TextList())
PERSONAL: Sequence[Table] = [
    table for table in Base.metadata.sorted_tables if "actor_id" in table.c and table.c.actor_id.foreign_keys
]
"""Every table whose rows belong to an actor; a new one is among them by itself."""

_DELETE_ROWS = {table.name: delete(table).where(in_list(table.c.actor_id, _IDS)) for table in PERSONAL}

_HOLDERS = [
    column
    for table in Base.metadata.sorted_tables
    for column in table.c
    if any(key.column is table_of(Term).c.id for key in column.foreign_keys) and table.name != Tool.__tablename__
]
_NAMED = union(
    *(select(column).where(in_list(column.table.c.actor_id, _IDS), column.is_not(None)) for column in _HOLDERS
      if "actor_id" in column.table.c)
)  # fmt: skip
_NAMED_BY_PROJECTS = select(ProjectTerm.term_id).where(in_list(ProjectTerm.project_id, _IDS)).distinct()
# A topic is a free word, and a project or interest may name a tool or category that the platform never sent: such
# terms may be the deleted's own.
_FORGET_WORDS = (
    delete(Term)
    .where(
        in_list(Term.id, _IDS),
        ~Term.listed,
        *(~select(column).where(column == Term.id).correlate(Term).exists() for column in _HOLDERS),
    )
    .returning(Term.kind, Term.key)
)
"""Of terms that the deleted had named, those that nobody and nothing carries any more."""

# Rows are locked in one order everywhere: users, actors, projects, what hangs on them, the outbox; each by id.
_LEAVING = select(User.id, User.role).where(in_list(User.key, _KEYS)).order_by(User.id).with_for_update()
_LEAVING_ACTORS = (
    select(Actor.id)
    .where(
        in_list(Actor.user_id, _IDS)
        | Actor.merged_into.in_(select(Actor.id).where(in_list(Actor.user_id, _IDS)))
    )
    .order_by(Actor.id)
    .with_for_update()
)  # fmt: skip
_LEAVING_SESSION = (
    select(Actor.id)
    .where(Actor.id == bindparam("actor", type_=BigIntId), Actor.user_id.is_(None), Actor.merged_into.is_(None))
    .with_for_update()
)
_NEW_OWNER = select(User.id).where(User.key == bindparam("key")).with_for_update(read=True, key_share=True)
_OWNED = select(Project.id, Project.key).where(in_list(Project.owner_id, _IDS)).order_by(Project.id)
_HAND_OVER = update(Project).where(in_list(Project.owner_id, _IDS)).values(owner_id=bindparam("owner", type_=BigIntId))
_BURY = (
    update(Actor)
    .where(in_list(Actor.id, _IDS))
    .values(
        user_id=null(),
        merged_into=null(),
        claim_ends_at=null(),
        session_key=literal("erased:") + bindparam("receipt") + ":" + cast(Actor.id, Actor.session_key.type),
        settings=bindparam("nothing", type_=Json),
        version=Actor.version + 1,
        created_at=bindparam("at", type_=UtcDateTime()),
    )
)
_DELETE_USERS = delete(User).where(in_list(User.id, _IDS))
_RECEIPT = select(Erasure.id, Erasure.requested_at, Erasure.report, Erasure.completed_at).where(
    Erasure.id == bindparam("receipt")
)


async def erase_users(
    connection: AsyncConnection,
    keys: Sequence[str],
    projects: OwnedProjects = OwnedProjects.KEEP,
    new_owner: str | None = None,
    *,
    protected: bool = False,
) -> tuple[int, ErasureReceipt | None]:
    """Delete users with all that hangs on them, and the sessions that were claimed for them.

    Parameters
    ----------
    projects
        Whether the projects that they made go too.
    new_owner
        The key of the user who owns the projects that are kept from now on; None leaves them without an owner.
    protected
        Whether administrators are left alone: then nobody at all is deleted where one of the users is one.

    Returns
    -------
    How many of the users there were, and the receipt; None if there was nobody.

    Raises
    ------
    UnknownReference
        If there is no such new owner, or he or she is being deleted too.
    ProtectedUser
        If one of the users is an administrator, and those are protected.
    """
    owner_id = await _owner(connection, keys, new_owner)
    leaving = (await connection.execute(_LEAVING, {"keys": list(keys)})).all()
    if protected and any(row.role == Role.ADMINISTRATOR for row in leaving):
        raise ProtectedUser("one of these users is an administrator, whom only an administrator may delete", ("keys",))
    user_ids = [row.id for row in leaving]
    if not user_ids:
        return 0, None
    actor_ids = list(await connection.scalars(_LEAVING_ACTORS, {"ids": user_ids}))
    owned = {row.id: row.key for row in await connection.execute(_OWNED, {"ids": user_ids})}
    named = set(await connection.scalars(_NAMED, {"ids": actor_ids}))
    if projects is OwnedProjects.REMOVE:
        named |= set(await connection.scalars(_NAMED_BY_PROJECTS, {"ids": list(owned)}))
    report = await _delete_rows(connection, actor_ids, owned)
    removed, kept = (list(owned.values()), []) if projects is OwnedProjects.REMOVE else ([], list(owned.values()))
    if removed:
        report["projects"] = await remove_projects(connection, removed)
    if kept:
        await connection.execute(_HAND_OVER, {"ids": user_ids, "owner": owner_id})
        await enqueue(connection, OutboxKind.PROJECT, kept)
    report["terms"] = await _forget_words(connection, named)
    report["users"] = len(user_ids)
    receipt = await _bury(connection, ErasureRemainder(actor_ids, removed, kept), report)
    await connection.execute(_DELETE_USERS, {"ids": user_ids})
    return len(user_ids), receipt


async def erase_session(connection: AsyncConnection, actor_id: int) -> ErasureReceipt | None:
    """Delete all that a session has done that nobody has claimed; None if this is no such session's actor."""
    if (await connection.execute(_LEAVING_SESSION, {"actor": actor_id})).first() is None:
        return None
    named = set(await connection.scalars(_NAMED, {"ids": [actor_id]}))
    report = await _delete_rows(connection, [actor_id], {})
    report["terms"] = await _forget_words(connection, named)
    return await _bury(connection, ErasureRemainder([actor_id]), report)


async def receipt_of(database: Database, id_: str) -> ErasureReceipt | None:
    """Read how far a deletion is."""
    rows = await database.fetch(_RECEIPT, {"receipt": id_})
    return ErasureReceipt(*rows[0]) if rows else None


async def _owner(connection: AsyncConnection, leaving: Sequence[str], key: str | None) -> int | None:
    if key is None:
        return None
    owner_id = await connection.scalar(_NEW_OWNER, {"key": key})
    if owner_id is None or key in leaving:
        raise UnknownReference(f"there is no user {key!r} who could own the projects", ("new_owner",))
    return int(owner_id)


async def delete_rows(connection: AsyncConnection, actor_ids: Sequence[int]) -> Counter[str]:
    """Delete what actors have written since they were buried; give how many rows of each table."""
    return await _delete_rows(connection, actor_ids, {})


async def _delete_rows(connection: AsyncConnection, actor_ids: Sequence[int], owned: Mapping[int, str]) -> Counter[str]:
    """Delete all rows of these actors, which must be locked, and put right what was counted of them."""
    counts = await counts_by_actors(connection, actor_ids)
    await lock_projects(connection, counts.keys() | owned.keys())
    await add_counts(connection, {id_: ProjectCounts(-count.likes, -count.views) for id_, count in counts.items()})
    await subtract_actors(connection, actor_ids)
    report: Counter[str] = Counter()
    for name, statement in _DELETE_ROWS.items():
        report[name] = (await connection.execute(statement, {"ids": list(actor_ids)})).rowcount
    return report


async def _forget_words(connection: AsyncConnection, named: Set[int]) -> int:
    """Delete those of the terms that nobody and nothing carries any more; give how many there were."""
    words = (await connection.execute(_FORGET_WORDS, {"ids": sorted(named)})).all()
    await enqueue(connection, OutboxKind.TOOL, [word.key for word in words if word.kind == TermKind.TOOL], urgent=True)
    return len(words)


async def _bury(connection: AsyncConnection, leftovers: ErasureRemainder, report: Counter[str]) -> ErasureReceipt:
    """Leave tombstones in the place of the actors, and note what is left to do."""
    receipt = ErasureReceipt(secrets.token_urlsafe(16), now(), {name: n for name, n in report.items() if n}, None)
    buried = {"ids": leftovers.actors, "receipt": receipt.id, "nothing": {}, "at": receipt.requested_at}
    await connection.execute(_BURY, buried)
    row = {
        "id": receipt.id,
        "requested_at": receipt.requested_at,
        "leftovers": asdict(leftovers),
        "report": dict(receipt.report),
    }
    await connection.execute(insert(Erasure), row)
    await enqueue(connection, OutboxKind.PROFILE, [str(id_) for id_ in leftovers.actors], urgent=True)
    return receipt
