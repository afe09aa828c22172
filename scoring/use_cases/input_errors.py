"""Expected failures of writes: a code for programs, a sentence for people and a path into the input."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from pydantic import ValidationError

from db import records
from db.errors import InvalidRecord, ProtectedUser, UnknownReference
from scoring.errors import ScoringError

MAX_ERRORS_PER_RECORD = 3
"""Maximum number of reported errors per record."""

Step = str | int
"""One step of a path: the name of a field or an index in a list."""


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
    """An expected failure; the path is empty if the failure concerns the whole request."""

    code: UserErrorCode
    message: str
    path: tuple[Step, ...] = ()


class InputRefused(ScoringError):
    """Refusal of the input of a use case. Nothing was written."""

    def __init__(self, *errors: InputError) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


class CallerUnidentified(ScoringError):
    """A write without the token or session that it requires."""


def refusal(code: UserErrorCode, message: str, *path: Step) -> InputRefused:
    """Return the refusal with one error."""
    return InputRefused(InputError(code, message, path))


def unknown_project_error(*path: Step) -> InputError:
    """Return the error for the key of a project that does not exist or that the viewer may not see."""
    return InputError(UserErrorCode.UNKNOWN_PROJECT, "The project does not exist, or you may not see it.", path)


def too_many_error(name: str, maximum: int) -> InputError:
    """Return the error for an argument with too many items.

    It does not say how many were sent: the gateway may have cut the list one item beyond the maximum.
    """
    return InputError(UserErrorCode.TOO_MANY, f"Send at most {maximum:,} {name}; you sent more.", (name,))


def validation_errors(error: ValidationError, *path: Step) -> list[InputError]:
    """Return the first errors of a record that violates its own rules."""
    first_errors = islice(records.validation_errors(error), MAX_ERRORS_PER_RECORD)
    return [InputError(UserErrorCode.INVALID, fault.message, (*path, *fault.path)) for fault in first_errors]


def record_error(error: InvalidRecord, *path: Step) -> InputError:
    """Return the error of a record that the database layer refused."""
    code = UserErrorCode.INVALID
    if isinstance(error, UnknownReference):
        code = UserErrorCode.UNKNOWN_REFERENCE
    elif isinstance(error, ProtectedUser):
        code = UserErrorCode.FORBIDDEN
    return InputError(code, error.message, (*path, *error.path))
