"""The personalization settings of the viewer."""

from typing import Annotated, Self

from db.actors.actor_preferences import Preferences
from resolvers.common.descriptions import object_type

PERSONALIZED = "Whether feeds use your profile. If not, `forYou` is the popular feed; mutes still apply."
USE_TOPICS = "Whether interests influence the ranking: stated interests, onboarding answers and learned interests."
LEARN_FROM_VIEWS = "Whether views and clicks influence the ranking."
LEARN_FROM_LIKES = "Whether likes, saves, comments and follows influence the ranking."
SOCIAL_SIGNALS = (
    "Whether interactions of other people influence the ranking: visitors, and likes of people with similar taste."
)
DISCOVERY = (
    "The preference between familiar (0) and new (100) tools, categories and topics. 50 is neutral. Explanations "
    "show it as the signal `novelty`."
)


@object_type
class PersonalizationSettings:
    """Your settings for personalization.

    Signals that are switched off contribute nothing to scores; see `Contribution.switchedOff`.
    """

    personalized: Annotated[bool, PERSONALIZED]
    use_topics: Annotated[bool, USE_TOPICS]
    learn_from_views: Annotated[bool, LEARN_FROM_VIEWS]
    learn_from_likes: Annotated[bool, LEARN_FROM_LIKES]
    social_signals: Annotated[bool, SOCIAL_SIGNALS]
    discovery: Annotated[int, DISCOVERY]

    @classmethod
    def from_preferences(cls, preferences: Preferences) -> Self:
        """Convert settings."""
        return cls(**preferences.model_dump())
