"""Deletion of actors: in the database at once, in cache and index when they are available.

1. One transaction deletes all rows of the actors, corrects the counters, and stores the remaining work in `Erasure`.
   The rows in `actors` become anonymous *tombstones*, because requests in progress can still write rows for them, and
   SQLite would reuse the id of a deleted last row.
2. `finish_erasures` (db/privacy/projection_erasure.py) removes the actors from cache and index at once, and again after
   `ERASURE_GRACE`, when all requests that read the actors have ended. Then it deletes the tombstones and overwrites
   SQLite's free pages.

`finish_erasures` can be called again after an interruption, because every step can be repeated.
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
from db.database.column_types import ACTOR_ID, IDS, KEYS, BigIntId, Json, UtcDateTime, in_list
from db.database.engine import Database
from db.errors import ProtectedUser, UnknownReference
from db.interactions.decayed_counters import subtract_actors
from db.interactions.project_counters import ProjectCounts, add_counts, counts_by_actors, lock_projects
from db.models import Actor, Base, Erasure, OutboxKind, Project, ProjectTerm, Role, Term, TermKind, Tool, User, now
from db.outbox import enqueue

ERASURE_GRACE = timedelta(seconds=90)
"""Delay of the second removal: longer than every request and every outbox lease
(`db.synchronization.synchronizer.LEASE_S`)."""


class OwnedProjects(StrEnum):
    """Treatment of the projects of a deleted user."""

    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """The status of a deletion."""

    id: str  # 128 random bits; knowledge of the id gives access to the status
    requested_at: datetime
    report: Mapping[str, int]  # number of deleted rows, by table
    completed_at: datetime | None  # time at which the data was deleted from all stores; None before that


@dataclass(frozen=True, slots=True)
class RemainingErasure:
    """Data that cache and index may still contain: actor ids, and keys of removed and of kept projects."""

    actors: list[int] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


PERSONAL: Sequence[Table] = [
    table for table in Base.metadata.sorted_tables if "actor_id" in table.c and table.c.actor_id.foreign_keys
]
"""Tables with a foreign key `actor_id`."""

_DELETE_ROWS = {table.name: delete(table).where(in_list(table.c.actor_id, IDS)) for table in PERSONAL}

_REFERENCES = [
    column
    for table in Base.metadata.sorted_tables
    for column in table.c
    if any(key.column is table_of(Term).c.id for key in column.foreign_keys) and table.name != Tool.__tablename__
]
_TERMS_OF_ACTORS = union(
    *(select(column).where(in_list(column.table.c.actor_id, IDS), column.is_not(None)) for column in _REFERENCES
      if "actor_id" in column.table.c)
)  # fmt: skip
_TERMS_OF_PROJECTS = select(ProjectTerm.term_id).where(in_list(ProjectTerm.project_id, IDS)).distinct()
# Unlisted terms (all topics, some tools and categories) are free text and may identify the deleted users.
_DELETE_UNUSED_TERMS = (
    delete(Term)
    .where(
        in_list(Term.id, IDS),
        ~Term.listed,
        *(~select(column).where(column == Term.id).correlate(Term).exists() for column in _REFERENCES),
    )
    .returning(Term.kind, Term.key)
)
"""Deletion of the bound terms that are unlisted and that nothing refers to."""

# Lock order: see db/actors/users.py.
_LOCK_USERS = select(User.id, User.role).where(in_list(User.key, KEYS)).order_by(User.id).with_for_update()
_LOCK_ACTORS = (
    select(Actor.id)
    .where(
        in_list(Actor.user_id, IDS)
        | Actor.merged_into.in_(select(Actor.id).where(in_list(Actor.user_id, IDS)))
    )
    .order_by(Actor.id)
    .with_for_update()
)  # fmt: skip
_LOCK_SESSION = (
    select(Actor.id).where(Actor.id == ACTOR_ID, Actor.user_id.is_(None), Actor.merged_into.is_(None)).with_for_update()
)
_NEW_OWNER = select(User.id).where(User.key == bindparam("key")).with_for_update(read=True, key_share=True)
_OWNED = select(Project.id, Project.key).where(in_list(Project.owner_id, IDS)).order_by(Project.id)
_HAND_OVER = update(Project).where(in_list(Project.owner_id, IDS)).values(owner_id=bindparam("owner", type_=BigIntId))
_MAKE_TOMBSTONES = (
    update(Actor)
    .where(in_list(Actor.id, IDS))
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
_DELETE_USERS = delete(User).where(in_list(User.id, IDS))
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
    """Delete users, their data and the sessions claimed for their accounts.

    `new_owner` is the key of the new owner of kept projects, which otherwise have no owner. Returns the number of
    deleted users, and the receipt; the receipt is None if no user was deleted.

    Raises `UnknownReference` if the new owner does not exist or is one of the users, and `ProtectedUser` if `protected`
    and one of the users is an administrator.
    """
    owner_id = await _owner(connection, keys, new_owner)
    deleted_users = (await connection.execute(_LOCK_USERS, {"keys": list(keys)})).all()
    if protected and any(row.role == Role.ADMINISTRATOR for row in deleted_users):
        raise ProtectedUser("one of these users is an administrator, whom only an administrator may delete", ("keys",))
    user_ids = [row.id for row in deleted_users]
    if not user_ids:
        return 0, None
    actor_ids = list(await connection.scalars(_LOCK_ACTORS, {"ids": user_ids}))
    key_by_project_id = {row.id: row.key for row in await connection.execute(_OWNED, {"ids": user_ids})}
    term_ids = set(await connection.scalars(_TERMS_OF_ACTORS, {"ids": actor_ids}))
    if projects is OwnedProjects.REMOVE:
        term_ids |= set(await connection.scalars(_TERMS_OF_PROJECTS, {"ids": list(key_by_project_id)}))
    report = await delete_rows(connection, actor_ids, key_by_project_id)
    removed_keys, kept_keys = (
        (list(key_by_project_id.values()), [])
        if projects is OwnedProjects.REMOVE
        else ([], list(key_by_project_id.values()))
    )
    if removed_keys:
        report["projects"] = await remove_projects(connection, removed_keys)
    if kept_keys:
        await connection.execute(_HAND_OVER, {"ids": user_ids, "owner": owner_id})
        await enqueue(connection, OutboxKind.PROJECT, kept_keys)
    report["terms"] = await _delete_unused_terms(connection, term_ids)
    report["users"] = len(user_ids)
    receipt = await _make_tombstones(connection, RemainingErasure(actor_ids, removed_keys, kept_keys), report)
    await connection.execute(_DELETE_USERS, {"ids": user_ids})
    return len(user_ids), receipt


async def erase_session(connection: AsyncConnection, actor_id: int) -> ErasureReceipt | None:
    """Delete the data of an unclaimed session. Returns None if the actor is not an unclaimed session."""
    if (await connection.execute(_LOCK_SESSION, {"actor": actor_id})).first() is None:
        return None
    term_ids = set(await connection.scalars(_TERMS_OF_ACTORS, {"ids": [actor_id]}))
    report = await delete_rows(connection, [actor_id])
    report["terms"] = await _delete_unused_terms(connection, term_ids)
    return await _make_tombstones(connection, RemainingErasure([actor_id]), report)


async def receipt_of(database: Database, id_: str) -> ErasureReceipt | None:
    """Read the status of a deletion; None if the id is unknown."""
    rows = await database.fetch(_RECEIPT, {"receipt": id_})
    return ErasureReceipt(*rows[0]) if rows else None


async def _owner(connection: AsyncConnection, deleted_keys: Sequence[str], key: str | None) -> int | None:
    if key is None:
        return None
    owner_id = await connection.scalar(_NEW_OWNER, {"key": key})
    if owner_id is None or key in deleted_keys:
        raise UnknownReference(f"there is no user {key!r} who could own the projects", ("new_owner",))
    return int(owner_id)


async def delete_rows(
    connection: AsyncConnection, actor_ids: Sequence[int], project_ids: Iterable[int] = ()
) -> Counter[str]:
    """Delete all rows of locked actors and subtract them from counters; return the number of deleted rows by table.

    `project_ids` are further projects to lock, together with the projects whose counters change.
    """
    counts = await counts_by_actors(connection, actor_ids)
    await lock_projects(connection, {*counts, *project_ids})
    await add_counts(connection, {id_: ProjectCounts(-count.likes, -count.views) for id_, count in counts.items()})
    await subtract_actors(connection, actor_ids)
    report: Counter[str] = Counter()
    for name, statement in _DELETE_ROWS.items():
        report[name] = (await connection.execute(statement, {"ids": list(actor_ids)})).rowcount
    return report


async def _delete_unused_terms(connection: AsyncConnection, term_ids: Set[int]) -> int:
    """Delete the terms that nothing refers to; return their number."""
    terms = (await connection.execute(_DELETE_UNUSED_TERMS, {"ids": sorted(term_ids)})).all()
    await enqueue(connection, OutboxKind.TOOL, [term.key for term in terms if term.kind == TermKind.TOOL], urgent=True)
    return len(terms)


async def _make_tombstones(
    connection: AsyncConnection, remaining: RemainingErasure, report: Counter[str]
) -> ErasureReceipt:
    """Make the actors tombstones, and store the remaining work."""
    receipt = ErasureReceipt(secrets.token_urlsafe(16), now(), {name: n for name, n in report.items() if n}, None)
    tombstones = {"ids": remaining.actors, "receipt": receipt.id, "nothing": {}, "at": receipt.requested_at}
    await connection.execute(_MAKE_TOMBSTONES, tombstones)
    row = {"id": receipt.id, "requested_at": receipt.requested_at, "report": dict(receipt.report)}
    await connection.execute(insert(Erasure), row | {"leftovers": asdict(remaining)})
    await enqueue(connection, OutboxKind.PROFILE, [str(id_) for id_ in remaining.actors], urgent=True)
    return receipt
