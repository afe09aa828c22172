"""Records of the import format and their validation. The service's mutations take the same records.

An invalid line of a file and an invalid argument of a mutation therefore get the same error message. `docs/import.md`
describes the format.
"""

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails

from db.custom_types import NO_CUSTOM_TYPES
from db.database.column_types import UNKNOWN_TIME
from db.errors import InvalidRecord
from db.models import InteractionType, Role, TermKind, now
from db.text_rules import is_storable, key_fault, normal_form, text_fault, with_line_breaks
from db.time_units import parse_time

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""Maximum time by which the clock of the platform may be ahead of the clock of this host."""

MAX_TEXT_CHARACTERS = 100_000
"""Maximum characters of a text. A page shows a few hundred, an embedding model reads a few thousand."""

MIN_EMBEDDING_LENGTH = 1e-30
"""Minimum length of an embedding, below which its direction is lost in rounding."""

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


def _read_past_time(value: object) -> datetime:
    # Pydantic would read a number, and a text of digits, as Unix seconds or milliseconds, guessed from its size.
    return _require_past(value if isinstance(value, datetime) and value.tzinfo else parse_time(value))


def _require_past(value: datetime) -> datetime:
    if value < UNKNOWN_TIME:
        raise ValueError(f"{value.isoformat()} is before 1970")
    if value > now() + MAX_CLOCK_SKEW:
        raise ValueError(f"{value.isoformat()} is in the future")
    return value.astimezone(UTC)


def _storable_json(value: dict[str, Any]) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = _normal_json(value)
        encoded = orjson.dumps(stored)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"cannot be stored: {error}") from None
    if len(encoded) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"is longer than {MAX_TEXT_CHARACTERS} bytes as JSON")
    return stored


def _normal_json(value: Any) -> Any:
    """Return a JSON value as both databases return it. PostgreSQL does not distinguish 1e16 from 10000000000000000."""
    if isinstance(value, dict):
        return {_normal_text(name): _normal_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_normal_json(item) for item in value]
    if isinstance(value, str):
        return _normal_text(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("must contain finite numbers only; write others as text")
        return int(value) if value.is_integer() and _fits_64_bits(value) else value
    if isinstance(value, int) and not _fits_64_bits(value):
        raise ValueError("contains a whole number of more than 64 bits; write it as text")
    return value


def _fits_64_bits(value: float) -> bool:
    return -(2**63) <= value < 2**64


def _normal_text(value: str) -> str:
    text = with_line_breaks(value)
    if (fault := text_fault(text)) is not None:
        raise ValueError(fault)
    return normal_form(text)


def _normal_key(value: str) -> str:
    if (fault := key_fault(value)) is not None:
        raise ValueError(fault)
    return normal_form(value)


def _normal_reference(value: str) -> str:
    return normal_form(value) if is_storable(value) else _normal_key(value)


def _first(normalize: Callable[[str], str]) -> BeforeValidator:
    """Normalize before the length is checked, because a text can become longer."""
    return BeforeValidator(lambda value: normalize(value) if isinstance(value, str) else value)


_TEXT_RULE = _first(_normal_text)
_KEY_LENGTH = StringConstraints(min_length=1, max_length=200)
Key = Annotated[str, _KEY_LENGTH, _first(_normal_key)]
Reference = Annotated[str, _KEY_LENGTH, _first(_normal_reference)]
"""The key of a user or project that exists. Earlier versions stored keys with characters that `Key` refuses."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True), _TEXT_RULE]
Title = Annotated[str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True), _TEXT_RULE]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARACTERS), _TEXT_RULE]
PastTime = Annotated[datetime, PlainValidator(_read_past_time)]
Url = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^https?://[^\s]+$"), _TEXT_RULE]
Number = Annotated[float, Strict()]
WholeNumber = Annotated[
    int,
    Strict(),
    BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value),
]
Flag = Annotated[bool, Strict()]
"""Types of numbers and flags that are not read from text: Pydantic would take "yes" for true, and true for 1."""


class Record(BaseModel):
    """Base class of all records: immutable. Unknown fields are errors, so that misspelled fields are not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_INTERESTS_KEYS = AliasChoices("interests", "tags")
"""Names of a user's interests in a record. Import files of earlier versions have `tags`."""


class InterestRecord(Record):
    """An interest of a user: a term by key or name."""

    name: Name
    kind: TermKind
    confidence: Annotated[Number, Field(ge=0, le=1)] = 1.0


class UserRecord(Record):
    """A user. A role of None keeps the stored role.

    `interests` replace the interests of earlier imports, not interests that the user stated.
    """

    key: Key
    username: Name
    bio: Text = ""
    tier: Annotated[Text, Field(max_length=100)] = ""
    points: Annotated[WholeNumber, Field(ge=0, le=2**31 - 1)] = 0
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
    owner: Reference | None = None
    url: Url | None = None
    image_url: Url | None = None
    created_at: PastTime | None = None
    private: Flag = False
    archived: Flag = False
    source: Annotated[dict[str, Any], Field(max_length=100), AfterValidator(_storable_json)] = {}
    embedding: Annotated[tuple[Number, ...], AfterValidator(_require_direction)] | None = None


class InteractionRecord(Record):
    """One interaction of a user with a project, identified by (user, project, type, at).

    The context of the validation is the `CustomTypes` that are known besides the built-in types.
    """

    user: Reference
    project: Reference
    type: Annotated[str, AfterValidator(_as_type)]
    at: PastTime | None = None
    value: Annotated[Number | None, AfterValidator(_check_value), Field(validate_default=True)] = None


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
    "string_unicode": "must not contain half of a surrogate pair; remove it",
    "bool_type": "must be true or false, without quotes",
    "float_type": "must be a number, without quotes",
    "int_type": "must be a whole number, without quotes",
    "enum": "must be {expected}",
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
