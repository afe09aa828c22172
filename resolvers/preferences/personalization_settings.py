"""A viewer's own settings of the ranking."""

from typing import Self

import strawberry

from db.actors.actor_preferences import Preferences

PERSONALIZED = "Whether there is a profile of you at all. Without one `forYou` is the popular feed; mutes still hold."
USE_TOPICS = "Whether your interests count: those you stated, answered in the quiz, or that were learned."
LEARN_FROM_VIEWS = "Whether anything is concluded from what you viewed or opened."
LEARN_FROM_LIKES = "Whether anything is concluded from what you liked, saved, commented on or followed."
SOCIAL_SIGNALS = "Whether it counts what other people do: how many come, and what people like you like."
DISCOVERY = (
    "From 0, more of what is familiar, to 100, more of what is new to you: tools, categories and topics that you have "
    "not met. 50 leaves the ranking as it is. It shows in the explanations as the signal `novelty`."
)


@strawberry.type(
    description="What you let the ranking do with what it knows of you. What is switched off adds nothing to any "
    "score, and the explanations say so (`Contribution.switchedOff`)."
)
class PersonalizationSettings:
    """The settings as their owner sees them."""

    personalized: bool = strawberry.field(description=PERSONALIZED)
    use_topics: bool = strawberry.field(description=USE_TOPICS)
    learn_from_views: bool = strawberry.field(description=LEARN_FROM_VIEWS)
    learn_from_likes: bool = strawberry.field(description=LEARN_FROM_LIKES)
    social_signals: bool = strawberry.field(description=SOCIAL_SIGNALS)
    discovery: int = strawberry.field(description=DISCOVERY)

    @classmethod
    def of(cls, preferences: Preferences) -> Self:
        """Show settings."""
        return cls(**preferences.model_dump())
