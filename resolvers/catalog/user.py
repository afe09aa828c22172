"""Public profiles of users."""

from typing import Annotated, Self

from db.actors.users import UserCard
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.global_ids import global_id
from resolvers.common.relay import Node


@object_type
class User(Node):
    """A user of the platform."""

    key: Annotated[str, "The platform's own id."]
    username: Annotated[str, "The display name."]
    bio: Annotated[str, "The user's description of themselves; may be empty."]
    tier: Annotated[str, "The platform's own tier of the user; may be empty."]
    points: Annotated[int, "The platform's own score of the user."]

    @classmethod
    def from_card(cls, card: UserCard) -> Self:
        """Convert a user."""
        return cls(
            id=global_id("User", card.key),
            key=card.key,
            username=card.username,
            bio=card.bio,
            tier=card.tier,
            points=card.points,
        )


async def user_by_id(info: Info, user_id: int | None) -> User | None:
    """Return the user with a database id; None if there is none."""
    card = None if user_id is None else await info.context.loaders.users_by_id.load(user_id)
    return None if card is None else User.from_card(card)
