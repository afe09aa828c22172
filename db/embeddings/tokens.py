"""How many tokens a text is worth, estimated without a tokeniser: theirs would have to be downloaded.

The byte-level tokenisers of these models (cl100k and its kin) make about one token of 4 characters of English prose, of
3 of source code, and of one Chinese character. The estimate is a third of a token for an ASCII character and half a
token for each UTF-8 byte of any other: above the truth for prose. Base64 and the like exceed it; nothing exceeds one
token a byte, which is what the embedder falls back to when a server says that a text is too long.
"""

import numpy as np
from numpy.typing import NDArray

WHOLE = 6
"""Costs are counted in sixths of a token, so that sums are exact: thirds added as floats drift past the limit."""

ASCII_COST, BYTE_COST = 2, 3


def estimate(text: str) -> int:
    """Estimate a text's tokens, at least 1."""
    if text.isascii():
        return max(1, _tokens(len(text) * ASCII_COST))
    return max(1, _tokens(int(_costs(text).sum())))


def cut(text: str, tokens: int) -> str:
    """Give the longest beginning of a text whose estimate is within `tokens`."""
    text = text[: tokens * WHOLE // ASCII_COST]  # no character costs less
    if text.isascii():
        return text
    return text[: int(np.searchsorted(np.cumsum(_costs(text)), tokens * WHOLE, side="right"))]


def cut_for_certain(text: str, tokens: int) -> str:
    """Give the longest beginning of a text that cannot be more than `tokens`: a byte is a token at most."""
    return text.encode()[:tokens].decode(errors="ignore")


def _tokens(sixths: int) -> int:
    return -(-sixths // WHOLE)


def _costs(text: str) -> NDArray[np.int64]:
    points = np.frombuffer(text.encode("utf-32-le"), "<u4")
    utf8_bytes = 1 + (points > 0x7F) + (points > 0x7FF) + (points > 0xFFFF)
    return np.where(points < 0x80, ASCII_COST, utf8_bytes * BYTE_COST).astype(np.int64)
