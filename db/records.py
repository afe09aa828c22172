"""Records of the import format and their validation. The service's mutations take the same records.

An invalid line of a file and an invalid argument of a mutation therefore get the same error message. `docs/import.md`
describes the format.
"""

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails

from db.custom_types import NO_CUSTOM_TYPES
from db.database.column_types import UNKNOWN_TIME
from db.errors import InvalidRecord
from db.models import InteractionType, Role, TermKind, now

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""Maximum time by which the clock of the platform may be ahead of the clock of this host."""

MAX_TEXT_CHARACTERS = 100_000
"""Maximum characters of a text. A page shows a few hundred, an embedding model reads a few thousand."""

MIN_EMBEDDING_LENGTH = 1e-30
"""Minimum length of an embedding, below which its direction is lost in rounding."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL: an odd number of backslashes before ``u0000``."""


def _require_text(value: Any) -> Any:
    # For a number, Pydantic would guess from its size whether the unit is seconds or milliseconds.
    if isinstance(value, int | float):
        raise ValueError('must be a text in ISO 8601, such as "2026-05-04T12:30:00Z"')  # noqa: TRY004 (a message for users)
    return value


OLD_TYPE_NAMES = {"bookmark": InteractionType.SAVE.value}
"""New names of types of interactions by the names that import files of earlier versions have."""


_BUILT_IN_TYPES = {type_.value: type_ for type_ in InteractionType}


def _as_type(value: str, info: ValidationInfo) -> str:
    """Return the built-in type of this name, or the name of a custom type of the context."""
    name = OLD_TYPE_NAMES.get(value, value)
    if (built_in := _BUILT_IN_TYPES.get(name)) is not None:
        return built_in
    if (fault := (info.context or NO_CUSTOM_TYPES).type_fault(name)) is not None:
        raise ValueError(fault)
    return name


def _check_value(value: float | None, info: ValidationInfo) -> float | None:
    type_ = info.data.get("type")
    if type_ is not None and (fault := (info.context or NO_CUSTOM_TYPES).value_fault(type_, value)) is not None:
        raise ValueError(fault)
    return value


def _require_past(value: datetime) -> datetime:
    if value < UNKNOWN_TIME:
        raise ValueError(f"{value.isoformat()} is before 1970")
    if value > now() + MAX_CLOCK_SKEW:
        raise ValueError(f"{value.isoformat()} is in the future")
    return value.astimezone(UTC)


def _storable_json(value: dict[str, Any]) -> dict[str, Any]:
    try:
        encoded = orjson.dumps(value)
    except (TypeError, ValueError) as error:  # numbers beyond 64 bits, objects nested too deep
        raise ValueError(f"cannot be stored: {error}") from None
    if len(encoded) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"is longer than {MAX_TEXT_CHARACTERS} bytes as JSON")
    if _NUL.search(encoded):
        raise ValueError("must not contain the character NUL")
    # orjson writes NaN and infinity as null. Return the decoded text, so that it equals what the database returns.
    stored: dict[str, Any] = orjson.loads(encoded)
    return stored


def _refuse_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the character NUL")
    return value


_NUL_CHECK = AfterValidator(_refuse_nul)
Key = Annotated[str, StringConstraints(min_length=1, max_length=200), _NUL_CHECK]
Name = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True), _NUL_CHECK]
Title = Annotated[str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True), _NUL_CHECK]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARACTERS), _NUL_CHECK]
PastTime = Annotated[AwareDatetime, BeforeValidator(_require_text), AfterValidator(_require_past)]
Url = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^https?://[^\s]+$")]


class Record(BaseModel):
    """Base class of all records: immutable. Unknown fields are errors, so that misspelled fields are not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_INTERESTS_KEYS = AliasChoices("interests", "tags")
"""Names of a user's interests in a record. Import files of earlier versions have `tags`."""


class InterestRecord(Record):
    """An interest of a user: a term by key or name."""

    name: Name
    kind: TermKind
    confidence: Annotated[float, Field(ge=0, le=1)] = 1.0


class UserRecord(Record):
    """A user. A role of None keeps the stored role.

    `interests` replace the interests of earlier imports, not interests that the user stated.
    """

    key: Key
    username: Name
    bio: Text = ""
    tier: Annotated[Text, Field(max_length=100)] = ""
    points: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    role: Role | None = None
    interests: tuple[InterestRecord, ...] = Field((), max_length=1_000, validation_alias=_INTERESTS_KEYS)


class ToolRecord(Record):
    """A tool in the catalog."""

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


def _require_direction(value: tuple[float, ...]) -> tuple[float, ...]:
    length = math.hypot(*value)
    if not math.isfinite(length):
        raise ValueError("must hold finite numbers")
    if length < MIN_EMBEDDING_LENGTH:
        raise ValueError("must not be zeros, which are similar to nothing; omit it")
    return value


class ProjectRecord(Record):
    """A project. `tools`, `categories` and `topics` are keys. Terms with unknown keys are created, named by the key."""

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
    source: Annotated[dict[str, Any], Field(max_length=100), AfterValidator(_storable_json)] = {}
    embedding: Annotated[tuple[float, ...], AfterValidator(_require_direction)] | None = None


class InteractionRecord(Record):
    """One interaction of a user with a project, identified by (user, project, type, at).

    The context of the validation is the `CustomTypes` that are known besides the built-in types.
    """

    user: Key
    project: Key
    type: Annotated[str, AfterValidator(_as_type)]
    at: PastTime | None = None
    value: Annotated[float | None, AfterValidator(_check_value), Field(validate_default=True)] = None


def validation_errors(error: ValidationError) -> Iterator[InvalidRecord]:
    """Yield for each error of a record the path of its field, with a message for users."""
    for details in error.errors(include_url=False):
        yield InvalidRecord(_error_message(details), details["loc"])


_MESSAGES = {
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
"""Messages by Pydantic error type, in place of Pydantic's messages, which authors of import files would not
understand."""


def _error_message(details: ErrorDetails) -> str:
    template = _MESSAGES.get(details["type"])
    if template is None:
        return re.sub("^(Input|String|Value) should ", "must ", details["msg"])
    return template.format(**details.get("ctx", {})).replace(" at line 1 column ", " at column ")
