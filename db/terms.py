"""Finding the taxonomy's terms by what a record calls them, and making those that are missing."""

from collections.abc import Iterable

from sqlalchemy import bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.batches import insert_batch
from db.columns import TextList, among
from db.engine import Database
from db.models import OutboxKind, Term, TermKind
from db.synchronisation.outbox import enqueue

TermName = tuple[TermKind, str]
"""A term as a record names it: its kind, and its key or its name."""

_KEYS = bindparam("keys", type_=TextList())
_TERM = select(Term.id, Term.kind, Term.key, Term.name)
# All kinds are listed so that the index on (kind, key) serves.
_BY_KEY = _TERM.where(Term.kind.in_([kind.value for kind in TermKind]), among(Term.key, _KEYS))
_BY_KEY_OR_NAME = _TERM.where(among(Term.key, _KEYS) | among(Term.name, _KEYS))
_ONE = (
    select(Term.id)
    .where(Term.kind == bindparam("kind"), or_(Term.key == bindparam("text"), Term.name == bindparam("text")))
    .order_by((Term.key == bindparam("text")).desc(), Term.key)
    .limit(1)
)
_INSERT = (
    insert_batch(Term, "kind", "key", "name")
    .on_conflict_do_nothing(index_elements=["kind", "key"])
    .returning(Term.id, Term.kind, Term.key)
)


async def terms_by_key(connection: AsyncConnection, wanted: Iterable[TermName]) -> dict[TermName, int]:
    """Give the id of each (kind, key); a term that is not known yet is made, named like its key."""
    asked = set(wanted)
    found = await _find_by_key(connection, asked)
    if missing := asked - found.keys():
        found |= await _make(connection, missing)
    return found


async def terms_by_key_or_name(connection: AsyncConnection, wanted: Iterable[TermName]) -> dict[TermName, int]:
    """Give the id of each (kind, key or name); what is neither becomes a new term with that key and that name.

    A key comes before a name; of several terms with one name the first by key counts.
    """
    asked = set(wanted)
    if not asked:
        return {}
    rows = (await connection.execute(_BY_KEY_OR_NAME, {"keys": sorted({text for _, text in asked})})).all()
    by_name = {(TermKind(row.kind), row.name): row.id for row in sorted(rows, key=lambda row: row.key, reverse=True)}
    known = by_name | {(TermKind(row.kind), row.key): row.id for row in rows}
    found = {term: known[term] for term in asked if term in known}
    if missing := asked - found.keys():
        found |= await _make(connection, missing)
    return found


async def find_term(database: Database, kind: TermKind, text: str) -> int | None:
    """Give the id of the term with this key; of the first with this name if no key says so; None if there is none."""
    rows = await database.fetch(_ONE, {"kind": kind.value, "text": text})
    return rows[0].id if rows else None


async def _find_by_key(connection: AsyncConnection, asked: set[TermName]) -> dict[TermName, int]:
    if not asked:
        return {}
    rows = await connection.execute(_BY_KEY, {"keys": sorted({key for _, key in asked})})
    known = {(TermKind(row.kind), row.key): row.id for row in rows}
    return {term: known[term] for term in asked if term in known}


async def _make(connection: AsyncConnection, missing: set[TermName]) -> dict[TermName, int]:
    rows = [(kind.value, key, key) for kind, key in sorted(missing)]
    made = {(TermKind(row.kind), row.key): row.id for row in await connection.execute(_INSERT, {"rows": rows})}
    await enqueue(connection, OutboxKind.TOOL, [key for kind, key in made if kind is TermKind.TOOL])
    if len(made) < len(missing):  # somebody else made one in between
        made |= await _find_by_key(connection, missing - made.keys())
    return made
