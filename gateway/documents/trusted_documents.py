"""Trusted documents: a manifest that a build of the front end made, read once at the start.

Three programs write such a file: graphql-codegen's client preset (``persistedDocuments``) and relay-compiler
(``persistConfig``) an object of texts by hash, Apollo's ``generate-persisted-query-manifest`` a list of operations with
an id and a body. Which hash it is does not matter here: an id is taken as it stands, with ``sha256:`` before it or not.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from graphql import GraphQLError, parse

from gateway.errors import CannotStart
from gateway.settings import Settings

APOLLO = "apollo-persisted-query-manifest"
PREFIX = "sha256:"

LARGEST = 64 * 1024 * 1024
"""Bytes of the largest manifest that is read: 20,000 documents of 3,000 characters."""


def bare(document_id: str) -> str:
    """Give an id without the name of its hash."""
    return document_id.removeprefix(PREFIX)


class TrustedDocuments:
    """The documents of a manifest.

    Parameters
    ----------
    texts
        Them, by id.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)
        self._trusted = frozenset(self._texts.values())

    def __len__(self) -> int:
        return len(self._texts)

    def text(self, document_id: str) -> str | None:
        """Give the document of this id, or None."""
        return self._texts.get(bare(document_id))

    def holds(self, text: str) -> bool:
        """Tell whether this is, to the letter, one of the documents."""
        return text in self._trusted


def trusted_documents(settings: Settings) -> TrustedDocuments:
    """Read the manifest that the settings name.

    Raises
    ------
    CannotStart
        If it cannot be used, or if nothing else may be run and there is none.
    """
    if settings.trusted_documents_only and settings.trusted_documents is None:
        raise CannotStart(
            "TRUSTED_DOCUMENTS_ONLY is on and TRUSTED_DOCUMENTS names no manifest: nothing could be run", 2
        )
    return read_manifest(settings.trusted_documents)


def read_manifest(path: Path | None) -> TrustedDocuments:
    """Read a manifest; without one there are no trusted documents.

    Raises
    ------
    CannotStart
        If it cannot be read or used: one sentence that says what is wrong with it.
    """
    if path is None:
        return TrustedDocuments({})
    try:
        if path.stat().st_size > LARGEST:
            raise _refused(path, f"is larger than {LARGEST // 1024**2} MB")
        data = orjson.loads(path.read_bytes())
    except OSError as error:
        raise _refused(path, f"cannot be read ({(error.strerror or 'unknown reason').lower()})") from None
    except orjson.JSONDecodeError as error:
        raise _refused(path, f"is not JSON (line {error.lineno}, column {error.colno})") from None
    texts: dict[str, str] = {}
    for document_id, text in _entries(path, data):
        _require_parsable(path, document_id, text)
        if texts.setdefault(bare(document_id), text) != text:
            raise _refused(path, f"has two documents with the id {document_id!r:.80}")
    if not texts:
        raise _refused(path, "holds no document")
    return TrustedDocuments(texts)


def _entries(path: Path, data: Any) -> Iterator[tuple[str, str]]:
    match data:
        case {"format": str(written), "operations": list(operations)}:
            if written != APOLLO or data.get("version") != 1:
                raise _refused(path, f"is written in a format that is not known here; {APOLLO} 1 is")
            yield from (_operation(path, operation) for operation in operations)
        case dict() if all(isinstance(text, str) for text in data.values()):
            yield from data.items()
        case _:
            raise _refused(path, "is neither an object of documents by hash nor Apollo's manifest")


def _operation(path: Path, operation: Any) -> tuple[str, str]:
    match operation:
        case {"id": str(document_id), "body": str(text)}:
            return document_id, text
    raise _refused(path, "has an operation without an id or a body")


def _require_parsable(path: Path, document_id: str, text: str) -> None:
    try:
        parse(text, no_location=True)
    except GraphQLError as error:
        raise _refused(path, f"holds {document_id!r:.80}, which is no document: {error.message}") from None
    if not document_id:
        raise _refused(path, "has a document without an id")


def _refused(path: Path, what: str) -> CannotStart:
    return CannotStart(f"TRUSTED_DOCUMENTS: {path} {what}; make it anew, or unset it", exit_code=2)
