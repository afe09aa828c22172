"""Resolution of a request's document: by text, by the id of a trusted document, or by the hash of a registered one."""

import re
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from gateway.documents.document import DocumentRefused
from gateway.documents.graphql_request import GraphQLRequest, bad_request
from gateway.documents.persisted_queries import PersistedQueries, digest
from gateway.documents.trusted_documents import TrustedDocuments, load_trusted_documents, without_hash_name
from gateway.errors import RequestRefused
from gateway.settings import Settings
from gateway.stores import open_documents_cache

MAX_ID = 256
"""Characters of the longest id of a document: a SHA-512 in hexadecimal has 128."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ResolvedDocument:
    """The text of a request's document, and whether the request also registers it."""

    text: str
    to_register: bool = False


class DocumentResolver:
    """Finds the text of a request's document.

    `persisted` is None if clients may not register documents. With `trusted_only` viewers may run only trusted
    documents.
    """

    def __init__(
        self, trusted: TrustedDocuments, persisted: PersistedQueries | None, *, trusted_only: bool = False
    ) -> None:
        self._trusted = trusted
        self._persisted = persisted
        self._trusted_only = trusted_only

    async def find(self, request: GraphQLRequest, *, may_run_any: bool) -> ResolvedDocument:
        """Return the text. With `may_run_any` the caller may run untrusted documents even if viewers may not.

        Raises `RequestRefused` if the request names no document or two, or the caller may not run the document. Raises
        `DocumentRefused` if the document is unknown. An Apollo client then sends the text.
        """
        document_id, is_apollo = _document_id(request)
        if document_id is not None:
            trusted = self._trusted.text(document_id)
            if trusted is not None and request.query in (None, trusted):
                return ResolvedDocument(trusted)
        if request.query is not None and request.query in self._trusted:
            return ResolvedDocument(request.query)
        if self._trusted_only and not may_run_any:
            raise RequestRefused(403, "DOCUMENT_NOT_TRUSTED", _NOT_TRUSTED)
        if document_id is None:
            return ResolvedDocument(_require_query(request.query))
        if request.query is None:
            return ResolvedDocument(await self._registered(without_hash_name(document_id), is_apollo=is_apollo))
        if digest(request.query) != without_hash_name(document_id):
            raise RequestRefused(400, "PERSISTED_QUERY_HASH_MISMATCH", _MISMATCH)
        return ResolvedDocument(request.query, to_register=self._persisted is not None)

    async def register(self, resolved: ResolvedDocument) -> None:
        """Store a document under its hash, if the request registers it. Call this only with a valid document."""
        if resolved.to_register and self._persisted is not None:
            await self._persisted.register(resolved.text)

    async def close(self) -> None:
        """Close the cache."""
        if self._persisted is not None:
            await self._persisted.close()

    async def _registered(self, hash_: str, *, is_apollo: bool) -> str:
        if self._persisted is None and is_apollo:
            raise _apollo_error("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        if self._persisted is not None and _SHA256.fullmatch(hash_):
            text = await self._persisted.text(hash_)
            if text is not None:
                return text
        if is_apollo:
            raise _apollo_error("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
        raise RequestRefused(404, "PERSISTED_QUERY_NOT_FOUND", _UNKNOWN)


def document_resolver(settings: Settings) -> DocumentResolver:
    """Create the resolver of the settings. Raises `CannotStart` if the manifest cannot be used."""
    trusted_only = settings.trusted_documents_only
    persisted = None
    if settings.persisted_queries and not trusted_only:
        max_bytes = settings.persisted_query_max_kb * 1024
        persisted = PersistedQueries(open_documents_cache(settings), settings.persisted_query_ttl_s, max_bytes)
    return DocumentResolver(load_trusted_documents(settings), persisted, trusted_only=trusted_only)


_NOT_TRUSTED = (
    "This gateway runs only the documents of its manifest. Name one of them by documentId, or by "
    "extensions.persistedQuery.sha256Hash."
)
_MISMATCH = "The SHA-256 in extensions.persistedQuery is not the hash of the query. Hash the sent text in UTF-8."
_UNKNOWN = "This gateway has no document with this documentId. Send the query itself, or add it to the manifest."


def _apollo_error(message: str, code: str) -> DocumentRefused:
    """Return the error with the exact message and code that Apollo Client and urql expect."""
    return DocumentRefused([GraphQLError(message, extensions={"code": code})])


def _document_id(request: GraphQLRequest) -> tuple[str | None, bool]:
    """Return the id of the document, and whether it came by Apollo's protocol."""
    hash_ = _apollo_hash((request.extensions or {}).get("persistedQuery"))
    if request.document_id is None:
        return hash_, hash_ is not None
    if request.query is not None or hash_ is not None:
        raise bad_request("Name the document once: by documentId, or else by query.")
    return _check_id_length(request.document_id), False


def _apollo_hash(persisted: Any) -> str | None:
    match persisted:
        case None:
            return None
        case {"version": 1, "sha256Hash": str(hash_)} if hash_:
            return _check_id_length(hash_)
    raise bad_request('The extension persistedQuery must be {"version": 1, "sha256Hash": "…"}.')


def _check_id_length(document_id: str) -> str:
    if len(document_id) > MAX_ID:
        raise bad_request(f"The id of a document has at most {MAX_ID} characters.")
    return document_id


def _require_query(query: str | None) -> str:
    if query is None:
        raise bad_request('The request has no query. Send it as a string, as in {"query": "{ __typename }"}.')
    return query
