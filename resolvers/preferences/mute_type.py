"""A mute of the viewer."""

from datetime import datetime
from typing import Self

import strawberry

from db.actors.mutes import Muted
from db.models import MuteKind
from resolvers.common import enums  # noqa: F401 (publishes the enum that is named below)
from resolvers.common.descriptions import object_type


@object_type
class Mute:
    """Something that you muted. Applies to all feeds except `similar` and a `search` that is not personalized."""

    kind: MuteKind = strawberry.field(description="The kind.")
    key: str = strawberry.field(description="The platform's own id, for `unmute`.")
    name: str = strawberry.field(description="The name or title.")
    since: datetime = strawberry.field(description="When you muted it.")

    @classmethod
    def of(cls, muted: Muted) -> Self:
        """Show a mute."""
        return cls(kind=muted.kind, key=muted.key, name=muted.name, since=muted.since)
