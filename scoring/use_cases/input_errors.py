"""Expected failures of writes: a code for programs, a sentence for people and a path into the input."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from pydantic import ValidationError

from db import records
from db.errors import InvalidRecord, ProtectedUser, UnknownReference
from scoring.errors import ScoringError

MAX_ERRORS_PER_RECORD = 3
"""Faults of one record that are reported: whoever corrects three reads the record anyway."""

Step = str | int
"""One step of a path: the name of a field, or a place in a list."""


class UserErrorCode(StrEnum):
    """Kinds of expected failures."""

    FORBIDDEN = "forbidden"
    UNKNOWN_PROJECT = "unknown_project"
    UNKNOWN_REFERENCE = "unknown_reference"
    UNKNOWN_QUESTION = "unknown_question"
    INACTIVE_QUESTION = "inactive_question"
    UNKNOWN_OPTION = "unknown_option"
    EMPTY = "empty"
    INVALID = "invalid"
    TOO_MANY = "too_many"
    OPTED_OUT = "opted_out"


@dataclass(frozen=True, slots=True)
class InputError:
    """An expected failure; the path is empty if the failure concerns the request as a whole."""

    code: UserErrorCode
    message: str
    path: tuple[Step, ...] = ()


class InputRefused(ScoringError):
    """Input that a use case refuses. Nothing was written."""

    def __init__(self, *errors: InputError) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


class CallerUnidentified(ScoringError):
    """A write for which the caller sends neither a token nor a session, or no token where one is needed."""


def refused(code: UserErrorCode, message: str, *path: Step) -> InputRefused:
    """Return a refusal for one reason."""
    return InputRefused(InputError(code, message, path))


def unknown_project_error(*path: Step) -> InputError:
    """Return the error of a key that names no project visible to the viewer."""
    return InputError(UserErrorCode.UNKNOWN_PROJECT, "There is no such project, or it is not yours to see.", path)


def too_many_error(name: str, given: int, most: int) -> InputError:
    """Return the error of a list that is too long."""
    return InputError(UserErrorCode.TOO_MANY, f"{given} at once are too many: send at most {most}.", (name,))


def validation_errors(error: ValidationError, *path: Step) -> list[InputError]:
    """Return the faults that a record's own rules found."""
    found = islice(records.validation_errors(error), MAX_ERRORS_PER_RECORD)
    return [InputError(UserErrorCode.INVALID, fault.message, (*path, *fault.path)) for fault in found]


def record_error(error: InvalidRecord, *path: Step) -> InputError:
    """Return the error of a record that the database refused."""
    code = UserErrorCode.INVALID
    if isinstance(error, UnknownReference):
        code = UserErrorCode.UNKNOWN_REFERENCE
    elif isinstance(error, ProtectedUser):
        code = UserErrorCode.FORBIDDEN
    return InputError(code, error.message, (*path, *error.path))
