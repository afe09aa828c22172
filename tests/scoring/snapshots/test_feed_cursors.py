"""Cursors survive a round trip and anything else is one clear refusal."""

import base64
import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.catalog.project_cards import Keyset
from scoring.errors import CursorMalformed
from scoring.snapshots.feed_cursors import Cursor

times = st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))
keysets = st.none() | st.builds(Keyset, times, st.integers(0, 2**62))
cursors = st.builds(Cursor, st.binary(min_size=16, max_size=16).map(bytes.hex), st.integers(0, 2**32 - 1), keysets)


@given(cursors)
def test_a_cursor_reads_back_as_it_was_written(cursor: Cursor):
    assert Cursor.decode(cursor.encode()) == cursor


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused_with_a_sentence_that_helps(text: str):
    with contextlib.suppress(CursorMalformed):
        assert Cursor.decode(text).encode() == text, "what is taken must be a cursor"


@pytest.mark.parametrize("text", ["", "x", "=", "ü", "A" * 49, "A" * 50, "A" * 10_000, "\x00"])
def test_garbage_is_refused(text: str):
    with pytest.raises(CursorMalformed, match="endCursor"):
        Cursor.decode(text)


@given(cursors, st.integers(0, 36), st.integers(1, 255))
def test_a_changed_byte_never_does_more_than_name_another_place(cursor: Cursor, at: int, flip: int):
    raw = bytearray(base64.urlsafe_b64decode(cursor.encode() + "=="))
    raw[at] ^= flip
    with contextlib.suppress(CursorMalformed):
        assert Cursor.decode(base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")) != cursor
