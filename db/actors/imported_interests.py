"""Writes of imported interests. Interests of other sources are not changed."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.interest_rows import replace_interests
from db.catalog.terms import TermName, terms_by_key_or_name
from db.models import TagSource
from db.records import TagRecord

_TOLERANCE = 1e-9
"""Rounding error of SQLite when it reads a number from JSON."""


async def replace_imported_tags(connection: AsyncConnection, tags: Mapping[int, Sequence[TagRecord]]) -> set[int]:
    """Replace the imported interests of actors; return the ids of the actors whose interests changed.

    The caller has locked the actors. If several tags of an actor refer to one term, the last tag is stored.
    """
    names: set[TermName] = {(tag.kind, tag.name) for records in tags.values() for tag in records}
    terms = await terms_by_key_or_name(connection, names)
    confidences = {
        (actor, terms[tag.kind, tag.name]): tag.confidence for actor, records in tags.items() for tag in records
    }
    return await replace_interests(connection, TagSource.IMPORTED, tags.keys(), confidences, _TOLERANCE)
