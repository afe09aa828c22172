"""Messages of graphql-core with values as JSON instead of Python (`True`, `None`, `{'a': 1}`)."""

import ast
import re

import orjson

MAX_QUOTE = 100
"""Characters of a client's value that a message repeats."""

_VARIABLE = "Variable '$"
_QUOTED = re.compile(r"(?P<before>.*?)(?P<link>, found: | Found: |(?<!invalid) value: )(?P<value>.*?)\.?", re.DOTALL)
_ENCOUNTERED = re.compile(r", but encountered error .*", re.DOTALL)


def plain_message(message: str) -> str:
    """Return a message of graphql-core about an input as a sentence without Python's notation."""
    message = _ENCOUNTERED.sub(".", message).replace(" not to be None", " not to be null")
    quoted = (
        _QUOTED.fullmatch(message) if message.startswith(_VARIABLE) else None
    )  # other messages quote values as GraphQL
    if quoted is None:
        return message if message.endswith((".", "?", "!")) else f"{message}."
    value = _as_json(quoted["value"])
    end = "." if quoted["link"] != " Found: " else ""
    return f"{quoted['before']}{quoted['link']}{value}." if value else f"{quoted['before']}{end}"


def _as_json(quote: str) -> str | None:
    """Return the value as JSON; None if graphql-core has truncated it, or it is long."""
    try:
        written = orjson.dumps(ast.literal_eval(quote)).decode()
    except (ValueError, SyntaxError, TypeError):  # TypeError: an integer of more than 64 bits
        return None
    return written if len(written) <= MAX_QUOTE else None
