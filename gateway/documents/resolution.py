"""How a request names its document: by its text, by the id of a trusted one, or by the hash of a registered one."""

import re
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from gateway.documents.document import DocumentRefused
from gateway.documents.persisted_queries import PersistedQueries, digest
from gateway.documents.trusted_documents import TrustedDocuments, bare, trusted_documents
from gateway.errors import RequestRefused
from gateway.graphql_http.request_parsing import GraphQLRequest
from gateway.settings import Settings
from gateway.stores import open_documents_cache

LONGEST_ID = 256
"""Characters of the longest id of a document: a SHA-512 in hexadecimal has 128."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ResolvedDocument:
    """The text of a request's document.

    Attributes
    ----------
    text
        The document.
    to_register
        Whether the client asks to be able to name it by its hash from now on.
    """

    text: str
    to_register: bool = False


class DocumentResolver:
    """Finds the text of a request's document.

    Parameters
    ----------
    trusted
        The documents of the manifest.
    persisted
        What clients have registered; None if they may not.
    trusted_only
        Whether viewers may run trusted documents only.
    """

    def __init__(
        self, trusted: TrustedDocuments, persisted: PersistedQueries | None, *, trusted_only: bool = False
    ) -> None:
        self._trusted = trusted
        self._persisted = persisted
        self._trusted_only = trusted_only

    async def find(self, asked: GraphQLRequest, *, may_run_any: bool) -> ResolvedDocument:
        """Give the text.

        Parameters
        ----------
        asked
            The request.
        may_run_any
            Whether the caller may run what is not trusted even where viewers may not.

        Raises
        ------
        RequestRefused
            If the request names no document, or two, or one that the caller may not run.
        DocumentRefused
            If the document is not known here: an Apollo client sends it whole then.
        """
        document_id, is_apollo = _document_id(asked)
        if document_id is not None:
            trusted = self._trusted.text(document_id)
            if trusted is not None and asked.query in (None, trusted):
                return ResolvedDocument(trusted)
        if asked.query is not None and self._trusted.holds(asked.query):
            return ResolvedDocument(asked.query)
        if self._trusted_only and not may_run_any:
            raise RequestRefused(403, "DOCUMENT_NOT_TRUSTED", _ONLY_TRUSTED)
        if document_id is None:
            return ResolvedDocument(_required(asked.query))
        if asked.query is None:
            return ResolvedDocument(await self._registered(bare(document_id), is_apollo=is_apollo))
        if digest(asked.query) != bare(document_id):
            raise RequestRefused(400, "PERSISTED_QUERY_HASH_MISMATCH", _MISMATCH)
        return ResolvedDocument(asked.query, to_register=self._persisted is not None)

    async def register(self, named: ResolvedDocument) -> None:
        """Keep a document for its hash, if its client asked for that. Call it when the document has proved valid."""
        if named.to_register and self._persisted is not None:
            await self._persisted.register(named.text)

    async def close(self) -> None:
        """Let go of the cache."""
        if self._persisted is not None:
            await self._persisted.close()

    async def _registered(self, hash_: str, *, is_apollo: bool) -> str:
        if self._persisted is None and is_apollo:
            raise _as_apollo_says("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        if self._persisted is not None and _SHA256.fullmatch(hash_):
            text = await self._persisted.text(hash_)
            if text is not None:
                return text
        if is_apollo:
            raise _as_apollo_says("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
        raise RequestRefused(404, "PERSISTED_QUERY_NOT_FOUND", _UNKNOWN)


def document_resolver(settings: Settings) -> DocumentResolver:
    """Make what the settings say; a document that is registered lies in the cache.

    Raises
    ------
    CannotStart
        If the manifest cannot be used.
    """
    only = settings.trusted_documents_only
    persisted = None
    if settings.persisted_queries and not only:
        most = settings.persisted_query_max_kb * 1024
        persisted = PersistedQueries(open_documents_cache(settings), settings.persisted_query_ttl_s, most)
    return DocumentResolver(trusted_documents(settings), persisted, trusted_only=only)


_ONLY_TRUSTED = (
    "This gateway runs only the documents of its manifest. Name one of them by documentId, or by "
    "extensions.persistedQuery.sha256Hash."
)
_MISMATCH = "The SHA-256 in extensions.persistedQuery is not that of the query. Hash the text as it is sent, in UTF-8."
_UNKNOWN = "No document has this documentId here. Send the query itself, or add it to the gateway's manifest."


def _as_apollo_says(message: str, code: str) -> DocumentRefused:
    """Refuse with the very words by which Apollo's and urql's clients know what to do next."""
    return DocumentRefused([GraphQLError(message, extensions={"code": code})])


def _document_id(asked: GraphQLRequest) -> tuple[str | None, bool]:
    """Give the id of the document, and whether it came by Apollo's protocol."""
    hash_ = _apollo_hash((asked.extensions or {}).get("persistedQuery"))
    if asked.document_id is None:
        return hash_, hash_ is not None
    if asked.query is not None or hash_ is not None:
        raise RequestRefused(400, "BAD_REQUEST", "Name the document once: by documentId, or else by query.")
    return _short(asked.document_id), False


def _apollo_hash(persisted: Any) -> str | None:
    match persisted:
        case None:
            return None
        case {"version": 1, "sha256Hash": str(hash_)} if hash_:
            return _short(hash_)
    message = 'The extension persistedQuery must be {"version": 1, "sha256Hash": "…"}.'
    raise RequestRefused(400, "BAD_REQUEST", message)


def _short(document_id: str) -> str:
    if len(document_id) > LONGEST_ID:
        raise RequestRefused(400, "BAD_REQUEST", f"The id of a document has at most {LONGEST_ID} characters.")
    return document_id


def _required(query: str | None) -> str:
    if query is None:
        message = 'The request has no query. Send it as a string, as in {"query": "{ __typename }"}.'
        raise RequestRefused(400, "BAD_REQUEST", message)
    return query
