"""Which of GraphQL's two media types an answer has, by the header `Accept`.

`application/graphql-response+json` lets the status say what became of the operation: 4xx if it was never run.
`application/json` answers 200 to every operation that could be read, for clients that look no further on another one.
"""

from dataclasses import dataclass
from functools import lru_cache

from gateway.errors import RequestRefused

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"

EVENTS = "text/event-stream"
"""What a subscription is answered with, and nothing else is."""

LONGEST_ACCEPT = 1_000
"""Characters of an `Accept` header that are looked at; browsers send about 150."""


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an `Accept` header, as in ``application/*;q=0.8``."""

    name: str
    quality: float

    def specificity(self, media: str) -> int:
        """Tell how closely it names a media type: 3 by name, 2 by ``type/*``, 1 by ``*/*``, 0 not at all."""
        main, _, _ = media.partition("/")
        return {media: 3, f"{main}/*": 2, "*/*": 1}.get(self.name, 0)


@lru_cache(256)
def negotiate_media_type(accept: str | None) -> str:
    """Give the media type of the answer. Nothing said, or ``*/*``, is `application/json`: such a client is old.

    Raises
    ------
    RequestRefused
        406, if the client takes neither type.
    """
    if not accept or not accept.strip():
        return JSON
    ranges = [_media_range(part) for part in accept[:LONGEST_ACCEPT].split(",")]
    found = {media: _wanted(media, ranges) for media in (GRAPHQL, JSON)}
    best = max(found, key=lambda media: (*found[media], _is_preferred(media, found[media][1])))
    if found[best][0] <= 0 and accepts_event_stream(accept):
        return GRAPHQL  # of refusals; a subscription's own answer is a stream
    if found[best][0] <= 0:
        raise RequestRefused(406, "NOT_ACCEPTABLE", f"Answers come as {GRAPHQL} or {JSON}: accept one of them.")
    return best


def accepts_event_stream(accept: str | None) -> bool:
    """Say whether a client names event streams among what it accepts; ``*/*`` does not mean them."""
    ranges = [_media_range(part) for part in (accept or "")[:LONGEST_ACCEPT].split(",")]
    return any(entry.name == EVENTS and entry.quality > 0 for entry in ranges)


def _wanted(media: str, ranges: list[MediaRange]) -> tuple[float, int]:
    """Give the quality that the closest range asks for, and how close it is (RFC 9110, section 12.5.1)."""
    closest = max(ranges, key=lambda entry: (entry.specificity(media), entry.quality))
    specificity = closest.specificity(media)
    return (closest.quality if specificity else 0.0, specificity)


def _is_preferred(media: str, specificity: int) -> bool:
    """Break a tie: who names both types means the newer one, who names neither gets the older."""
    return media == (GRAPHQL if specificity == 3 else JSON)


def _media_range(text: str) -> MediaRange:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = next((value for value in parameters if value.startswith("q=")), "q=1")
    return MediaRange(name, _quality(quality[2:]))


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0
