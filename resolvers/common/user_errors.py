"""Expected failures of mutations as the graph shows them."""

from collections.abc import Awaitable
from typing import Self, TypeVar

import strawberry

from resolvers.common.compat import to_camel_case
from resolvers.common.enums import register_enum
from resolvers.common.errors import Unauthenticated
from resolvers.common.references import InvalidReference
from scoring.use_cases.input_errors import CallerUnidentified, InputError, InputRefused, UserErrorCode

T = TypeVar("T")

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

    @classmethod
    def of(cls, error: InputError) -> Self:
        """Show an error. Names of fields become those of the graph."""
        steps = [to_camel_case(step) if isinstance(step, str) else str(step) for step in error.path]
        return cls(code=error.code, message=_sentence(error), path=steps)


async def attempt(use_case: Awaitable[T], failed: T) -> tuple[T, list[UserError]]:
    """Run a use case; return its result, or `failed` with the errors in its input.

    Raises
    ------
    Unauthenticated
        If the use case needs a caller, or a token, that is not there.
    """
    try:
        return await use_case, []
    except CallerUnidentified as error:
        raise Unauthenticated(str(error)) from None
    except InvalidReference as error:
        return failed, [user_error(UserErrorCode.INVALID, error.message, *error.argument_path)]
    except InputRefused as refused:
        return failed, [UserError.of(error) for error in refused.errors]


def user_error(code: UserErrorCode, message: str, *path: str | int) -> UserError:
    """Return an error as the graph shows it."""
    return UserError.of(InputError(code, message, path))


def _sentence(error: InputError) -> str:
    """Return a whole sentence, also for a predicate such as "must not be empty" about the last field of the path."""
    field = next((step for step in reversed(error.path) if isinstance(step, str)), None)
    message = error.message.rstrip(".")
    if field is None or not message.startswith(("is ", "has ", "must ")):
        return f"{message[:1].upper()}{message[1:]}."
    return f"`{to_camel_case(field)}` {message}."
