"""Settings of GraphQL documents: introspection, persisted queries, trusted documents and public caching."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings


class DocumentSettings(BaseSettings):
    """Documents that may run, and caching of their answers. Part of `gateway.settings.Settings`."""

    introspection: bool = Field(
        True,
        description="Whether clients may query the schema (`__schema`, `__type`) and errors suggest names of fields: "
        "on or off. GraphiQL shows no documentation while it is off.",
    )
    persisted_queries: bool = Field(
        True,
        description="Whether a client may register a document and send only its hash from then on (automatic "
        "persisted queries): on or off.",
    )
    persisted_query_ttl_s: int = Field(
        86_400,
        ge=60,
        le=31_536_000,
        description="Seconds for which a registered document is kept after its last use, 60 to 31536000.",
    )
    persisted_query_max_kb: int = Field(
        32, ge=1, le=1_024, description="Kilobytes of the longest document that can be registered, 1 to 1024."
    )
    trusted_documents: Path | None = Field(
        None,
        description="A manifest of documents that clients name by id: persisted-documents.json of graphql-codegen, "
        "the file of relay-compiler, or Apollo's persisted-query-manifest.json. Unset: none.",
    )
    trusted_documents_only: bool = Field(
        False,
        description="Whether viewers may run only the documents of TRUSTED_DOCUMENTS: on or off. The roles service and "
        "administrator may run any.",
    )
    public_cache_s: int = Field(
        0,
        ge=0,
        le=86_400,
        description="Seconds for which a cache or CDN may serve an answer that is the same for everybody, 0 to 86400. "
        "0: it must revalidate the answer each time, so that deleted projects never show.",
    )
