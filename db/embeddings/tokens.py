"""Token estimates without a tokenizer, which would have to be downloaded.

The byte-level tokenizers of these models (cl100k and similar) make about one token of 4 characters of English prose, of
3 of source code, and of one Chinese character. The estimate is a third of a token for an ASCII character and half a
token for each UTF-8 byte of any other: too high for prose. Base64 and the like exceed it. No text exceeds one token a
byte, the bound that the embedder falls back to when a server rejects a text as too long.
"""

import numpy as np
from numpy.typing import NDArray

SIXTHS = 6
"""Costs are counted in sixths of a token, so that sums are exact: sums of float thirds drift past the limit."""

ASCII_COST, BYTE_COST = 2, 3


def estimate_tokens(text: str) -> int:
    """Estimate the number of tokens of a text, at least 1."""
    sixths = len(text) * ASCII_COST if text.isascii() else int(_costs(text).sum())
    return max(1, -(-sixths // SIXTHS))


def truncate(text: str, tokens: int) -> str:
    """Return the longest prefix of a text whose estimate is at most `tokens`."""
    text = text[: tokens * SIXTHS // ASCII_COST]  # no character costs less
    if text.isascii():
        return text
    return text[: int(np.searchsorted(np.cumsum(_costs(text)), tokens * SIXTHS, side="right"))]


def truncate_bytes(text: str, tokens: int) -> str:
    """Return the longest prefix that cannot have more than `tokens` tokens: as many bytes."""
    return text.encode()[:tokens].decode(errors="ignore")


def _costs(text: str) -> NDArray[np.int64]:
    points = np.frombuffer(text.encode("utf-32-le"), "<u4")
    utf8_bytes = 1 + (points > 0x7F) + (points > 0x7FF) + (points > 0xFFFF)
    return np.where(points < 0x80, ASCII_COST, utf8_bytes * BYTE_COST).astype(np.int64)
