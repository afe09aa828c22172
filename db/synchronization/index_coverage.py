"""Comparison of the numbers of documents in the index and in the database: a few counts, many times an hour."""

from sqlalchemy.exc import SQLAlchemyError

from db import outbox
from db.errors import StoreUnavailable
from db.models import OutboxKind
from db.stores import Stores
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import COLLECTIONS
from db.vectors.coverage import MAX_MISSING, Shortfall

COUNTED = (OutboxKind.PROJECT, OutboxKind.TOOL)
"""Profiles are not counted, because actors without any known preference have none."""


async def find_shortfall(stores: Stores) -> Shortfall | None:
    """Return the counts of a kind of which the index holds too few or too many documents, or None.

    A small difference is compared again: of a few projects, one that is written between two counts is a large share.
    """
    found = await _compare_counts(stores)
    if found is not None and abs(found.total - found.indexed) <= MAX_MISSING:
        found = await _compare_counts(stores)
    return found


async def _compare_counts(stores: Stores) -> Shortfall | None:
    documents = IndexDocumentReader(stores.database, (stores.embedder.model, stores.embedder.dimension))
    # In this order a new document is in the outbox or in the index, so a write in between is never counted as missing.
    totals = {kind: await documents.total(kind) for kind in COUNTED}
    rows = await outbox.count_rows(stores.database)
    indexed = await stores.vectors.counts()
    for kind in COUNTED:
        waiting, dead = rows.get(kind, (0, 0))
        found = Shortfall(kind.value, totals[kind], indexed[COLLECTIONS[kind]], waiting, dead)
        if found.is_large:
            return found
    return None


async def update_coverage(stores: Stores) -> None:
    """Store in `stores.coverage` whether the index may be searched; without an answer, its last state stays."""
    try:
        stores.coverage.shortfall = await find_shortfall(stores)
    except (StoreUnavailable, SQLAlchemyError, OSError):  # calls of requests report it
        return
