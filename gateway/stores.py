"""The four stores that the settings select, each behind a guard.

An engine is imported only if it is selected. Importing the clients of Weaviate and OpenAI would more than double the
start time of a command that uses the embedded stores.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from asyncpg import PostgresError
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from db import schema
from db.cache.base import Cache
from db.cache.embedded import MAX_BYTES, EmbeddedCache
from db.custom_types import synchronize_custom_types
from db.database.engine import (
    PROBE_DEADLINE_S,
    READ_DEADLINE_S,
    WRITE_DEADLINE_S,
    Database,
    database_breaker,
)
from db.embeddings.absent import AbsentEmbedder
from db.embeddings.base import Embedder
from db.embeddings.cached import CachedEmbedder
from db.embeddings.dimensions import KNOWN as KNOWN_DIMENSIONS
from db.embeddings.dimensions import SHORTENED, LearnedDimensions
from db.embeddings.prefixed import with_prefix
from db.embeddings.wordllama import WordLlamaEmbedder
from db.errors import Store, StoreMisconfigured, StoreUnavailable
from db.feed_change_notifier import FeedChangeNotifier
from db.installation import installation_id
from db.platform_inputs import EmbeddingSpace, PlatformInputs
from db.private_files import DataFile
from db.resilience import Guard, guarded
from db.stores import Stores
from db.vectors.base import VectorStore
from db.vectors.embedded import EmbeddedVectorStore
from gateway.data_folder import make_var_dir
from gateway.errors import CannotStart, os_reason
from gateway.interaction_types import read_interaction_types
from gateway.settings import Settings
from gateway.telemetry import count_embedding_cost, observe_store_call, record_circuit_state

if TYPE_CHECKING:
    from db.embeddings.openai import OpenAIEmbedder

READ_VECTORS_S, WRITE_VECTORS_S = 2.0, 30.0
"""Deadlines of calls to the vector store in seconds. Feeds have shorter deadlines. A bulk write of 100 objects may take
longer."""

READ_CACHE_S, SCAN_CACHE_S = 1.0, 30.0
"""Deadlines of the cache in seconds. Only deletions of accounts scan all keys."""

MAX_EMBEDDINGS_BYTES = 2 * 1024**3
"""Bytes of the stored embeddings of a paid model: about 350,000 embeddings of 1,536 dimensions."""

MAX_DOCUMENTS_BYTES = 32 * 1024**2
"""Bytes of the documents that clients have registered: 10,000 documents of 3 KB."""

CONNECT_TIMEOUT_S = 10.0
"""Deadline of the first query of a command, in seconds."""

_VECTOR_WRITES = ("upsert", "remove", "listing", "counts")
_WITHOUT_DEADLINE = (
    *("prepare", "faults", "unused", "drop_unused", "drop_outdated", "take_over"),
    *("stage", "staged", "publish", "discard", "scrub", "unsearchable"),
)
"""Operations on whole collections, which have no deadline here: the engines limit each of their calls."""

BATCH_READ_DEADLINE_S = 600.0
"""Deadline of a database read of jobs and commands, which read whole tables, in seconds."""

_PING = text("SELECT 1")


def _create_guarded_database(settings: Settings) -> Database:
    guard = Guard(
        Store.DATABASE,
        READ_DEADLINE_S,
        deadlines_s={"probe": PROBE_DEADLINE_S},
        breaker=database_breaker(),
        cancellation_counts_after_s=inf,  # clients hang up and sources of candidates end while a statement runs
        on_change=record_circuit_state,
        on_call=observe_store_call,
    )
    return _create_database(settings, READ_DEADLINE_S, WRITE_DEADLINE_S, guard)


def _create_database(
    settings: Settings, read_deadline_s: float, write_deadline_s: float | None = None, guard: Guard | None = None
) -> Database:
    url, pool_size = settings.effective_database_url, settings.database_pool_size
    try:
        return Database(url, pool_size, read_deadline_s, write_deadline_s, guard)
    except OSError as error:
        message = f"the folder that DATABASE_URL names cannot be made ({os_reason(error)}); name another"
        raise CannotStart(message) from None


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Open only the database. Raises `CannotStart` if it does not answer, and `InvalidRecord` for a malformed URL."""
    database = _create_database(settings, READ_DEADLINE_S)
    try:
        await require_reachable(database)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_stores(
    settings: Settings,
    *,
    read_deadline_s: float = READ_DEADLINE_S,
    is_server: bool = False,
    needs_dimension: bool = True,
) -> AsyncIterator[Stores]:
    """Open the four stores that the settings name, and close them at the end.

    The database has a circuit breaker in a server only. Jobs and commands wait for it, or end with its error.

    Raises `CannotStart` if the dimension of the embedding model must be learned from its endpoint, and the endpoint is
    unavailable. Without `needs_dimension`, only calls of the embedder then fail, and the dimension is 0.
    """
    if settings.uses_data_folder:
        make_var_dir(settings)
    documents, queries = await _create_embedders(settings, needs_dimension)
    platform = PlatformInputs(embedding_space=_platform_space(settings, documents))
    database = _create_guarded_database(settings) if is_server else _create_database(settings, read_deadline_s)
    stores = Stores(
        database=database,
        vectors=_create_vectors(settings, database),
        embedder=documents,
        cache=_create_cache(settings, DataFile.CACHE),
        query_embedder=queries,
        platform=platform,
    )
    try:
        yield stores
    finally:
        await stores.close()


@asynccontextmanager
async def open_migrated(settings: Settings, *, needs_dimension: bool = False) -> AsyncIterator[Stores]:
    """Open the stores for a command, with the database schema up to date. The index may be unavailable."""
    async with open_stores(settings, read_deadline_s=BATCH_READ_DEADLINE_S, needs_dimension=needs_dimension) as stores:
        await require_reachable(stores.database)
        await schema.migrate(stores.database)
        yield await with_custom_types(settings, stores, keeps_others=True)


@asynccontextmanager
async def open_indexed(settings: Settings) -> AsyncIterator[Stores]:
    """Open the stores for a command as `open_migrated` does, with the collections of the index in place."""
    async with open_migrated(settings, needs_dimension=True) as stores:
        if unavailable := await prepare_index(stores):
            raise unavailable
        yield stores


async def with_custom_types(settings: Settings, stores: Stores, *, keeps_others: bool = False) -> Stores:
    """Store the types of interactions that the settings configure, and return the stores with these types.

    Commands keep other types, because they may run without the settings of the server. Raises `CannotStart` if the file
    of the types cannot be used.
    """
    types = await synchronize_custom_types(
        stores.database, read_interaction_types(settings.interaction_types), keeps_others=keeps_others
    )
    return replace(stores, platform=replace(stores.platform, custom_types=types))


async def prepare_index(stores: Stores) -> StoreUnavailable | None:
    """Create missing collections of the index. Return the error if the vector store is unavailable.

    Raises `CannotStart` if the vector store can never serve these settings.
    """
    try:
        await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
    except StoreMisconfigured as error:
        raise CannotStart(error.reason) from None
    except StoreUnavailable as unavailable:
        return unavailable
    return None


async def require_reachable(database: Database) -> None:
    """Check that the database answers.

    Raises `CannotStart` with the address (without the password), the reason and the fix.
    """
    fix = "check that this user may write the file" if database.is_sqlite else "start it"
    advice = f"{fix}, or correct DATABASE_URL"
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await database.fetch(_PING)
    except StoreMisconfigured as error:
        raise CannotStart(f"the database {database.where} cannot be used: {error.reason}") from None
    except TimeoutError:
        message = f"no answer from {database.where} within {CONNECT_TIMEOUT_S:.0f} s"
        raise CannotStart(f"{message}; start it, or correct DATABASE_URL") from None
    except (StoreUnavailable, SQLAlchemyError, PostgresError, OSError, UnicodeDecodeError) as error:
        reason = error.reason.lower() if isinstance(error, StoreUnavailable) else driver_message(error)
        advice = damage_advice(reason) or advice
        raise CannotStart(f"the database {database.where} cannot be used ({reason}); {advice}") from None


def driver_message(error: Exception) -> str:
    """Return the first line of the driver's message, without SQLAlchemy's wrapping."""
    cause = getattr(error, "orig", None) or error
    line = str(cause).partition("\n")[0]
    return re.sub(r"^<class '[^']*'>: ", "", line).rstrip(".") or type(cause).__name__


def damage_advice(reason: str) -> str | None:
    """Return the advice for a reason that SQLite gives for a damaged file, or None for another reason.

    The database is never replaced, unlike the index and the cache.
    """
    is_damage = any(part in reason for part in ("not a database", "malformed", "codec can't decode"))
    return "restore a damaged file from a backup, or correct DATABASE_URL" if is_damage else None


def open_documents_cache(settings: Settings) -> Cache:
    """Open the cache of registered documents.

    Without Redis this cache has its own file. Documents are kept longer than ranking snapshots and would evict them
    from a common file.
    """
    make_var_dir(settings)
    return _create_cache(settings, DataFile.DOCUMENTS, MAX_DOCUMENTS_BYTES)


def open_feed_change_notifier(settings: Settings) -> FeedChangeNotifier:
    """Create the channel for notifications between processes, without a connection."""
    url = settings.redis_url.get_secret_value()
    if not url:
        return FeedChangeNotifier()
    from db.redis_feed_change_notifier import RedisFeedChangeNotifier

    return RedisFeedChangeNotifier(url)


def _create_cache(settings: Settings, file: DataFile, max_bytes: int = MAX_BYTES) -> Cache:
    cache: Cache
    if url := settings.redis_url.get_secret_value():
        from db.cache.redis import RedisCache

        cache = RedisCache(url)
    else:
        cache = EmbeddedCache(settings.data_file(file), max_bytes)
    return guarded(cache, _create_guard(Store.CACHE, READ_CACHE_S, dict.fromkeys(("keys", "scrub"), SCAN_CACHE_S)))


async def _create_embedders(settings: Settings, needs_dimension: bool) -> tuple[Embedder, Embedder]:
    """Create WordLlama, or the client of a paid model with a cache of its embeddings: for documents and for queries.

    The cached embeddings have their own file. They are kept for months and would evict ranking snapshots from a common
    file.
    """
    platform_model, platform_dimension = settings.project_embedding_model, settings.project_embedding_dimension
    if platform_model not in ("", settings.embedding_model):
        absent = AbsentEmbedder(platform_model, platform_dimension or 0)  # `_platform_space` requires the dimension
        return absent, absent
    if not settings.uses_embedding_endpoint:
        embedder = WordLlamaEmbedder()
        return embedder, embedder
    client = _create_openai(settings)
    if not client.dimension:
        try:
            await client.learn_dimension()
        except StoreUnavailable as error:
            await client.close()
            if needs_dimension:
                raise _dimension_unknown(error) from None
            absent = AbsentEmbedder(settings.embedding_model, (platform_model and platform_dimension) or 0, error)
            return absent, absent
    cache = _create_cache(settings, DataFile.EMBEDDINGS, MAX_EMBEDDINGS_BYTES)
    cached = CachedEmbedder(guarded(client, _create_guard(Store.EMBEDDINGS, None)), cache)
    return (
        with_prefix(cached, settings.embedding_document_prefix),
        with_prefix(cached, settings.embedding_query_prefix),
    )


def _platform_space(settings: Settings, own: Embedder) -> EmbeddingSpace | None:
    """Return the space of the embeddings that the platform sends; `own` is the embedder of documents.

    Raises `CannotStart` if it is the configured model with another dimension.
    """
    model, dimension = settings.project_embedding_model, settings.project_embedding_dimension
    if not model:
        return None
    if dimension is None or (model == settings.embedding_model and dimension != own.dimension):
        expected = own.dimension if model == settings.embedding_model else "the number of components of its vectors"
        raise CannotStart(f"PROJECT_EMBEDDING_MODEL is {model}: set PROJECT_EMBEDDING_DIMENSION to {expected}", 2)
    return EmbeddingSpace(model, dimension)


def _dimension_unknown(error: StoreUnavailable) -> CannotStart:
    advice = "" if isinstance(error, StoreMisconfigured) else "; start the endpoint, or set EMBEDDING_DIMENSION"
    return CannotStart(
        f"the dimension of the embedding model must be learned from its endpoint: {error.reason}{advice}"
    )


def _create_openai(settings: Settings) -> "OpenAIEmbedder":
    """Create the client of the embedding endpoint. Its dimension is 0 if it must be learned; then it is remembered."""
    from db.embeddings.openai import BASE_URL, OpenAIEmbedder

    model, base_url = settings.weaviate_embedding_model, settings.openai_base_url or BASE_URL
    learned = LearnedDimensions(settings.data_file(DataFile.DIMENSIONS))
    known = settings.embedding_dimension or learned.get(model, base_url) or KNOWN_DIMENSIONS.get(model)
    return OpenAIEmbedder(
        _secret(settings.openai_api_key) or "",
        model=model,
        dimension=known,
        base_url=base_url,
        send_dimension=settings.embedding_dimension is not None and SHORTENED in model,
        dollars_per_million=settings.embedding_dollars_per_million,
        on_usage=count_embedding_cost,
        on_dimension=None if settings.embedding_dimension else partial(learned.put, model, base_url),
    )


def _create_vectors(settings: Settings, database: Database) -> VectorStore:
    path = settings.data_file(DataFile.VECTORS)
    store: VectorStore = _create_weaviate(settings, database) if settings.weaviate_url else EmbeddedVectorStore(path)
    deadlines = dict.fromkeys(_VECTOR_WRITES, WRITE_VECTORS_S) | dict.fromkeys(_WITHOUT_DEADLINE, None)
    return guarded(store, _create_guard(Store.VECTORS, READ_VECTORS_S, deadlines))


def _create_guard(
    store: Store, deadline_s: float | None, deadlines_s: Mapping[str, float | None] | None = None
) -> Guard:
    return Guard(store, deadline_s, deadlines_s=deadlines_s, on_change=record_circuit_state, on_call=observe_store_call)


def _create_weaviate(settings: Settings, database: Database) -> VectorStore:
    from db.vectors.weaviate import Address, Layout, WeaviateVectorStore

    openai_key = _secret(settings.openai_api_key)
    key = _secret(settings.weaviate_api_key)
    address = Address(settings.weaviate_url, settings.weaviate_grpc_url, key, openai_key)
    layout = Layout(
        settings.weaviate_replicas,
        settings.weaviate_shards,
        openai_vectorizer=openai_key is not None,
        ef=settings.weaviate_ef,
        ef_construction=settings.weaviate_ef_construction,
        max_connections=settings.weaviate_max_connections,
    )
    return WeaviateVectorStore(
        address,
        layout,
        batch_size=settings.weaviate_batch_size,
        prefix=settings.weaviate_prefix and f"{settings.weaviate_prefix}_",
        installation=partial(installation_id, database),
    )


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
