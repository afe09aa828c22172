"""The closed sets of values that columns hold, as the platform's words in lower case."""

from enum import IntFlag, StrEnum


class Role(StrEnum):
    """What a caller may do: read as a viewer, write the catalog, or run experiments as well."""

    VIEWER = "viewer"
    SERVICE = "service"
    ADMINISTRATOR = "administrator"


class TermKind(StrEnum):
    """What a taxonomy term is."""

    TOOL = "tool"
    CATEGORY = "category"
    TOPIC = "topic"


class TagSource(StrEnum):
    """Where a viewer's tag comes from: stated by hand, answered in the quiz, imported, or learned from behavior."""

    MANUAL = "manual"
    QUIZ = "quiz"
    IMPORTED = "imported"
    LEARNED = "learned"


class InteractionType(StrEnum):
    """What an actor did with a project. All but the last two count as engagement."""

    VIEW = "view"
    LIKE = "like"
    SAVE = "save"
    COMMENT = "comment"
    FOLLOW = "follow"
    CLICK = "click"
    DISMISS = "dismiss"
    IMPRESSION = "impression"


class EngagementKind(IntFlag):
    """The kinds of engagement one actor has had with one project, as bits of `Engagement.kinds`."""

    VIEW = 1
    LIKE = 2
    SAVE = 4
    COMMENT = 8
    FOLLOW = 16
    CLICK = 32


ENGAGEMENT_BIT: dict[InteractionType, EngagementKind] = {
    type_: EngagementKind[type_.name]
    for type_ in InteractionType
    if type_ not in (InteractionType.DISMISS, InteractionType.IMPRESSION)
}


class FeedKind(StrEnum):
    """The feeds that a page can come from."""

    FOR_YOU = "for_you"
    TRENDING = "trending"
    POPULAR = "popular"
    NEWEST = "newest"
    SEARCH = "search"
    SIMILAR = "similar"


class QuestionType(StrEnum):
    """The plan's four kinds of onboarding question."""

    TOOL_SELECT = "tool_select"
    CATEGORY_SELECT = "category_select"
    USE_CASE = "use_case"
    EXPERIENCE = "experience"


class MuteKind(StrEnum):
    """What a viewer can mute: what a project carries, who made it, or a project as evidence for others."""

    TOPIC = "topic"
    CATEGORY = "category"
    TOOL = "tool"
    OWNER = "owner"
    PROJECT = "project"


class OutboxKind(StrEnum):
    """Which shadow an outbox row will bring up to date."""

    PROJECT = "project"
    PROFILE = "profile"
    TOOL = "tool"
