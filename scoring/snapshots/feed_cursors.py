"""Cursors of feeds: opaque to clients, 60 characters.

A cursor holds the snapshot id and the rank, and for an unranked project its time of creation. It grants no access:
every page checks the owner of the snapshot and the visibility of the projects.
"""

import base64
import binascii
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from db.catalog.project_cards import Keyset
from db.time_units import microseconds, time_of
from scoring.errors import CursorMalformed

_LAYOUT = struct.Struct(">B16sIqq")
_FORMAT = 1
_NONE = -1
_LATEST_US = microseconds(datetime(9999, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Cursor:
    """Position in a feed."""

    snapshot_id: str
    rank: int  # from 1; the next page starts after it
    creation_position: Keyset | None = None  # position by time of creation; None for a ranked project

    def encode(self) -> str:
        """Return the cursor as URL-safe text."""
        created_us, id_ = _NONE, _NONE
        if self.creation_position is not None:
            created_us = microseconds(self.creation_position.created_at)
            id_ = self.creation_position.id
        packed = _LAYOUT.pack(_FORMAT, bytes.fromhex(self.snapshot_id), self.rank, created_us, id_)
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Parse the result of `encode`. Raises `CursorMalformed` for any other text."""
        try:
            packed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, snapshot, rank, created_us, id_ = _LAYOUT.unpack(packed)
        except (UnicodeEncodeError, binascii.Error, struct.error):
            raise _malformed() from None
        if version != _FORMAT or not _NONE <= created_us <= _LATEST_US:
            raise _malformed()
        creation_position = None if created_us == _NONE else Keyset(time_of(created_us), id_)
        cursor = cls(snapshot.hex(), rank, creation_position)
        if cursor.encode() != text:  # each position has exactly one valid cursor
            raise _malformed()
        return cursor


def _malformed() -> CursorMalformed:
    return CursorMalformed("this cursor was not made by this service; send `endCursor` or an edge's `cursor` unchanged")
