"""Encoding and validation of global ids and cursors, opaque text that clients send back."""

import base64
import json
from hashlib import blake2b
from typing import Any, NamedTuple

import strawberry

from db.models import FeedKind
from db.text_rules import is_storable, normal_form
from resolvers.common.errors import InvalidId, InvalidPage
from scoring.errors import CursorMalformed
from scoring.snapshots.feed_cursors import Cursor
from scoring.use_cases.dismissals import DismissalReason
from scoring.use_cases.platform_keys import is_valid_key

_MAX_OPAQUE_LENGTH = 4_000


class GlobalId(NamedTuple):
    """The content of a global id: the name of a GraphQL type, and a key of the platform."""

    type: str
    key: str


def global_id(type_: str, key: str) -> strawberry.ID:
    """Return the global id of an object, which is the same at any time and on any server."""
    return strawberry.ID(encode_opaque(f"{type_}:{key}"))


def viewer_global_id(type_: str, user_key: str | None, session_key: str | None) -> strawberry.ID:
    """Return the global id of an object that each viewer has one of, for example their `PersonalizationStatus`."""
    key = f"user:{user_key}" if user_key is not None else f"session:{session_key}" if session_key is not None else ""
    return global_id(type_, key)


def parse_global_id(encoded: str) -> GlobalId:
    """Decode a global id. Raises `InvalidId`."""
    type_, colon, key = (decode_opaque(encoded) or "").partition(":")
    key = normal_form(key)
    if not colon or not type_.isidentifier() or not is_valid_key(key):
        raise InvalidId("This id is invalid. Use the value of a field `id` unchanged.")
    return GlobalId(type_, key)


def encode_opaque(text: str) -> str:
    """Encode text as unpadded base64url."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_opaque(encoded: str) -> str | None:
    """Decode text of `encode_opaque`; None if it is invalid."""
    if len(encoded) > _MAX_OPAQUE_LENGTH:
        return None
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        return None
    return text if encode_opaque(text) == encoded else None


def encode_cursor(*position: str | float) -> str:
    """Return the cursor of a position in a list that is not a feed."""
    return encode_opaque(json.dumps(position, ensure_ascii=False))


def decode_cursor(cursor: str) -> list[Any]:
    """Return the values of a cursor, without a check of their number and types. Raises `InvalidPage`."""
    try:
        position = json.loads(decode_opaque(cursor) or "")
    except (ValueError, RecursionError):
        raise bad_cursor() from None
    if not isinstance(position, list):
        raise bad_cursor()
    return position


def bad_cursor() -> InvalidPage:
    """Return the error for an invalid cursor or the cursor of another list."""
    return InvalidPage("`after` is not a cursor of this list. Use `pageInfo.endCursor` unchanged.", "BAD_CURSOR")


def reason_global_id(project_id: int, reason_id: str) -> strawberry.ID:
    """Return the global id of a reason. It contains the project, because reason ids are unique only within it."""
    return global_id("Reason", f"{project_id}:{reason_id}")


_NO_EDGE = "This is not the id of a feed edge. Use the `id` of a FeedEdge unchanged."


def edge_global_id(feed: FeedKind, cursor: str) -> strawberry.ID:
    """Return the global id of an edge. Its checksum distinguishes a changed id from an expired id."""
    return global_id("FeedEdge", f"{feed}:{cursor}:{_checksum(feed, cursor)}")


def parse_edge_key(key: str) -> tuple[FeedKind, Cursor]:
    """Return the feed and the cursor in the key of an edge. Raises `InvalidId`."""
    try:
        feed, cursor, checksum = key.split(":")
        feed_kind, position = FeedKind(feed), Cursor.decode(cursor)
    except (ValueError, CursorMalformed):
        raise InvalidId(_NO_EDGE) from None
    if checksum != _checksum(feed, cursor):
        raise InvalidId(_NO_EDGE)
    return feed_kind, position


def _checksum(feed: str, cursor: str) -> str:
    return blake2b(f"{feed}:{cursor}".encode(), digest_size=4).hexdigest()


def parse_reason_id(encoded: str) -> DismissalReason:
    """Decode the global id of a reason. Raises `InvalidId`."""
    match (decode_opaque(encoded) or "").split(":", 2):
        case ["Reason", project_id, reason] if reason and is_storable(reason) and _is_id(project_id):
            return DismissalReason(int(project_id), reason)
        case _:
            raise InvalidId("This is not the id of a reason. Use the `id` of a Reason unchanged.")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20
