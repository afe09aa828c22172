"""A mute of the viewer."""

from datetime import datetime
from typing import Annotated, Self

from db.actors.mutes import Muted
from db.models import MuteKind
from resolvers.common import enums  # noqa: F401 (publishes the enum that is named below)
from resolvers.common.descriptions import object_type


@object_type
class Mute:
    """Something that you muted. Applies to all feeds except `similar` and a `search` that is not personalized."""

    kind: Annotated[MuteKind, "The kind."]
    key: Annotated[str, "The platform's own id, for `unmute`."]
    name: Annotated[str, "The name or title."]
    since: Annotated[datetime, "When you muted it."]

    @classmethod
    def from_muted(cls, muted: Muted) -> Self:
        """Convert a mute."""
        return cls(kind=muted.kind, key=muted.key, name=muted.name, since=muted.since)
