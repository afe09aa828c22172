"""Lookup of terms by key or name, and creation of missing terms."""

from collections.abc import Iterable, Sequence, Set

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.visibility import KNOWN_TERM
from db.database.batches import insert_batch
from db.database.column_types import IDS, KEYS, in_list
from db.database.engine import Database
from db.models import OutboxKind, Term, TermKind
from db.outbox import enqueue
from db.vectors.text_analysis import fold

TermName = tuple[TermKind, str]
"""Kind and key (or name) of a term."""

_TERM = select(Term.id, Term.kind, Term.key, Term.name)
# All kinds are listed so that the database uses the index on (kind, key).
_TERMS_BY_KEY = _TERM.where(Term.kind.in_([kind.value for kind in TermKind]), in_list(Term.key, KEYS))
_BY_KEY_OR_NAME = _TERM.where(in_list(Term.key, KEYS) | in_list(Term.name, KEYS))
_KNOWN = _TERMS_BY_KEY.where(KNOWN_TERM)
_BY_KEY_ELSE_NAME = (
    select(Term.id)
    .where(Term.kind == bindparam("kind"), or_(Term.key == bindparam("text"), Term.name == bindparam("text")))
    .where(KNOWN_TERM)
    .order_by((Term.key == bindparam("text")).desc(), Term.key)
    .limit(1)
)
_LIST = update(Term).where(in_list(Term.id, IDS), ~Term.listed).values(listed=True).returning(Term.kind, Term.key)
_INSERT = (
    insert_batch(Term, "kind", "key", "name", "folded_name")
    .on_conflict_do_nothing(index_elements=["kind", "key"])
    .returning(Term.id, Term.kind, Term.key)
)


async def terms_by_key(connection: AsyncConnection, names: Iterable[TermName]) -> dict[TermName, int]:
    """Return the id of each (kind, key). Unknown terms are created, with the key as name."""
    requested_terms = set(names)
    ids_by_term = await existing_terms(connection, requested_terms)
    if missing_terms := requested_terms - ids_by_term.keys():
        ids_by_term |= await _create(connection, missing_terms)
    return ids_by_term


async def terms_by_key_or_name(connection: AsyncConnection, names: Iterable[TermName]) -> dict[TermName, int]:
    """Return the id of each (kind, key or name). Unknown terms are created, with the text as key and name.

    A match by key takes precedence over a match by name. Of several terms with the name, the first by key is returned.
    """
    requested_terms = set(names)
    if not requested_terms:
        return {}
    rows = (await connection.execute(_BY_KEY_OR_NAME, {"keys": sorted({text for _, text in requested_terms})})).all()
    ids_by_name = {
        (TermKind(row.kind), row.name): row.id for row in sorted(rows, key=lambda row: row.key, reverse=True)
    }
    ids = ids_by_name | {(TermKind(row.kind), row.key): row.id for row in rows}
    ids_by_term = {name: ids[name] for name in requested_terms if name in ids}
    if missing_terms := requested_terms - ids_by_term.keys():
        ids_by_term |= await _create(connection, missing_terms)
    return ids_by_term


async def mark_terms_listed(connection: AsyncConnection, names: Iterable[TermName]) -> None:
    """Mark terms as listed by the platform, which makes them visible to everybody."""
    ids_by_term = await existing_terms(connection, set(names))
    if ids_by_term:
        newly_listed = (await connection.execute(_LIST, {"ids": sorted(ids_by_term.values())})).all()
        await enqueue(connection, OutboxKind.TOOL, [term.key for term in newly_listed if term.kind == TermKind.TOOL])


async def known_terms(
    database: Database, names: Sequence[TermName], *, user_id: int | None, actor_id: int | None
) -> dict[TermName, int]:
    """Return the ids of terms by (kind, key). Terms that the user and actor may not see are left out (`KNOWN_TERM`)."""
    if not names:
        return {}
    keys = sorted({key for _, key in names})
    rows = await database.fetch(_KNOWN, {"keys": keys, "user": user_id, "actor": actor_id})
    ids_by_term = {(TermKind(row.kind), row.key): row.id for row in rows}
    return {name: ids_by_term[name] for name in names if name in ids_by_term}


async def known_term(
    database: Database, kind: TermKind, text: str, *, user_id: int | None, actor_id: int | None
) -> int | None:
    """Return the id of the visible term with this key, otherwise of the first visible term with this name."""
    parameters = {"kind": kind.value, "text": text, "user": user_id, "actor": actor_id}
    rows = await database.fetch(_BY_KEY_ELSE_NAME, parameters)
    return rows[0].id if rows else None


async def existing_terms(connection: AsyncConnection, names: Set[TermName]) -> dict[TermName, int]:
    """Return the id of each existing (kind, key)."""
    if not names:
        return {}
    rows = await connection.execute(_TERMS_BY_KEY, {"keys": sorted({key for _, key in names})})
    ids = {(TermKind(row.kind), row.key): row.id for row in rows}
    return {name: ids[name] for name in names if name in ids}


async def _create(connection: AsyncConnection, missing_terms: set[TermName]) -> dict[TermName, int]:
    rows = [(kind.value, key, key, fold(key)) for kind, key in sorted(missing_terms)]
    ids_by_term = {(TermKind(row.kind), row.key): row.id for row in await connection.execute(_INSERT, {"rows": rows})}
    await enqueue(connection, OutboxKind.TOOL, [key for kind, key in ids_by_term if kind is TermKind.TOOL])
    if len(ids_by_term) < len(missing_terms):  # another transaction created one meanwhile
        ids_by_term |= await existing_terms(connection, missing_terms - ids_by_term.keys())
    return ids_by_term
