"""Enumerations of column values."""

from enum import IntFlag, StrEnum


class Role(StrEnum):
    """Roles of a caller: a viewer reads, a service also writes the catalog, an administrator has all rights."""

    VIEWER = "viewer"
    SERVICE = "service"
    ADMINISTRATOR = "administrator"

    @property
    def rank(self) -> int:
        """Position in the order of rights: a role has all rights of the roles of lower rank."""
        return list(Role).index(self)


class TermKind(StrEnum):
    """Kinds of `Term`."""

    TOOL = "tool"
    CATEGORY = "category"
    TOPIC = "topic"


class InterestSource(StrEnum):
    """Sources of an interest: set by hand, chosen in onboarding, imported, or learned from interactions."""

    MANUAL = "manual"
    QUIZ = "quiz"
    IMPORTED = "imported"
    LEARNED = "learned"


class InteractionType(StrEnum):
    """Built-in types of interactions. All except DISMISS and IMPRESSION count as engagement.

    A platform can add types of its own by name (`db.custom_types`).
    """

    VIEW = "view"
    LIKE = "like"
    SAVE = "save"
    COMMENT = "comment"
    FOLLOW = "follow"
    CLICK = "click"
    DISMISS = "dismiss"
    IMPRESSION = "impression"


class EngagementKind(IntFlag):
    """Kinds of engagement of an actor with a project, as bits of `Engagement.kinds`.

    The bits from `FIRST_CUSTOM_BIT` on belong to a platform's own types.
    """

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


FIRST_CUSTOM_BIT = 6
CUSTOM_TYPES_OF_EACH_KIND = 12
"""Maximum of a platform's own types that a page reports by itself, and of its deliberate types: 24 bits in all."""

_CUSTOM_MASK = 2**CUSTOM_TYPES_OF_EACH_KIND - 1
PASSIVE_KINDS = EngagementKind.VIEW | EngagementKind.CLICK | EngagementKind(_CUSTOM_MASK << FIRST_CUSTOM_BIT)
"""Kinds of engagement that a page reports by itself."""
DELIBERATE_KINDS = (
    EngagementKind.LIKE
    | EngagementKind.SAVE
    | EngagementKind.COMMENT
    | EngagementKind.FOLLOW
    | EngagementKind(_CUSTOM_MASK << FIRST_CUSTOM_BIT + CUSTOM_TYPES_OF_EACH_KIND)
)
"""Kinds of engagement that express an intention of the viewer."""


class FeedKind(StrEnum):
    """Feeds whose pages are logged and whose interactions are recorded."""

    FOR_YOU = "for_you"
    TRENDING = "trending"
    POPULAR = "popular"
    NEWEST = "newest"
    SEARCH = "search"
    SIMILAR = "similar"


class QuestionType(StrEnum):
    """The four types of onboarding question."""

    TOOL_SELECT = "tool_select"
    CATEGORY_SELECT = "category_select"
    USE_CASE = "use_case"
    EXPERIENCE = "experience"


class MuteKind(StrEnum):
    """Subjects of a mute: a term, an owner, or a project that is not used as evidence."""

    TOPIC = "topic"
    CATEGORY = "category"
    TOOL = "tool"
    OWNER = "owner"
    PROJECT = "project"


class OutboxKind(StrEnum):
    """Kinds of index documents that an outbox row updates."""

    PROJECT = "project"
    PROFILE = "profile"
    TOOL = "tool"
