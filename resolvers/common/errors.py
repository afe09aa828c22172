"""Errors of requests. Each becomes one GraphQL error with a code in `extensions` and a path.

```
RequestError (a GraphQLError)
├── InvalidArgument     BAD_USER_INPUT    an invalid argument
├── InvalidId           BAD_ID            an invalid global id
├── InvalidPage         several           an invalid page: FIRST_OUT_OF_RANGE, BAD_CURSOR, SNAPSHOT_EXPIRED, …
├── Unauthenticated     UNAUTHENTICATED   no token, and no session if a session is sufficient
└── Forbidden           FORBIDDEN         a role that is too low
```

Errors in the input of a mutation are `UserError` entries of its payload instead.
"""

from graphql import GraphQLError


def as_sentence(message: str) -> str:
    """Return a message with an initial capital and a final period."""
    return f"{message[:1].upper()}{message[1:].rstrip('.')}."


class RequestError(GraphQLError):
    """Base of the errors that resolvers raise. The message says how to correct the request."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message, extensions={"code": code or self.code})


class InvalidArgument(RequestError):
    """An invalid argument."""


class InvalidId(RequestError):
    """An invalid global id."""

    code = "BAD_ID"


class InvalidPage(RequestError):
    """An invalid page. `code` is copied from the `scoring.errors` exception."""


class Unauthenticated(RequestError):
    """A request without the required token or session."""

    code = "UNAUTHENTICATED"


class Forbidden(RequestError):
    """A caller whose role is too low."""

    code = "FORBIDDEN"
