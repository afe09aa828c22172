"""Something that a viewer has muted."""

from datetime import datetime
from typing import Self

import strawberry

from db.actors.mutes import Muted
from db.models import MuteKind
from resolvers.common import enums  # noqa: F401 (publishes the enum that is named below)


@strawberry.type(
    description="Something that you have muted. It holds in every feed but `similar` and a plain `search`, where you "
    "ask for things by name; in a search that is `personalized` it holds."
)
class Mute:
    """A mute as its maker sees it."""

    kind: MuteKind = strawberry.field(description="What it is.")
    key: str = strawberry.field(description="The platform's own id of it; `unmute` takes it.")
    name: str = strawberry.field(description="Its name, or the project's title.")
    since: datetime = strawberry.field(description="When you muted it.")

    @classmethod
    def of(cls, muted: Muted) -> Self:
        """Show a mute."""
        return cls(kind=muted.kind, key=muted.key, name=muted.name, since=muted.since)
