"""Global ids and cursors: opaque text that clients send back, and its validation."""

import base64
import json
from hashlib import blake2b
from typing import Any, NamedTuple

import strawberry

from db.models import FeedKind
from resolvers.common.errors import InvalidId, InvalidPage
from scoring.errors import CursorMalformed
from scoring.snapshots.feed_cursors import Cursor
from scoring.use_cases.platform_keys import is_storable_text, is_valid_key

_MAX_OPAQUE_LENGTH = 4_000


class GlobalId(NamedTuple):
    """The content of a global id: the name of a GraphQL type, and the platform's key of one such thing."""

    type: str
    key: str


def global_id(type_: str, key: str) -> strawberry.ID:
    """Make the id of a thing, the same at any time and on any server."""
    return strawberry.ID(encode_opaque(f"{type_}:{key}"))


def viewer_global_id(type_: str, user_key: str | None, session_key: str | None) -> strawberry.ID:
    """Make the id of what each viewer has one of: with it a mutation's answer renews it in a client's cache."""
    who = f"user:{user_key}" if user_key is not None else f"session:{session_key}" if session_key is not None else ""
    return global_id(type_, who)


def parse_global_id(given: str) -> GlobalId:
    """Read an id that `global_id` made.

    Raises `InvalidId` if it did not.
    """
    type_, colon, key = (decode_opaque(given) or "").partition(":")
    if not colon or not type_.isidentifier() or not is_valid_key(key):
        raise InvalidId("This id was not made by this service. Take it from a field `id`, unchanged.")
    return GlobalId(type_, key)


def encode_opaque(text: str) -> str:
    """Encode text as unpadded base64url."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_opaque(given: str) -> str | None:
    """Read what `encode_opaque` wrote; None for anything that it cannot have written."""
    if len(given) > _MAX_OPAQUE_LENGTH:
        return None
    try:
        text = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        return None
    return text if encode_opaque(text) == given else None


def encode_cursor(*place: str | float) -> str:
    """Return the cursor of a place in a list that is not a feed."""
    return encode_opaque(json.dumps(place, ensure_ascii=False))


def decode_cursor(cursor: str) -> list[Any]:
    """Return the values that `encode_cursor` was given; their number and types are not checked.

    Raises `InvalidPage` if it did not make the cursor.
    """
    try:
        place = json.loads(decode_opaque(cursor) or "")
    except (ValueError, RecursionError):
        raise bad_cursor() from None
    if not isinstance(place, list):
        raise bad_cursor()
    return place


def bad_cursor() -> InvalidPage:
    """Return the error for a cursor that is not of the list."""
    return InvalidPage("`after` was not made by this service. Take it from `pageInfo.endCursor`.", "BAD_CURSOR")


def option_global_id(question_id: int, key: str) -> strawberry.ID:
    """Make the id of a question's option: in a client's cache the options of two questions must not be one."""
    return strawberry.ID(encode_opaque(f"OnboardingOption:{question_id}:{key}"))


def reason_global_id(project_id: int, reason_id: str) -> strawberry.ID:
    """Make the id of a reason. It names the project too: a client's cache must not take one project's for another's."""
    return strawberry.ID(encode_opaque(f"Reason:{project_id}:{reason_id}"))


_NO_EDGE = "This is not the id of a feed's edge. Take it from the field `id` of a FeedEdge, unchanged."


class EdgeKey(NamedTuple):
    """The content of an edge's id behind its type: a feed, and the cursor of a place in it."""

    feed: FeedKind
    cursor: Cursor


def edge_global_id(feed: FeedKind, cursor: str) -> strawberry.ID:
    """Make the id of a place in a ranking. Its checksum tells an id that was changed from one that has expired."""
    return global_id("FeedEdge", f"{feed}:{cursor}:{_checksum(feed, cursor)}")


def parse_edge_key(key: str) -> EdgeKey:
    """Read the key of an id that `edge_global_id` made.

    Raises `InvalidId` if it did not.
    """
    try:
        feed, cursor, checksum = key.split(":")
        named = EdgeKey(FeedKind(feed), Cursor.decode(cursor))
    except (ValueError, CursorMalformed):
        raise InvalidId(_NO_EDGE) from None
    if checksum != _checksum(feed, cursor):
        raise InvalidId(_NO_EDGE)
    return named


def _checksum(feed: str, cursor: str) -> str:
    return blake2b(f"{feed}:{cursor}".encode(), digest_size=4).hexdigest()


class ReasonId(NamedTuple):
    """The content of a reason's id: its project, and the ranking's own id of it."""

    project_id: int
    reason: str


def parse_reason_id(given: str) -> ReasonId:
    """Read what `reason_global_id` made.

    Raises `InvalidId` if it did not.
    """
    match (decode_opaque(given) or "").split(":", 2):
        case ["Reason", project_id, reason] if reason and is_storable_text(reason) and _is_id(project_id):
            return ReasonId(int(project_id), reason)
        case _:
            raise InvalidId("This is not the id of a reason. Take it from the field `id` of a Reason, unchanged.")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20
