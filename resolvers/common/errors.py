"""What a caller of the graph can do wrong. Each becomes one GraphQL error with a code in `extensions` and a path.

```
GraphRefusal (a GraphQLError)
├── BadInput            BAD_USER_INPUT    an argument that no store can be asked with
├── BadId               BAD_ID            a global id that this service has not made
├── PageRefused         of `InvalidPageRequest`      a page or a place that cannot be given: FIRST_OUT_OF_RANGE, BAD_CURSOR, …
├── Unauthenticated     UNAUTHENTICATED   a token is needed
└── Forbidden           FORBIDDEN         the token's role is not enough
```

What the caller of a mutation did wrong with its data is no error of this kind but a `UserError` in the payload.
"""

from graphql import GraphQLError


class RequestError(GraphQLError):
    """Base of every error that this floor raises on purpose; the message says how to mend the request."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message, extensions={"code": code or self.code})


class InvalidArgument(RequestError):
    """An argument that no store can be asked with."""


class InvalidId(RequestError):
    """A global id that this service has not made."""

    code = "BAD_ID"


class InvalidPage(RequestError):
    """A page that cannot be cut. The code is that of the ranking's own error."""


class Unauthenticated(RequestError):
    """A token is needed."""

    code = "UNAUTHENTICATED"


class Forbidden(RequestError):
    """The token's role is not enough."""

    code = "FORBIDDEN"
