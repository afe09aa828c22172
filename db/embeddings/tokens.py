"""Token estimates without a tokenizer, which would have to be downloaded.

With byte-level tokenizers (cl100k and similar), one token covers about 4 characters of English prose, 3 characters of
source code, or 1 Chinese character. The estimate counts 1/3 token for an ASCII character, and 1/2 token for each UTF-8
byte of other characters. The estimate is too high for prose, and too low for base64. A text never has more tokens than
bytes: if a server rejects a text as too long, the embedder truncates it to that bound.
"""

import numpy as np
from numpy.typing import NDArray

SIXTHS = 6
"""Costs are integers in sixths of a token, so that sums are exact: sums of floats can exceed the limit."""

ASCII_COST, BYTE_COST = 2, 3


def estimate_tokens(text: str) -> int:
    """Estimate the number of tokens of a text, at least 1."""
    sixths = len(text) * ASCII_COST if text.isascii() else int(_character_costs(text).sum())
    return max(1, -(-sixths // SIXTHS))


def truncate(text: str, tokens: int) -> str:
    """Return the longest prefix of a text whose estimate is at most `tokens`."""
    text = text[: tokens * SIXTHS // ASCII_COST]  # each character costs at least ASCII_COST
    if text.isascii():
        return text
    return text[: int(np.searchsorted(np.cumsum(_character_costs(text)), tokens * SIXTHS, side="right"))]


def truncate_bytes(text: str, tokens: int) -> str:
    """Return the prefix of `tokens` bytes, which cannot have more than `tokens` tokens."""
    return text.encode()[:tokens].decode(errors="ignore")


def _character_costs(text: str) -> NDArray[np.int64]:
    points = np.frombuffer(text.encode("utf-32-le"), "<u4")
    utf8_bytes = 1 + (points > 0x7F) + (points > 0x7FF) + (points > 0xFFFF)
    return np.where(points < 0x80, ASCII_COST, utf8_bytes * BYTE_COST).astype(np.int64)
