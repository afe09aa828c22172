"""Bringing one viewer's profile vector up to date now, for a request whose answer depends on it."""

from db.embeddings.base import Embedder
from db.models import OutboxKind
from db.stores import Stores
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import IndexWriter


async def refresh_profile(stores: Stores, actor_id: int) -> None:
    """Write the profile as the truth has it now into the index, and into one that is being built beside it.

    The outbox row that the truth's change left stays, so that a crash, or a worker that wrote what it had read before
    the change, is put right within the second: writing twice changes nothing.

    Raises
    ------
    StoreUnavailable
        If the index or the embedding model is away; the outbox does it later.
    """
    documents, writer = (
        IndexDocumentReader(stores.database, _space(stores.embedder)),
        IndexWriter(stores.vectors, stores.embedder),
    )
    work = await documents.read(OutboxKind.PROFILE, [str(actor_id)])
    staged = await stores.vectors.staged()
    generations = [None] if staged is None else [None, staged]
    await writer.remove(OutboxKind.PROFILE, work.remove, generations)
    await writer.write({OutboxKind.PROFILE: work}, generations)


def _space(embedder: Embedder) -> tuple[str, int]:
    return embedder.model, embedder.dimension
