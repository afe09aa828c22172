"""The tags that an import sets on actors, kept apart from those made by hand, in the quiz or by learning."""

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.terms import TermName, terms_by_key_or_name
from db.database.batches import batch, columns_of, upsert_batch
from db.database.column_types import IntegerList, in_list
from db.models import RemovedInterest, TagSource, UserTag, now
from db.records import TagRecord

_STORED = select(UserTag.actor_id, UserTag.term_id, UserTag.confidence, UserTag.source).where(
    in_list(UserTag.actor_id, bindparam("ids", type_=IntegerList()))
)
_TAKEN_AWAY = select(RemovedInterest.actor_id, RemovedInterest.term_id).where(
    in_list(RemovedInterest.actor_id, bindparam("ids", type_=IntegerList()))
)
_gone = batch(columns_of(UserTag, "actor_id", "term_id")).subquery("gone")
_DELETE = delete(UserTag).where(
    tuple_(UserTag.actor_id, UserTag.term_id).in_(select(_gone.c.actor_id, _gone.c.term_id))
)
_UPSERT = upsert_batch(
    UserTag, "actor_id", "term_id", "confidence", "source", "created_at", "updated_at",
    key=["actor_id", "term_id"], keep=["created_at"],
)  # fmt: skip

_SAME = 1e-9
"""Two confidences this close are one: SQLite reads a number out of JSON to the last bit but one."""


async def replace_imported_tags(connection: AsyncConnection, tags: Mapping[int, Sequence[TagRecord]]) -> set[int]:
    """Make these the imported tags of each actor; give the actors for whom that changed anything.

    Of several tags of an actor that name one term, the last counts. A term that the actor has a tag for from another
    source keeps that tag, and one that the actor has taken away gets none. The caller holds the actors' rows.
    """
    wanted = await _wanted(connection, tags)
    imported: dict[tuple[int, int], float] = {}
    for row in await connection.execute(_STORED, {"ids": sorted(tags)}):
        if row.source == TagSource.IMPORTED:
            imported[row.actor_id, row.term_id] = row.confidence
        else:
            wanted.pop((row.actor_id, row.term_id), None)
    if wanted:
        taken_away = await connection.execute(_TAKEN_AWAY, {"ids": sorted({actor_id for actor_id, _ in wanted})})
        for actor_id, term_id in taken_away:
            wanted.pop((actor_id, term_id), None)
    gone = sorted(imported.keys() - wanted.keys())
    if gone:
        await connection.execute(_DELETE, {"rows": gone})
    moved = sorted(pair for pair, confidence in wanted.items() if not _is_same(imported.get(pair), confidence))
    if moved:
        at, source = now(), TagSource.IMPORTED.value
        await connection.execute(_UPSERT, {"rows": [(*pair, wanted[pair], source, at, at) for pair in moved]})
    return {actor_id for actor_id, _ in (*gone, *moved)}


async def _wanted(connection: AsyncConnection, tags: Mapping[int, Sequence[TagRecord]]) -> dict[tuple[int, int], float]:
    names: set[TermName] = {(tag.kind, tag.name) for given in tags.values() for tag in given}
    terms = await terms_by_key_or_name(connection, names)
    return {(actor_id, terms[tag.kind, tag.name]): tag.confidence for actor_id, given in tags.items() for tag in given}


def _is_same(stored: float | None, wanted: float) -> bool:
    return stored is not None and abs(stored - wanted) < _SAME
