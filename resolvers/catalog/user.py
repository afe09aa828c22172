"""People, as others see them."""

from typing import Self

import strawberry

from db.actors.users import UserCard
from resolvers.common.descriptions import object_type
from resolvers.common.global_ids import global_id
from resolvers.common.relay import Node


@object_type
class User(Node):
    """A user of the platform."""

    key: str = strawberry.field(description="The platform's own id.")
    username: str = strawberry.field(description="The display name.")
    bio: str = strawberry.field(description="The user's description of themselves; may be empty.")
    tier: str = strawberry.field(description="The platform's own tier of the user; may be empty.")
    points: int = strawberry.field(description="The platform's own score of the user.")

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
