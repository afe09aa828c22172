"""Interests that an import sets, kept apart from those of other sources."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.interest_rows import replace_interests
from db.catalog.terms import TermName, terms_by_key_or_name
from db.models import TagSource
from db.records import TagRecord

_TOLERANCE = 1e-9
"""SQLite reads a number out of JSON to the last bit but one."""


async def replace_imported_tags(connection: AsyncConnection, tags: Mapping[int, Sequence[TagRecord]]) -> set[int]:
    """Replace the imported interests of each actor, who must be locked; return the actors whose interests changed.

    Of several tags of an actor that name one term, the last counts.
    """
    names: set[TermName] = {(tag.kind, tag.name) for given in tags.values() for tag in given}
    terms = await terms_by_key_or_name(connection, names)
    wanted = {(actor, terms[tag.kind, tag.name]): tag.confidence for actor, given in tags.items() for tag in given}
    return await replace_interests(connection, TagSource.IMPORTED, tags.keys(), wanted, _TOLERANCE)
