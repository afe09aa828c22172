"""The file of INTERACTION_TYPES: a platform's own types of interactions, in TOML.

Each section is a type::

    [watched]
    label = "watched"
    minimum = 0
    maximum = 86400
    positive_from = 30
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from db.custom_types import MAX_VALUE, CustomType
from db.models import CUSTOM_TYPES_OF_EACH_KIND, InteractionType
from db.records import OLD_TYPE_NAMES, Flag, Name, Number, validation_errors
from gateway.errors import CannotStart, os_reason

MIN_WEIGHT, MAX_WEIGHT = 0.001, 10.0

_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
_Number = Annotated[Number, Field(ge=-MAX_VALUE, le=MAX_VALUE)]


class _Section(BaseModel):
    """One type as written in the file."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[Name, Field(max_length=50)]
    weight: Annotated[Number, Field(ge=MIN_WEIGHT, le=MAX_WEIGHT)] = 1.0
    deliberate: Flag = False
    negative: Flag = False
    minimum: _Number | None = None
    maximum: _Number | None = None
    positive_from: _Number | None = None
    negative_to: _Number | None = None

    def fault(self) -> str | None:
        """Return why the fields do not fit together, or None."""
        thresholds = [number for number in (self.negative_to, self.positive_from) if number is not None]
        if self.minimum is None or self.maximum is None:
            if thresholds or self.minimum is not None or self.maximum is not None:
                return "give both minimum and maximum: the range of the value"
            return None
        if self.negative:
            return "negative is for types without a value; give negative_to"
        if not thresholds:
            return "give positive_from, negative_to or both: the values from and up to which an interaction counts"
        in_order = [self.minimum, *thresholds, self.maximum]
        if sorted(in_order) != in_order or len(set(thresholds)) < len(thresholds):
            return "the order must be minimum, negative_to, positive_from, maximum"
        return None

    def as_type(self, name: str) -> CustomType:
        """Return the type. Without a value, an interaction counts as 0."""
        has_value = self.minimum is not None
        return CustomType(
            name=name,
            label=self.label,
            weight=self.weight,
            is_deliberate=self.deliberate,
            minimum=self.minimum,
            maximum=self.maximum,
            positive_from=self.positive_from if has_value else (None if self.negative else 0.0),
            negative_to=self.negative_to if has_value else (0.0 if self.negative else None),
        )


def read_interaction_types(path: Path | None) -> tuple[CustomType, ...]:
    """Read the types of a file; none without a path. Raises `CannotStart` if the file cannot be used."""
    if path is None:
        return ()
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _file_error(path, f"cannot be read ({os_reason(error)})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _file_error(path, f"is not TOML: {error}") from None
    types = tuple(_read_section(path, name, fields) for name, fields in sections.items())
    for is_deliberate in (False, True):
        if sum(type_.is_deliberate is is_deliberate for type_ in types) > CUSTOM_TYPES_OF_EACH_KIND:
            limit = f"more than {CUSTOM_TYPES_OF_EACH_KIND} types with deliberate = {str(is_deliberate).lower()}"
            raise _file_error(path, f"has {limit}")
    return types


def _read_section(path: Path, name: str, fields: Any) -> CustomType:
    if not _NAME.fullmatch(name):
        raise _file_error(path, f"has the type {name!r:.80}; a name has 1 to 50 of a-z, 0-9 and _, a letter first")
    if name in {*InteractionType, *OLD_TYPE_NAMES}:
        raise _file_error(path, f"has the type {name!r}, which is built in; choose another name")
    try:
        section = _Section.model_validate(fields)
    except ValidationError as error:
        first_error = next(validation_errors(error))
        field = ".".join(map(str, (name, *first_error.path)))
        raise _file_error(path, f"has an error in {field}: {first_error.message}") from None
    if (fault := section.fault()) is not None:
        raise _file_error(path, f"has an error in {name}: {fault}")
    return section.as_type(name)


def _file_error(path: Path, fault: str) -> CannotStart:
    return CannotStart(f"INTERACTION_TYPES: {path} {fault}. docs/import.md describes the file", exit_code=2)
