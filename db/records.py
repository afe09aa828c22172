"""Records of the import format, which the service-side mutations take too, and their validation.

An invalid line of a file and an invalid argument of a mutation get the same message. The format is described in
`docs/import.md`.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from db.database.column_types import UNKNOWN_TIME
from db.errors import InvalidRecord
from db.models import InteractionType, Role, TermKind, now

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""Tolerated lead of a platform's clock over ours."""

MAX_TEXT = 100_000
"""Maximum characters of a text. A page shows a few hundred, an embedding reads a few thousand."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL: an odd number of backslashes before ``u0000``."""


def _as_text(value: Any) -> Any:
    # Pydantic would guess from a number's size whether it counts seconds or milliseconds.
    if isinstance(value, int | float):
        raise ValueError('must be a text in ISO 8601, such as "2026-05-04T12:30:00Z"')  # noqa: TRY004 (a sentence)
    return value


def _read_bookmark(value: Any) -> Any:
    return InteractionType.SAVE if value == "bookmark" else value


def _in_the_past(value: datetime) -> datetime:
    if value < UNKNOWN_TIME:
        raise ValueError(f"{value.isoformat()} is before 1970")
    if value > now() + MAX_CLOCK_SKEW:
        raise ValueError(f"{value.isoformat()} is in the future")
    return value.astimezone(UTC)


def _plain_json(value: dict[str, Any]) -> dict[str, Any]:
    try:
        written = orjson.dumps(value)
    except (TypeError, ValueError) as error:  # numbers beyond 64 bits, objects nested too deep
        raise ValueError(f"cannot be stored: {error}") from None
    if len(written) > MAX_TEXT:
        raise ValueError(f"is longer than {MAX_TEXT} bytes as JSON")
    if _NUL.search(written):
        raise ValueError("must not contain the character NUL")
    # JSON has no NaN and no infinity; both become null here, so that what is read back equals what is returned.
    stored: dict[str, Any] = orjson.loads(written)
    return stored


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the character NUL")
    return value


_NO_NUL = AfterValidator(_without_nul)
Key = Annotated[str, StringConstraints(min_length=1, max_length=200), _NO_NUL]
Name = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True), _NO_NUL]
Title = Annotated[str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True), _NO_NUL]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), _NO_NUL]
PastTime = Annotated[AwareDatetime, BeforeValidator(_as_text), AfterValidator(_in_the_past)]
Url = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^https?://[^\s]+$")]


class Record(BaseModel):
    """Base of all records: immutable. Unknown fields are errors, so that a misspelled field is not silently lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TagRecord(Record):
    """A user's stated interest."""

    name: Name
    kind: TermKind
    confidence: Annotated[float, Field(ge=0, le=1)] = 1.0


class UserRecord(Record):
    """A user. `tags` replace those of an earlier import, tags set by hand stay; without `role` the role is kept."""

    key: Key
    username: Name
    bio: Text = ""
    tier: Annotated[Text, Field(max_length=100)] = ""
    points: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    role: Role | None = None
    tags: Annotated[tuple[TagRecord, ...], Field(max_length=1_000)] = ()


class ToolRecord(Record):
    """A tool of the catalog."""

    key: Key
    name: Name
    tagline: Annotated[Text, Field(max_length=500)] = ""
    description: Text = ""
    category: Annotated[Text, Field(max_length=500)] = ""
    tags: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    use_cases: Text = ""


class CategoryRecord(Record):
    """A category of the catalog."""

    key: Key
    name: Name
    description: Text = ""


class ProjectRecord(Record):
    """A project. `tools`, `categories` and `topics` are keys; an unknown one is created with its key as name."""

    key: Key
    title: Title
    description: Text = ""
    type: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[a-z][a-z0-9_]*$")]
    tools: Annotated[tuple[Key, ...], Field(max_length=100)] = ()
    categories: Annotated[tuple[Key, ...], Field(max_length=100)] = ()
    topics: Annotated[tuple[Key, ...], Field(max_length=200)] = ()
    owner: Key | None = None
    url: Url | None = None
    image_url: Url | None = None
    created_at: PastTime | None = None
    private: bool = False
    archived: bool = False
    source: Annotated[dict[str, Any], Field(max_length=100), AfterValidator(_plain_json)] = {}


class InteractionRecord(Record):
    """One event of one user with one project; its identity is (user, project, type, at)."""

    user: Key
    project: Key
    type: Annotated[InteractionType, BeforeValidator(_read_bookmark)]
    at: PastTime | None = None


def validation_errors(error: ValidationError) -> Iterator[InvalidRecord]:
    """Yield one error with a message of ours and its path for each fault of a record."""
    for details in error.errors(include_url=False):
        yield InvalidRecord(_sentence(details), details["loc"])


_SENTENCES = {
    "json_invalid": "is not valid JSON: {error}",
    "missing": "is missing",
    "extra_forbidden": "is not a field of this record",
    "model_type": "must be an object, as {{…}}",
    "model_attributes_type": "must be an object, as {{…}}",
    "dict_type": "must be an object, as {{…}}",
    "list_type": "must be a list, as […]",
    "tuple_type": "must be a list, as […]",
    "enum": "must be {expected}",
    "timezone_aware": 'has no time zone; end it with "Z" for UTC',
    "string_too_long": "is longer than {max_length} characters",
    "too_long": "has more than {max_length} entries",
    "string_too_short": "must not be empty",
    "value_error": "{error}",
}
"""Messages by Pydantic's error type, where Pydantic's own ones do not fit authors of files."""


def _sentence(details: ErrorDetails) -> str:
    template = _SENTENCES.get(details["type"])
    if template is None:
        return re.sub("^(Input|String|Value) should ", "must ", details["msg"])
    return template.format(**details.get("ctx", {})).replace(" at line 1 column ", " at column ")
