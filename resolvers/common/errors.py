"""Errors of requests. Each becomes one GraphQL error with a code in `extensions` and a path.

```
RequestError (a GraphQLError)
├── InvalidArgument     BAD_USER_INPUT    an argument that no store can be asked with
├── InvalidId           BAD_ID            a global id that this service did not make
├── InvalidPage         of the ranking    a page or a place that cannot be served: FIRST_OUT_OF_RANGE, BAD_CURSOR, …
├── Unauthenticated     UNAUTHENTICATED   no token, and no session where one is enough
└── Forbidden           FORBIDDEN         a role that is not enough
```

Errors in the data of a mutation are no errors of this kind but `UserError` entries of its payload.
"""

from graphql import GraphQLError


class RequestError(GraphQLError):
    """Base of every error that this layer raises on purpose; the message says how to correct the request."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message, extensions={"code": code or self.code})


class InvalidArgument(RequestError):
    """An argument that no store can be asked with."""


class InvalidId(RequestError):
    """A global id that this service did not make."""

    code = "BAD_ID"


class InvalidPage(RequestError):
    """A page that cannot be served. The code is that of the ranking's own error."""


class Unauthenticated(RequestError):
    """A request without a token, or without a session where one is enough."""

    code = "UNAUTHENTICATED"


class Forbidden(RequestError):
    """A caller whose role is not enough."""

    code = "FORBIDDEN"
