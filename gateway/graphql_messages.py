"""What graphql-core says of a value, in JSON's words: it quotes `True`, `None` and `{'a': 1}`, as Python does."""

import ast
import re

import orjson

LONGEST_QUOTE = 100
"""Characters of a client's own value that are told back."""

_VARIABLE = "Variable '$"
_QUOTED = re.compile(r"(?P<said>.*?)(?P<link>, found: | Found: |(?<!invalid) value: )(?P<value>.*?)\.?", re.DOTALL)
_ENCOUNTERED = re.compile(r", but encountered error .*", re.DOTALL)


def plain_message(message: str) -> str:
    """Give a message of graphql-core's about an input as a sentence without Python in it."""
    message = _ENCOUNTERED.sub(".", message).replace(" not to be None", " not to be null")
    quoted = _QUOTED.fullmatch(message) if message.startswith(_VARIABLE) else None  # in a document it quotes GraphQL
    if quoted is None:
        return message if message.endswith((".", "?", "!")) else f"{message}."
    value = _as_json(quoted["value"])
    end = "." if quoted["link"] != " Found: " else ""
    return f"{quoted['said']}{quoted['link']}{value}." if value else f"{quoted['said']}{end}"


def _as_json(quote: str) -> str | None:
    """Write the value as the client did; None if graphql-core has cut it short, or it is long."""
    try:
        written = orjson.dumps(ast.literal_eval(quote)).decode()
    except (ValueError, SyntaxError, TypeError):  # TypeError: orjson's word for an integer of more than 64 bits
        return None
    return written if len(written) <= LONGEST_QUOTE else None
