"""People, as others see them."""

from typing import Self

import strawberry

from db.actors.users import UserCard
from resolvers.common.global_ids import global_id
from resolvers.common.relay import Node


@strawberry.type(description="A person of the platform.")
class User(Node):
    """A user's public card."""

    key: str = strawberry.field(description="The platform's own id.")
    username: str = strawberry.field(description="The name to show.")
    bio: str = strawberry.field(description="What they say about themselves; may be empty.")
    tier: str = strawberry.field(description="The platform's own rank of its people; may be empty.")
    points: int = strawberry.field(description="The platform's own score of its people.")

    @classmethod
    def of(cls, card: UserCard) -> Self:
        """Show a user."""
        return cls(
            id=global_id("User", card.key),
            key=card.key,
            username=card.username,
            bio=card.bio,
            tier=card.tier,
            points=card.points,
        )
