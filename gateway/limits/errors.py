"""A request that asks for too much: which limit, what was asked, and what is allowed.

```
RequestRefused
└── OverLimit           400: the request as it stands will never be run
    └── OverBudget      429: it will be, when the budget has filled up again
```
"""

from gateway.errors import RequestRefused

MOST_SAID = 10**9
"""What was asked may have hundreds of digits (fragments that double): from here on it is said to be this much."""


class OverLimit(RequestRefused):
    """A request beyond one of the limits.

    Parameters
    ----------
    code
        Which limit, as in `TOO_DEEP`.
    message
        What was asked, what is allowed, and how to mend it.
    asked, allowed
        Both, as numbers for a client's code.
    status
        The HTTP status.
    """

    def __init__(self, code: str, message: str, *, asked: int, allowed: int, status: int = 400) -> None:
        super().__init__(status, code, message, extensions={"asked": min(asked, MOST_SAID), "allowed": allowed})


def amount(number: int) -> str:
    """Write a number for a message."""
    return f"{number:,}" if number < MOST_SAID else f"over {MOST_SAID:,}"
