"""Immediate update of the profile vector of one viewer, within a request whose result depends on the vector."""

from db.models import OutboxKind
from db.stores import Stores
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import IndexWriter


async def refresh_profile(stores: Stores, actor_id: int) -> None:
    """Write the current profile to the active generation of the index, and to the staged generation if there is one.

    The outbox row of the change is kept, and a worker processes it within a second. So the index is also right after a
    crash, or if a worker has written an older profile meanwhile. Writes are idempotent.

    Raises `StoreUnavailable` if the index or the embedding model is unavailable; the outbox row is processed later.
    """
    documents = IndexDocumentReader(stores.database, (stores.embedder.model, stores.embedder.dimension))
    writer = IndexWriter(stores.vectors, stores.embedder)
    changes = await documents.read(OutboxKind.PROFILE, [str(actor_id)])
    staged = await stores.vectors.staged()
    generations = [None] if staged is None else [None, staged]
    await writer.remove(OutboxKind.PROFILE, changes.remove, generations)
    await writer.write({OutboxKind.PROFILE: changes}, generations)
