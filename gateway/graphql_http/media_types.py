"""Media type of an answer, by the header `Accept`.

With `application/graphql-response+json` the status is 4xx if the operation did not run. With `application/json` it is
200 for errors in the document or the variables, for clients that ignore the body of other statuses.
"""

from dataclasses import dataclass
from functools import lru_cache

from gateway.errors import RequestRefused

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"

EVENTS = "text/event-stream"
"""The media type of subscriptions only."""

MAX_ACCEPT = 1_000
"""Characters of an `Accept` header that are parsed; browsers send about 150."""


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an `Accept` header, as in ``application/*;q=0.8``."""

    name: str
    quality: float

    def specificity(self, media: str) -> int:
        """Return the specificity for a media type: 3 for its name, 2 for ``type/*``, 1 for ``*/*``, else 0."""
        main, _, _ = media.partition("/")
        return {media: 3, f"{main}/*": 2, "*/*": 1}.get(self.name, 0)


@lru_cache(256)
def negotiate_media_type(accept: str | None) -> str:
    """Return the media type of the answer: `application/json` for an old client without `Accept`, or with ``*/*``.

    Raises `RequestRefused`: 406, if the client accepts neither type.
    """
    if not accept or not accept.strip():
        return JSON
    ranges = [_media_range(part) for part in accept[:MAX_ACCEPT].split(",")]
    qualities = {media: _accepted_quality(media, ranges) for media in (GRAPHQL, JSON)}
    best = max(qualities, key=lambda media: (*qualities[media], _is_preferred(media, qualities[media][1])))
    if qualities[best][0] <= 0 and accepts_event_stream(accept):
        return GRAPHQL  # the type of an error before the stream begins
    if qualities[best][0] <= 0:
        raise RequestRefused(406, "NOT_ACCEPTABLE", f"Answers come as {GRAPHQL} or {JSON}: accept one of them.")
    return best


def accepts_event_stream(accept: str | None) -> bool:
    """Return whether a client accepts event streams by name. ``*/*`` does not include them."""
    ranges = [_media_range(part) for part in (accept or "")[:MAX_ACCEPT].split(",")]
    return any(entry.name == EVENTS and entry.quality > 0 for entry in ranges)


def _accepted_quality(media: str, ranges: list[MediaRange]) -> tuple[float, int]:
    """Return the quality of the most specific range, and its specificity (RFC 9110, section 12.5.1)."""
    closest = max(ranges, key=lambda entry: (entry.specificity(media), entry.quality))
    specificity = closest.specificity(media)
    return (closest.quality if specificity else 0.0, specificity)


def _is_preferred(media: str, specificity: int) -> bool:
    """Choose between types of equal quality: the newer if the client names both, the older if it names neither."""
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
