"""Lookup of terms by key or name, and creation of missing ones."""

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.visibility import KNOWN_TERM
from db.database.batches import insert_batch
from db.database.column_types import IntegerList, TextList, in_list
from db.database.engine import Database
from db.models import OutboxKind, Term, TermKind
from db.outbox import enqueue

TermName = tuple[TermKind, str]
"""Kind and key (or name) of a term."""

_KEYS = bindparam("keys", type_=TextList())
_TERM = select(Term.id, Term.kind, Term.key, Term.name)
# All kinds are listed so that the index on (kind, key) serves.
TERMS_BY_KEY = _TERM.where(Term.kind.in_([kind.value for kind in TermKind]), in_list(Term.key, _KEYS))
_BY_KEY_OR_NAME = _TERM.where(in_list(Term.key, _KEYS) | in_list(Term.name, _KEYS))
_KNOWN = TERMS_BY_KEY.where(KNOWN_TERM)
_ONE = (
    select(Term.id)
    .where(Term.kind == bindparam("kind"), or_(Term.key == bindparam("text"), Term.name == bindparam("text")))
    .where(KNOWN_TERM)
    .order_by((Term.key == bindparam("text")).desc(), Term.key)
    .limit(1)
)
_LIST = (
    update(Term)
    .where(in_list(Term.id, bindparam("ids", type_=IntegerList())), ~Term.listed)
    .values(listed=True)
    .returning(Term.kind, Term.key)
)
_INSERT = (
    insert_batch(Term, "kind", "key", "name")
    .on_conflict_do_nothing(index_elements=["kind", "key"])
    .returning(Term.id, Term.kind, Term.key)
)


async def terms_by_key(connection: AsyncConnection, wanted: Iterable[TermName]) -> dict[TermName, int]:
    """Return the id of each (kind, key); an unknown term is created, named like its key."""
    asked = set(wanted)
    found = await _find_by_key(connection, asked)
    if missing := asked - found.keys():
        found |= await _create(connection, missing)
    return found


async def terms_by_key_or_name(connection: AsyncConnection, wanted: Iterable[TermName]) -> dict[TermName, int]:
    """Return the id of each (kind, key or name); an unknown one becomes a term with that key and name.

    A key wins over a name; of several terms with one name the first by key counts.
    """
    asked = set(wanted)
    if not asked:
        return {}
    rows = (await connection.execute(_BY_KEY_OR_NAME, {"keys": sorted({text for _, text in asked})})).all()
    by_name = {(TermKind(row.kind), row.name): row.id for row in sorted(rows, key=lambda row: row.key, reverse=True)}
    known = by_name | {(TermKind(row.kind), row.key): row.id for row in rows}
    found = {term: known[term] for term in asked if term in known}
    if missing := asked - found.keys():
        found |= await _create(connection, missing)
    return found


async def mark_terms_listed(connection: AsyncConnection, named: Iterable[TermName]) -> None:
    """Mark terms as named by the platform itself, and so visible to everybody."""
    found = await _find_by_key(connection, set(named))
    if found:
        listed = (await connection.execute(_LIST, {"ids": sorted(found.values())})).all()
        await enqueue(connection, OutboxKind.TOOL, [term.key for term in listed if term.kind == TermKind.TOOL])


async def known_terms(
    database: Database, names: Sequence[TermName], *, user_id: int | None, actor_id: int | None
) -> dict[TermName, int]:
    """Return the ids of terms by kind and key, without those that do not exist for this user and actor."""
    if not names:
        return {}
    keys = sorted({key for _, key in names})
    rows = await database.fetch(_KNOWN, {"keys": keys, "user": user_id, "actor": actor_id})
    found = {(TermKind(row.kind), row.key): row.id for row in rows}
    return {name: found[name] for name in names if name in found}


async def known_term(
    database: Database, kind: TermKind, text: str, *, user_id: int | None, actor_id: int | None
) -> int | None:
    """Return the id of the term with this key, else of the first with this name, as `known_terms` does."""
    given = {"kind": kind.value, "text": text, "user": user_id, "actor": actor_id}
    rows = await database.fetch(_ONE, given)
    return rows[0].id if rows else None


async def _find_by_key(connection: AsyncConnection, asked: set[TermName]) -> dict[TermName, int]:
    if not asked:
        return {}
    rows = await connection.execute(TERMS_BY_KEY, {"keys": sorted({key for _, key in asked})})
    known = {(TermKind(row.kind), row.key): row.id for row in rows}
    return {term: known[term] for term in asked if term in known}


async def _create(connection: AsyncConnection, missing: set[TermName]) -> dict[TermName, int]:
    rows = [(kind.value, key, key) for kind, key in sorted(missing)]
    made = {(TermKind(row.kind), row.key): row.id for row in await connection.execute(_INSERT, {"rows": rows})}
    await enqueue(connection, OutboxKind.TOOL, [key for kind, key in made if kind is TermKind.TOOL])
    if len(made) < len(missing):  # another transaction created one meanwhile
        made |= await _find_by_key(connection, missing - made.keys())
    return made
