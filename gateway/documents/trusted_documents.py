"""Trusted documents: a manifest from the build of a front end, read once at the start.

Three tools write such a file. graphql-codegen's client preset (``persistedDocuments``) and relay-compiler
(``persistConfig``) write an object of texts by hash. Apollo's ``generate-persisted-query-manifest`` writes a list of
operations with an id and a body. The hash function does not matter, because ids are opaque, with or without the prefix
``sha256:``.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from graphql import GraphQLError, parse

from gateway.errors import CannotStart, os_reason
from gateway.settings import Settings

APOLLO_FORMAT = "apollo-persisted-query-manifest"

MAX_BYTES = 64 * 1024 * 1024
"""Size of the largest manifest: 20,000 documents of 3,000 characters."""


def without_hash_name(document_id: str) -> str:
    """Return an id without the name of its hash function."""
    return document_id.removeprefix("sha256:")


class TrustedDocuments:
    """The documents of a manifest, by id."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)
        self._trusted = frozenset(self._texts.values())

    def text(self, document_id: str) -> str | None:
        """Return the document of this id, or None."""
        return self._texts.get(without_hash_name(document_id))

    def __contains__(self, text: str) -> bool:
        return text in self._trusted


def load_trusted_documents(settings: Settings) -> TrustedDocuments:
    """Read the manifest of the settings.

    Raises `CannotStart` if it cannot be used, or if only trusted documents may run and there is none.
    """
    if settings.trusted_documents_only and settings.trusted_documents is None:
        message = "TRUSTED_DOCUMENTS_ONLY is on and TRUSTED_DOCUMENTS names no manifest: no document could run"
        raise CannotStart(message, exit_code=2)
    return read_manifest(settings.trusted_documents)


def read_manifest(path: Path | None) -> TrustedDocuments:
    """Read a manifest. Without a path there are no trusted documents. Raises `CannotStart` if it cannot be used."""
    if path is None:
        return TrustedDocuments({})
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _manifest_error(path, f"is larger than {MAX_BYTES // 1024**2} MB")
        data = orjson.loads(path.read_bytes())
    except OSError as error:
        raise _manifest_error(path, f"cannot be read ({os_reason(error)})") from None
    except orjson.JSONDecodeError as error:
        raise _manifest_error(path, f"is not JSON (line {error.lineno}, column {error.colno})") from None
    texts: dict[str, str] = {}
    for document_id, text in _entries(path, data):
        _require_parsable(path, document_id, text)
        if texts.setdefault(without_hash_name(document_id), text) != text:
            raise _manifest_error(path, f"has two documents with the id {document_id!r:.80}")
    if not texts:
        raise _manifest_error(path, "holds no document")
    return TrustedDocuments(texts)


def _entries(path: Path, data: Any) -> Iterator[tuple[str, str]]:
    match data:
        case {"format": str(format_), "operations": list(operations)}:
            if format_ != APOLLO_FORMAT or data.get("version") != 1:
                raise _manifest_error(path, f"has an unknown format; {APOLLO_FORMAT} 1 is supported")
            yield from (_operation(path, operation) for operation in operations)
        case dict() if all(isinstance(text, str) for text in data.values()):
            yield from data.items()
        case _:
            raise _manifest_error(path, "is neither an object of documents by hash nor Apollo's manifest")


def _operation(path: Path, operation: Any) -> tuple[str, str]:
    match operation:
        case {"id": str(document_id), "body": str(text)}:
            return document_id, text
    raise _manifest_error(path, "has an operation without an id or a body")


def _require_parsable(path: Path, document_id: str, text: str) -> None:
    try:
        parse(text, no_location=True)
    except GraphQLError as error:
        raise _manifest_error(path, f"holds {document_id!r:.80}, which is no document: {error.message}") from None
    if not document_id:
        raise _manifest_error(path, "has a document without an id")


def _manifest_error(path: Path, fault: str) -> CannotStart:
    return CannotStart(f"TRUSTED_DOCUMENTS: {path} {fault}; build it again, or unset it", exit_code=2)
