"""Times, texts, numbers and flags of records: what is refused, and that each message says what to write instead."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from db.records import (
    CategoryRecord,
    InteractionRecord,
    ProjectRecord,
    Record,
    ToolRecord,
    UserRecord,
    validation_errors,
)

PROJECT = {"key": "p", "title": "P", "type": "article"}


def refusal(model: type[Record], fields: dict[str, Any]) -> str:
    """Validate as an import and as a mutation do; return the one message of both."""
    messages = []
    for validate in (lambda: model.model_validate_json(json.dumps(fields)), lambda: model.model_validate(fields)):
        with pytest.raises(ValidationError) as caught:
            validate()
        [error] = validation_errors(caught.value)
        messages.append(error.message)
    assert messages[0] == messages[1]
    return messages[0]


def created(text: object) -> datetime | None:
    return ProjectRecord.model_validate_json(json.dumps(PROJECT | {"created_at": text})).created_at


@pytest.mark.parametrize(
    "text",
    ["20260504", "2026", "1714825800", "1714825800000", "1714825800.5", "1e9", "-1", "+5", "0", "", "١٢٣", "٢٠٢٦-٠٥-٠٤",
     "NaN", "inf", "Infinity", "1_000_000", "2026-W19-1T00:00:00Z", "2026-124T00:00:00Z", "20260504T123000Z",
     "12026-05-04T12:30:00Z", "2026-05-04", "2026-05-04T12:30:00", "2026-05-04 12:30", "2026-05-04T12:30:00 UTC",
     "Mon, 04 May 2026 12:30:00 GMT", " 2026-05-04T12:30:00Z", "yesterday", 20260504, 1.5e9, True],
)  # fmt: skip
def test_what_is_no_time_is_refused_and_the_suggested_text_is_accepted(text: object) -> None:
    [suggested] = re.findall(r'write (?:it as )?"([^"]+)"', refusal(ProjectRecord, PROJECT | {"created_at": text}))
    assert created(suggested) is not None


@pytest.mark.parametrize(
    ("text", "reason"),
    [("2026-05-04T24:00:00Z", "hour"), ("2026-02-30T00:00:00Z", "day"), ("2016-12-31T23:59:60Z", "second"),
     ("2026-05-04T12:30:00+24:00", "offset"), ("1969-12-31T23:59:59Z", "before 1970"),
     ("1970-01-01T00:00:00+05:00", "before 1970"), ("2999-01-01T00:00:00Z", "in the future")],
)  # fmt: skip
def test_a_time_that_does_not_exist_or_is_out_of_range_is_refused(text: str, reason: str) -> None:
    assert reason in refusal(ProjectRecord, PROJECT | {"created_at": text})


@pytest.mark.parametrize(
    "text",
    ["2026-05-04T12:30:00Z", "2026-05-04t12:30:00z", "2026-05-04 12:30:00+00", "2026-05-04T14:30:00+0200",
     "2026-05-04T12:30Z", "2026-05-04T12:30:00,0Z", "2026-05-04T12:30:00.0000000009Z", "2026-05-04T12:30:00-00:00"],
)  # fmt: skip
def test_a_time_with_its_zone_is_read_in_utc(text: str) -> None:
    assert created(text) == datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


REFUSED_CHARACTERS = ["\x00", "\x07", "\x1b", "\x7f", "\x9f", "\ufdd0", "\uffff", "\U0010fffe"]
TEXT_FIELDS = [
    (UserRecord, {"key": "u", "username": "U"}, ("key", "username", "bio", "tier")),
    (ToolRecord, {"key": "t", "name": "T"}, ("key", "name", "tagline", "description", "category", "use_cases")),
    (CategoryRecord, {"key": "c", "name": "C"}, ("key", "name", "description")),
    (ProjectRecord, PROJECT, ("key", "title", "description")),
]


@pytest.mark.parametrize(("model", "valid", "names"), TEXT_FIELDS)
def test_no_text_contains_characters_that_cannot_be_shown(
    model: type[Record], valid: dict[str, Any], names: tuple[str, ...]
) -> None:
    for name in names:
        for character in REFUSED_CHARACTERS:
            assert f"U+{ord(character):04X}" in refusal(model, valid | {name: f"a{character}b"}), name
    [name] = names[:1]
    assert refusal(model, valid | {name: " "}) == "must not be empty or consist of spaces"
    assert refusal(model, valid | {name: "a\tb"}) == "must not contain tabs or line breaks; remove them"


def test_line_breaks_of_documents_become_line_feeds_except_in_keys_and_addresses() -> None:
    fields = {"title": "a\x0bb", "description": "a\x0cb\x85c", "source": {"a": ["b\x0b"]}}
    made = ProjectRecord(**PROJECT | fields)
    assert (made.title, made.description, made.source) == ("a\nb", "a\nb\nc", {"a": ["b\n"]})
    assert "U+000B" in refusal(ProjectRecord, PROJECT | {"key": "a\x0bb"})
    assert "pattern" in refusal(ProjectRecord, PROJECT | {"url": "https://e.com/\x85"})


def test_the_key_of_a_stored_object_may_contain_what_a_new_key_may_not() -> None:
    assert ProjectRecord(**PROJECT | {"owner": "a\tb"}).owner == "a\tb"
    interaction = {"user": "a\tb", "project": "x\x85y", "type": "like"}
    assert InteractionRecord(**interaction).project == "x\x85y"
    for name in ("user", "project"):
        assert "U+0000" in refusal(InteractionRecord, interaction | {name: "a\0b"})


def test_the_length_of_a_text_is_that_of_its_normal_form() -> None:
    assert refusal(ProjectRecord, PROJECT | {"key": "\u0958" * 101}) == "is longer than 200 characters"
    assert len(ProjectRecord(**PROJECT | {"key": "e\u0301" * 200}).key) == 200


@pytest.mark.parametrize(
    "fields",
    [{"url": "https://e.com/\0"}, {"image_url": "https://e.com/\0"}, {"tools": ["a\0"]}, {"source": {"a": ["\0"]}},
     {"source": {"a\0": 1}}, {"source": {"a": {"b": "\x9f"}}}],
)  # fmt: skip
def test_addresses_lists_and_the_source_are_texts_too(fields: dict[str, Any]) -> None:
    assert re.fullmatch(
        r"must not contain the character U\+\w{4}( \(NUL\))?; remove it", refusal(ProjectRecord, PROJECT | fields)
    )


def test_a_lone_surrogate_is_refused_in_a_mutation_which_json_does_not_stop() -> None:
    for name in ("url", "title", "key", "description"):
        with pytest.raises(ValidationError) as caught:
            ProjectRecord.model_validate(PROJECT | {name: "https://e.com/\ud800"})
        [error] = validation_errors(caught.value)
        assert "half of a surrogate pair" in error.message or "U+D800" in error.message


def test_texts_are_in_one_unicode_normalization_and_keep_line_breaks() -> None:
    made = ProjectRecord(**PROJECT | {"key": "cafe\u0301", "topics": ("e\u0301",), "description": "a\tb\r\nc"})
    assert (made.key, made.topics, made.description) == ("café", ("é",), "a\tb\r\nc")


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [(ProjectRecord, PROJECT | {"private": value}, "must be true or false, without quotes")
     for value in ("yes", "true", 1, 0)]
    + [(UserRecord, {"key": "u", "username": "U", "points": value}, "must be a whole number, without quotes")
       for value in ("20260504", "5.0", 5.5, True)]
    + [(ProjectRecord, PROJECT | {"embedding": [value]}, "must be a number, without quotes")
       for value in ("1e9", True)],
)  # fmt: skip
def test_texts_are_neither_numbers_nor_flags(model: type[Record], fields: dict[str, Any], message: str) -> None:
    assert refusal(model, fields) == message


def test_a_whole_number_may_be_written_as_a_float() -> None:
    made = UserRecord.model_validate_json('{"key": "u", "username": "U", "points": 5.0}')
    assert repr(made.points) == "5"


@pytest.mark.parametrize(("value", "reason"), [
    (float("nan"), "finite"), (float("inf"), "finite"), (10**30, "64 bits"), (-(10**19), "64 bits"),
])  # fmt: skip
def test_numbers_that_json_or_the_database_cannot_hold_are_refused_in_the_source(value: float, reason: str) -> None:
    assert reason in refusal(ProjectRecord, PROJECT | {"source": {"a": [value]}})
