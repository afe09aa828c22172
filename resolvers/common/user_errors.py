"""What a caller of a mutation did wrong, as data: a code for programs, a sentence for people, a path into the input."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import islice

import strawberry
from pydantic import ValidationError
from strawberry.utils.str_converters import to_camel_case

from db.errors import InvalidRecord, ProtectedUser, UnknownReference
from db.records import validation_errors
from db.upsert_results import Refusal
from resolvers.common.enums import register_enum

MAX_ERRORS_PER_RECORD = 3
"""Faults of one record that are told: whoever mends three looks at the record anyway."""


class UserErrorCode(StrEnum):
    """What kind of fault it is."""

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


register_enum(
    UserErrorCode,
    "UserErrorCode",
    "What kind of fault a mutation found in its input.",
    {
        "FORBIDDEN": "Your role does not allow this.",
        "UNKNOWN_PROJECT": "There is no such project, or it is not yours to see.",
        "UNKNOWN_REFERENCE": "A key names something that is not there.",
        "UNKNOWN_QUESTION": "The quiz has no such question, and never had.",
        "INACTIVE_QUESTION": "The question is not asked any more; read `onboardingQuestions` anew.",
        "UNKNOWN_OPTION": "The question has no such option (any more).",
        "EMPTY": "Nothing was said where something must be.",
        "INVALID": "A value breaks a rule; the message says which.",
        "TOO_MANY": "More at once than is taken; nothing was written.",
        "OPTED_OUT": "The request carries `Sec-GPC: 1`: views, clicks and impressions are not stored.",
    },
)


@strawberry.type(description="A fault in the input of a mutation.")
class UserError:
    """A fault as data."""

    code: UserErrorCode = strawberry.field(description="What kind of fault it is.")
    message: str = strawberry.field(description="What is wrong and how to mend it, for people.")
    path: list[str] = strawberry.field(
        description='Where it is, from the mutation\'s argument inwards, for example `["projects", "3", "title"]`; '
        "empty if it is about the request as a whole."
    )


def user_error(code: UserErrorCode, message: str, *path: str | int) -> UserError:
    """Note a fault. Names of fields are turned into those of the graph."""
    steps = [to_camel_case(step) if isinstance(step, str) else str(step) for step in path]
    return UserError(code=code, message=message, path=steps)


def unknown_project_error(*path: str | int) -> UserError:
    """Note that a key names no project that the viewer may see."""
    return user_error(UserErrorCode.UNKNOWN_PROJECT, "There is no such project, or it is not yours to see.", *path)


def too_many_error(name: str, given: int, most: int) -> UserError:
    """Note that a list is too long."""
    return user_error(UserErrorCode.TOO_MANY, f"{given} at once are too many: send at most {most}.", name)


def input_validation_errors(error: ValidationError, *path: str | int) -> list[UserError]:
    """Note what a record's own rules found."""
    found = islice(validation_errors(error), MAX_ERRORS_PER_RECORD)
    return [user_error(UserErrorCode.INVALID, _sentence(fault), *path, *fault.path) for fault in found]


def refusal_errors(refused: Iterable[Refusal], name: str, indexes: Sequence[int]) -> list[UserError]:
    """Note which records the truth did not take; `indexes` are their places in the caller's list."""
    return [
        user_error(
            _code(refusal.error),
            _sentence(refusal.error),
            name,
            indexes[refusal.index],
            *refusal.error.path,
        )
        for refusal in refused
    ]


def _code(error: InvalidRecord) -> UserErrorCode:
    match error:
        case UnknownReference():
            return UserErrorCode.UNKNOWN_REFERENCE
        case ProtectedUser():
            return UserErrorCode.FORBIDDEN
        case _:
            return UserErrorCode.INVALID


def _sentence(fault: InvalidRecord) -> str:
    """Make a sentence of what a floor below says of a field, for example "must not be empty"."""
    field = next((step for step in reversed(fault.path) if isinstance(step, str)), None)
    if field is None or not fault.message.startswith(("is ", "has ", "must ")):
        return f"{fault.message[:1].upper()}{fault.message[1:].rstrip('.')}."
    return f"`{to_camel_case(field)}` {fault.message.rstrip('.')}."
