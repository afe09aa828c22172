"""Deletion of actors: in the database at once, in projections as soon as they can be reached.

1. One transaction deletes every row of the actors, corrects the counters, and stores the remaining work in `Erasure`.
   The actors' own rows become anonymous *tombstones*: a request in progress may still write to them, and SQLite reuses
   the id of a deleted last row.
2. `finish_erasures` cleans cache and index at once, and again when `ERASURE_GRACE` has passed and every request that
   knew the actors has ended. Then the tombstones are deleted, and SQLite's free pages overwritten.

`finish_erasures` continues after an interruption: every step may be repeated.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
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
"""Longer than any request or outbox batch; see `db.synchronization.synchronizer.LEASE_S`."""


class OwnedProjects(StrEnum):
    """Treatment of the projects of a deleted user."""

    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """Deleted rows, and the completion of the deletion."""

    id: str  # 128 random bits, which give access to the status
    requested_at: datetime
    report: Mapping[str, int]  # number of rows by table, and of "users"
    completed_at: datetime | None  # when no store held anything of the actors any more


@dataclass(frozen=True, slots=True)
class ErasureRemainder:
    """Remains of deleted actors in projections: actor ids, and keys of deleted and of kept projects."""

    actors: list[int] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


_IDS = bindparam("ids", type_=IntegerList())
_KEYS = bindparam("keys", type_=TextList())
PERSONAL: Sequence[Table] = [
    table for table in Base.metadata.sorted_tables if "actor_id" in table.c and table.c.actor_id.foreign_keys
]
"""Every table with a foreign key to the actor of its rows."""

_DELETE_ROWS = {table.name: delete(table).where(in_list(table.c.actor_id, _IDS)) for table in PERSONAL}

_REFERENCES = [
    column
    for table in Base.metadata.sorted_tables
    for column in table.c
    if any(key.column is table_of(Term).c.id for key in column.foreign_keys) and table.name != Tool.__tablename__
]
_NAMED = union(
    *(select(column).where(in_list(column.table.c.actor_id, _IDS), column.is_not(None)) for column in _REFERENCES
      if "actor_id" in column.table.c)
)  # fmt: skip
_NAMED_BY_PROJECTS = select(ProjectTerm.term_id).where(in_list(ProjectTerm.project_id, _IDS)).distinct()
# Topics are free text, and so are tools and categories that the platform never sent: they may identify the deleted.
_DELETE_UNUSED_TERMS = (
    delete(Term)
    .where(
        in_list(Term.id, _IDS),
        ~Term.listed,
        *(~select(column).where(column == Term.id).correlate(Term).exists() for column in _REFERENCES),
    )
    .returning(Term.kind, Term.key)
)
"""Delete the terms of the deleted that nothing refers to any more."""

# Every transaction locks rows in one order: users, actors, projects, dependent rows, the outbox; each by id.
_DELETED = select(User.id, User.role).where(in_list(User.key, _KEYS)).order_by(User.id).with_for_update()
_DELETED_ACTORS = (
    select(Actor.id)
    .where(
        in_list(Actor.user_id, _IDS)
        | Actor.merged_into.in_(select(Actor.id).where(in_list(Actor.user_id, _IDS)))
    )
    .order_by(Actor.id)
    .with_for_update()
)  # fmt: skip
_DELETED_SESSION = (
    select(Actor.id)
    .where(Actor.id == bindparam("actor", type_=BigIntId), Actor.user_id.is_(None), Actor.merged_into.is_(None))
    .with_for_update()
)
_NEW_OWNER = select(User.id).where(User.key == bindparam("key")).with_for_update(read=True, key_share=True)
_OWNED = select(Project.id, Project.key).where(in_list(Project.owner_id, _IDS)).order_by(Project.id)
_HAND_OVER = update(Project).where(in_list(Project.owner_id, _IDS)).values(owner_id=bindparam("owner", type_=BigIntId))
_MAKE_TOMBSTONES = (
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
    """Delete users with everything of theirs, and the sessions claimed for them.

    `new_owner` is the key of the new owner of kept projects; None leaves them without one. With `protected`, a batch
    with an administrator is refused. Returns the number of deleted users, and the receipt; None if there were none.

    Raises `UnknownReference` if the new owner does not exist, or is being deleted, and `ProtectedUser` if one of the
    users is a protected administrator.
    """
    owner_id = await _owner(connection, keys, new_owner)
    leaving = (await connection.execute(_DELETED, {"keys": list(keys)})).all()
    if protected and any(row.role == Role.ADMINISTRATOR for row in leaving):
        raise ProtectedUser("one of these users is an administrator, whom only an administrator may delete", ("keys",))
    user_ids = [row.id for row in leaving]
    if not user_ids:
        return 0, None
    actor_ids = list(await connection.scalars(_DELETED_ACTORS, {"ids": user_ids}))
    owned = {row.id: row.key for row in await connection.execute(_OWNED, {"ids": user_ids})}
    named = set(await connection.scalars(_NAMED, {"ids": actor_ids}))
    if projects is OwnedProjects.REMOVE:
        named |= set(await connection.scalars(_NAMED_BY_PROJECTS, {"ids": list(owned)}))
    report = await delete_rows(connection, actor_ids, owned)
    removed, kept = (list(owned.values()), []) if projects is OwnedProjects.REMOVE else ([], list(owned.values()))
    if removed:
        report["projects"] = await remove_projects(connection, removed)
    if kept:
        await connection.execute(_HAND_OVER, {"ids": user_ids, "owner": owner_id})
        await enqueue(connection, OutboxKind.PROJECT, kept)
    report["terms"] = await _delete_unused_terms(connection, named)
    report["users"] = len(user_ids)
    receipt = await _make_tombstones(connection, ErasureRemainder(actor_ids, removed, kept), report)
    await connection.execute(_DELETE_USERS, {"ids": user_ids})
    return len(user_ids), receipt


async def erase_session(connection: AsyncConnection, actor_id: int) -> ErasureReceipt | None:
    """Delete everything of an unclaimed session; None if this is no such session's actor."""
    if (await connection.execute(_DELETED_SESSION, {"actor": actor_id})).first() is None:
        return None
    named = set(await connection.scalars(_NAMED, {"ids": [actor_id]}))
    report = await delete_rows(connection, [actor_id])
    report["terms"] = await _delete_unused_terms(connection, named)
    return await _make_tombstones(connection, ErasureRemainder([actor_id]), report)


async def receipt_of(database: Database, id_: str) -> ErasureReceipt | None:
    """Read the status of a deletion."""
    rows = await database.fetch(_RECEIPT, {"receipt": id_})
    return ErasureReceipt(*rows[0]) if rows else None


async def _owner(connection: AsyncConnection, leaving: Sequence[str], key: str | None) -> int | None:
    if key is None:
        return None
    owner_id = await connection.scalar(_NEW_OWNER, {"key": key})
    if owner_id is None or key in leaving:
        raise UnknownReference(f"there is no user {key!r} who could own the projects", ("new_owner",))
    return int(owner_id)


async def delete_rows(
    connection: AsyncConnection, actor_ids: Sequence[int], project_ids: Iterable[int] = ()
) -> Counter[str]:
    """Delete all rows of these locked actors, and subtract them from counters; return their number by table.

    `project_ids` are further projects to lock in the same order.
    """
    counts = await counts_by_actors(connection, actor_ids)
    await lock_projects(connection, {*counts, *project_ids})
    await add_counts(connection, {id_: ProjectCounts(-count.likes, -count.views) for id_, count in counts.items()})
    await subtract_actors(connection, actor_ids)
    report: Counter[str] = Counter()
    for name, statement in _DELETE_ROWS.items():
        report[name] = (await connection.execute(statement, {"ids": list(actor_ids)})).rowcount
    return report


async def _delete_unused_terms(connection: AsyncConnection, named: Set[int]) -> int:
    """Delete the terms that nothing refers to any more; return their number."""
    terms = (await connection.execute(_DELETE_UNUSED_TERMS, {"ids": sorted(named)})).all()
    await enqueue(connection, OutboxKind.TOOL, [term.key for term in terms if term.kind == TermKind.TOOL], urgent=True)
    return len(terms)


async def _make_tombstones(
    connection: AsyncConnection, leftovers: ErasureRemainder, report: Counter[str]
) -> ErasureReceipt:
    """Turn the actors into tombstones, and store the remaining work."""
    receipt = ErasureReceipt(secrets.token_urlsafe(16), now(), {name: n for name, n in report.items() if n}, None)
    buried = {"ids": leftovers.actors, "receipt": receipt.id, "nothing": {}, "at": receipt.requested_at}
    await connection.execute(_MAKE_TOMBSTONES, buried)
    row = {"id": receipt.id, "requested_at": receipt.requested_at, "report": dict(receipt.report)}
    await connection.execute(insert(Erasure), row | {"leftovers": asdict(leftovers)})
    await enqueue(connection, OutboxKind.PROFILE, [str(id_) for id_ in leftovers.actors], urgent=True)
    return receipt
