"""Errors in the input of mutations as GraphQL types."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Self, TypeVar

from resolvers.common.compat import to_camel_case
from resolvers.common.descriptions import object_type
from resolvers.common.enums import register_enum
from resolvers.common.errors import Unauthenticated, as_sentence
from resolvers.common.references import InvalidReference
from scoring.use_cases.input_errors import CallerUnidentified, InputError, InputRefused, UserErrorCode

T = TypeVar("T")
F = TypeVar("F")

register_enum(
    UserErrorCode,
    "UserErrorCode",
    "The kind of an error in the input of a mutation.",
    {
        "FORBIDDEN": "Your role does not allow this.",
        "UNKNOWN_PROJECT": "The project does not exist, or you may not see it.",
        "UNKNOWN_REFERENCE": "A key refers to something that does not exist.",
        "UNKNOWN_QUESTION": "The question does not exist.",
        "INACTIVE_QUESTION": "The question is no longer asked. Query `onboardingQuestions` again.",
        "UNKNOWN_OPTION": "The question has no such option.",
        "EMPTY": "A required value is missing.",
        "INVALID": "A value violates a rule; the message says which.",
        "TOO_MANY": "The limit is exceeded; nothing was written.",
        "OPTED_OUT": "The request has the header `Sec-GPC: 1`; views, clicks and impressions are not stored.",
    },
)


@object_type
class UserError:
    """An error in the input of a mutation."""

    code: Annotated[UserErrorCode, "The kind of error."]
    message: Annotated[str, "What is wrong and how to fix it, for people."]
    path: Annotated[
        list[str],
        'The path from the argument of the mutation inward, for example `["projects", "3", "title"]`; empty if the '
        "error is about the whole request.",
    ]

    @classmethod
    def from_input_error(cls, error: InputError) -> Self:
        """Convert an error; field names in the path become GraphQL names."""
        steps = [to_camel_case(step) if isinstance(step, str) else str(step) for step in error.path]
        return cls(code=error.code, message=_message_sentence(error), path=steps)


async def attempt(use_case: Callable[[], Awaitable[T]], result_on_error: F) -> tuple[T | F, list[UserError]]:
    """Run a use case; if its arguments or input are invalid, return `result_on_error` and the errors.

    Raises `Unauthenticated` if the required token or session is missing.
    """
    try:
        return await use_case(), []
    except CallerUnidentified as error:
        raise Unauthenticated(str(error)) from None
    except InvalidReference as error:
        return result_on_error, [user_error(UserErrorCode.INVALID, error.message, *error.argument_path)]
    except InputRefused as refusal:
        return result_on_error, [UserError.from_input_error(error) for error in refusal.errors]


def user_error(code: UserErrorCode, message: str, *path: str | int) -> UserError:
    """Return an error in the input."""
    return UserError.from_input_error(InputError(code, message, path))


def _message_sentence(error: InputError) -> str:
    """Return the message as a sentence.

    A predicate such as "must not be empty" gets the last field of the path as its subject.
    """
    field = next((step for step in reversed(error.path) if isinstance(step, str)), None)
    message = error.message.rstrip(".")
    if field is None or not message.startswith(("is ", "has ", "must ")):
        return as_sentence(message)
    return f"`{to_camel_case(field)}` {message}."
