"""Settings of the stores and of embeddings."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings
from sqlalchemy.engine import URL

from db.embeddings.wordllama import MODEL as WORDLLAMA
from db.private_files import DataFile
from db.vectors.base import KINDS
from db.vectors.hnsw import DEFAULT_EF, DEFAULT_EF_CONSTRUCTION, DEFAULT_MAX_CONNECTIONS
from gateway.setting_fields import StoredName, number


def _absolute(value: Path) -> Path:
    """Resolve a folder once, so that every message shows its full path."""
    try:
        folder = value.expanduser().absolute()
        str(folder).encode()  # the address of the database is text
    except RuntimeError:  # the home of an unknown user
        raise ValueError("names an unknown user") from None
    return folder


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueError("is zero")
    return value


def _no_kind(value: str) -> str:
    """Refuse a prefix that is the first part of every name without a prefix."""
    if value.lower() in (kind.lower() for kind in KINDS):
        raise ValueError("is a kind of collection")
    return value


class StoreSettings(BaseSettings):
    """Addresses of the stores, the index and the embedding model. Part of `gateway.settings.Settings`."""

    database_url: str = Field(
        "",
        description="The database: sqlite:///path or postgresql://user:password@host/name, followed by "
        "?pgbouncer=true if it leads to PgBouncer. docs/operations.md lists the other parameters. Empty: the file "
        "explore.sqlite in VAR_DIR.",
        repr=False,  # may hold a password
    )
    database_pool_size: int = number(
        5, 1, 100, "Maximum database connections of each process; on PostgreSQL, pages have as many of their own."
    )
    columns_max_mb: int = number(
        1_000,
        0,
        1_000_000,
        "Maximum megabytes of memory in which each server process keeps the projects and recent interactions that "
        "rankings read. Beyond them, and at 0, rankings read the database, which takes about three times as long.",
    )
    var_dir: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path("var"),
        description="The data folder: embedded stores and the signing secret, readable by its owner only. A relative "
        "path starts at the current folder, where a file .env lies too. The commands serve, import, demo and migrate "
        "create it.",
    )
    weaviate_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="Weaviate's REST address, as in http://weaviate:8080. Empty: the embedded index in VAR_DIR.",
        repr=False,  # may hold a password
    )
    weaviate_grpc_url: str = Field(
        "",
        description="Weaviate's gRPC address, as in weaviate:50051. Empty: the host of WEAVIATE_URL, port 50051.",
        repr=False,  # may hold a password
    )
    weaviate_api_key: SecretStr | None = Field(None, description="Weaviate's API key, if it requires one.")
    weaviate_prefix: Annotated[str, AfterValidator(_no_kind)] = Field(
        "",
        pattern=r"^([A-Za-z][A-Za-z0-9]{0,39})?$",
        description="Start of the names of this installation's collections, of letters and digits, where several "
        "installations share a Weaviate. Not Project, UserProfile or Tool. Empty: none. After a change the index is "
        "built anew.",
    )
    weaviate_batch_size: int = number(100, 1, 10_000, "Maximum objects in one write to Weaviate.")
    weaviate_replicas: int = number(1, 1, 100, "Copies of each object in new Weaviate collections.")
    weaviate_shards: int | None = number(None, 1, 1_000, "Shards of each new Weaviate collection. Unset: one per node.")
    weaviate_ef: Annotated[int, AfterValidator(_not_zero)] = number(
        DEFAULT_EF,
        -1,
        10_000,
        "Candidates of each vector search in new Weaviate collections: more find more of the nearest vectors, and take "
        "longer. -1: decided by the server, from 100 to 500; 0 is refused.",
    )
    weaviate_ef_construction: int = number(
        DEFAULT_EF_CONSTRUCTION,
        4,
        10_000,
        "Candidates for the edges of each vector that new Weaviate collections insert.",
    )
    weaviate_max_connections: int = number(
        DEFAULT_MAX_CONNECTIONS, 4, 2_047, "Edges of each vector in new Weaviate collections."
    )
    weaviate_embedding_model: StoredName = Field(
        "text-embedding-3-small",
        min_length=1,
        description="The embedding model behind OPENAI_API_KEY or OPENAI_BASE_URL. Without them WordLlama embeds.",
    )
    embedding_dimension: int | None = number(
        None,
        1,
        65_535,
        "Dimensions that WEAVIATE_EMBEDDING_MODEL is asked for, if it can shorten its vectors. Unset: the model's own, "
        "which is learned from the endpoint.",
    )
    embedding_query_prefix: str = Field(
        "",
        max_length=1_000,
        description="The text that WEAVIATE_EMBEDDING_MODEL wants before a search, as in 'query: ' for e5. In a file "
        ".env and in a shell it needs quotes for its blank. A change embeds later searches anew.",
    )
    embedding_document_prefix: str = Field(
        "",
        max_length=1_000,
        description="The text that WEAVIATE_EMBEDDING_MODEL wants before a project, tool or profile, as in 'passage: ' "
        "for e5. A change requires `explore reindex`, which embeds everything anew.",
    )
    project_embedding_model: StoredName = Field(
        "",
        description="The model of the embeddings that the platform sends with projects, in place of the gateway's own. "
        "Unless WEAVIATE_EMBEDDING_MODEL is the same, searches use keywords only. Empty: projects bring no embeddings.",
    )
    project_embedding_dimension: int | None = number(
        None, 1, 65_535, "Dimensions of the vectors of PROJECT_EMBEDDING_MODEL."
    )
    embedding_dollars_per_million: float = Field(
        0.02, ge=0, description="Dollars per million tokens of WEAVIATE_EMBEDDING_MODEL, for the metric of the cost."
    )
    openai_api_key: SecretStr | None = Field(
        None,
        description="The key for OpenAI's embeddings. Unset, and no OPENAI_BASE_URL: WordLlama embeds, free and local.",
    )
    openai_base_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="An endpoint that implements OpenAI's /v1/embeddings, as in http://ollama:11434/v1. Empty: OpenAI.",
        repr=False,  # may hold a password
    )
    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis or Redis Cluster, as in redis://redis:6379/0. Empty: a cache file in VAR_DIR."
    )

    @property
    def effective_database_url(self) -> str:
        """The URL of the database, with the default filled in."""
        path = str(self.data_file(DataFile.DATABASE))
        return self.database_url or URL.create("sqlite", database=path).render_as_string(hide_password=False)

    def data_file(self, file: DataFile) -> Path:
        """Return the path of a file in the data folder."""
        return self.var_dir / file

    @property
    def embedding_model(self) -> str:
        """Name of the model that embeds texts."""
        return self.weaviate_embedding_model if self.uses_embedding_endpoint else WORDLLAMA

    @property
    def uses_embedding_endpoint(self) -> bool:
        """Whether WEAVIATE_EMBEDDING_MODEL embeds; otherwise WordLlama does."""
        return self.openai_api_key is not None or bool(self.openai_base_url)

    @property
    def uses_data_folder(self) -> bool:
        """Whether VAR_DIR holds a store, because not every store is a server."""
        return not (self.database_url and self.weaviate_url and self.redis_url.get_secret_value())
