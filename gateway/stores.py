"""Which store is which: reads the settings and opens the four stores, each behind a guard.

An engine is imported when it is chosen: the clients of Weaviate and OpenAI are over half of what a command on the
embedded defaults would otherwise take to start.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from db.cache.base import Cache
from db.cache.embedded import MAX_BYTES, EmbeddedCache
from db.database.engine import Database
from db.embeddings.base import Embedder
from db.embeddings.cached import CachedEmbedder
from db.embeddings.wordllama import WordLlamaEmbedder
from db.errors import Store
from db.feed_change_notifier import FeedChangeNotifier
from db.resilience import Guard, guarded
from db.stores import Stores
from db.vectors.base import VectorStore
from db.vectors.embedded import EmbeddedVectorStore
from gateway.errors import CannotStart
from gateway.limits.rate_limits import RateLimitStore
from gateway.settings import Settings, make_var_dir
from gateway.telemetry import count_embedding_cost, observe_store_call, record_circuit_state

READING_VECTORS_S, WRITING_VECTORS_S = 2.0, 30.0
"""Deadlines of the vector store. A feed waits less for a source; a bulk write of 100 objects may wait for its turn."""

READING_CACHE_S = 1.0
SEARCHING_CACHE_S = 30.0
"""For what looks at every key; only deletions of people do."""

EMBEDDINGS_KEPT_BYTES = 2 * 1024**3
"""Of embeddings that were paid for: some 350,000 of 1,536 components."""

DOCUMENTS_KEPT_BYTES = 32 * 1024**2
"""Of documents that clients have registered: 10,000 of 3 KB."""

_WRITES = ("upsert", "remove", "listing", "counts")
_UNBOUNDED = ("prepare", "stage", "staged", "publish", "discard", "scrub")
"""What makes, swaps and scrubs whole collections takes as long as it takes; the engines bound their own calls."""


def connect_database(settings: Settings) -> Database:
    """Make the connection to the truth; nothing is asked yet.

    Raises
    ------
    CannotStart
        If the folder of an SQLite file cannot be made.
    InvalidRecord
        If the URL is none.
    """
    try:
        return Database(settings.effective_database_url, settings.database_pool_size)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise CannotStart(f"the folder that DATABASE_URL names cannot be made ({reason}); name another") from None


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open the four stores that the settings name, and close them at the end."""
    folder = make_var_dir(settings) if settings.uses_data_folder else settings.var_dir
    stores = Stores(
        database=connect_database(settings),
        vectors=_vectors(settings, folder),
        embedder=_embedder(settings, folder),
        cache=_cache(settings, folder / "cache.sqlite"),
    )
    try:
        yield stores
    finally:
        await stores.close()


def open_documents_cache(settings: Settings) -> Cache:
    """Give the cache of registered documents.

    Without Redis it is a file of its own: documents outlive rankings, and would drive them out of theirs.
    """
    return _cache(settings, make_var_dir(settings) / "documents.sqlite", DOCUMENTS_KEPT_BYTES)


def _cache(settings: Settings, file: Path, max_bytes: int = MAX_BYTES) -> Cache:
    url = settings.redis_url.get_secret_value()
    cache = _redis(url) if url else EmbeddedCache(file, max_bytes)
    deadlines = dict.fromkeys(("keys", "scrub"), SEARCHING_CACHE_S)
    return guarded(cache, _guard(Store.CACHE, READING_CACHE_S, deadlines))


def redis_rate_limit_store(cache: Cache) -> RateLimitStore:
    """Count what callers spend on the cache's own connections to Redis, behind its guard."""
    from gateway.limits.redis_rate_limits import RedisRateLimitStore

    return RedisRateLimitStore(cache)  # type: ignore[arg-type]  # of Redis, where the settings say so


def _redis(url: str) -> Cache:
    from db.cache.redis import RedisCache

    return RedisCache(url)


def open_feed_change_notifier(settings: Settings) -> FeedChangeNotifier:
    """Choose how processes tell each other that something was written; nothing is connected yet."""
    url = settings.redis_url.get_secret_value()
    if not url:
        return FeedChangeNotifier()
    from db.redis_feed_change_notifier import RedisFeedChangeNotifier

    return RedisFeedChangeNotifier(url)


def _embedder(settings: Settings, folder: Path) -> Embedder:
    """Choose WordLlama, which is free and at hand, or a model behind an endpoint, each text of which is paid once.

    What was paid for is kept in a file of its own: it lives for months, and would drive the rankings out of theirs.
    """
    if settings.openai_api_key is None and not settings.openai_base_url:
        return WordLlamaEmbedder()
    kept = _cache(settings, folder / "embeddings.sqlite", EMBEDDINGS_KEPT_BYTES)
    return CachedEmbedder(guarded(_openai(settings), _guard(Store.EMBEDDINGS, None)), kept)


def _openai(settings: Settings) -> Embedder:
    from db.embeddings.openai import BASE_URL, OpenAIEmbedder

    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    return OpenAIEmbedder(
        key,
        model=settings.weaviate_embedding_model,
        dimension=settings.embedding_dimension,
        base_url=settings.openai_base_url or BASE_URL,
        dollars_per_million=settings.embedding_dollars_per_million,
        on_usage=count_embedding_cost,
    )


def _vectors(settings: Settings, folder: Path) -> VectorStore:
    embedded = not settings.weaviate_url
    store: VectorStore = EmbeddedVectorStore(folder / "vectors.sqlite") if embedded else _weaviate(settings)
    deadlines = dict.fromkeys(_WRITES, WRITING_VECTORS_S) | dict.fromkeys(_UNBOUNDED, None)
    return guarded(store, _guard(Store.VECTORS, READING_VECTORS_S, deadlines))


def _guard(store: Store, deadline_s: float | None, deadlines_s: Mapping[str, float | None] | None = None) -> Guard:
    return Guard(store, deadline_s, deadlines_s=deadlines_s, on_change=record_circuit_state, on_call=observe_store_call)


def _weaviate(settings: Settings) -> VectorStore:
    from db.vectors.weaviate import Address, Layout, WeaviateVectorStore

    openai_key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    address = Address(
        settings.weaviate_url,
        settings.weaviate_grpc_url,
        settings.weaviate_api_key.get_secret_value() if settings.weaviate_api_key else None,
        openai_key,
    )
    layout = Layout(settings.weaviate_replicas, settings.weaviate_shards, openai_vectorizer=openai_key is not None)
    return WeaviateVectorStore(address, layout, batch_size=settings.weaviate_batch_size)
