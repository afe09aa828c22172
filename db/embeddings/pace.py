"""The pace of an embedding server: texts of a request and concurrent requests, learned from its responses.

A server on a CPU embeds 5 to 30 texts a second, and continues to embed the texts of a request that the client has given
up. Requests therefore start small and alone. They grow until a response takes `TARGET_S`, and concurrent requests are
added only when requests have reached their maximum size.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

FIRST_TEXTS = 4
GROWTH = 4
TARGET_S = 5.0
"""Seconds of a response that requests grow to. A third of the time limit of a request, so a server that becomes three
times as slow still answers in time."""


@dataclass(slots=True)
class Pace:
    """Texts of the next request, and number of requests of the next round."""

    max_texts: int
    max_requests: int
    texts: int = FIRST_TEXTS
    requests: int = 1

    def __post_init__(self) -> None:
        self.texts = min(self.texts, self.max_texts)

    def speed_up(self, texts: int, seconds: float, *, is_last: bool) -> None:
        """Adapt to a response. `is_last` tells that there were no texts for a larger request."""
        affordable = max(1, int(texts * TARGET_S / max(seconds, 1e-3)))
        if seconds > TARGET_S:
            self.texts = min(self.texts, affordable)
        elif texts < self.texts and is_last:
            return
        elif self.texts < self.max_texts:
            self.texts = max(self.texts, min(self.max_texts, GROWTH * texts, affordable))
        else:
            self.requests = min(self.requests + 1, self.max_requests)

    def slow_down(self) -> None:
        """Adapt to a failed request."""
        self.texts, self.requests = max(1, self.texts // GROWTH), 1

    def limit(self, texts: int) -> None:
        """Set the maximum texts of a request: the server rejects more."""
        self.max_texts = texts
        self.texts = min(self.texts, texts)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the delay of a `retry-after-ms` or `retry-after` header (seconds or a date), or None."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with suppress(KeyError, ValueError):
            return max(0.0, float(headers[name]) * unit_s)
    with suppress(KeyError, ValueError, TypeError):
        # Both dates are of the server's clock.
        delay = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
        return max(0.0, delay.total_seconds())
    return None
