"""The enums of the graph: enums of the lower layers with public names and a description of each value."""

from collections.abc import Mapping
from enum import Enum, StrEnum

import strawberry

from db.errors import Store
from db.models import FeedKind, InteractionType, MuteKind, QuestionType, Role, TermKind
from resolvers.common.compat import enum_definition
from scoring.explanation.reasons import SimilarityBasis
from scoring.explanation.why_not_outcome import Outcome
from scoring.mathematics.velocity import Window
from scoring.pipelines.feed_filters import Filter
from scoring.ranking import Rule, Strategy


def register_enum(enum: type[Enum], name: str, description: str, values: Mapping[str, str]) -> None:
    """Register an enum under its public name. The public name of a member is its value in capitals.

    Parameters
    ----------
    values
        Description of every member, by the member's public name.
    """
    strawberry.enum(enum, name=name, description=description)
    for value in enum_definition(enum).values:
        value.name = str(value.value).upper()
        value.description = values[value.name]


register_enum(
    FeedKind,
    "FeedKind",
    "The feeds of an explore page.",
    {
        "FOR_YOU": "Projects ranked for the viewer.",
        "TRENDING": "Projects with many visitors right now.",
        "POPULAR": "Projects with the most visitors of the last weeks and the most likes.",
        "NEWEST": "All projects, latest first.",
        "SEARCH": "The results of a search.",
        "SIMILAR": "Projects similar to one project.",
    },
)
register_enum(
    Strategy,
    "FeedStrategy",
    "How a feed was ranked. It differs from the feed's name if nothing is known about the viewer.",
    {
        "PERSONALIZED": "By the viewer's interests and interactions.",
        "ONBOARDING": "By the viewer's onboarding answers; there are no interactions yet.",
        "POPULAR": "By recent visitors, age and likes, the same for everybody.",
        "VELOCITY": "By the rate of visitors.",
        "NEWEST": "By creation time.",
        "HYBRID": "By meaning and keywords, weighted by `alpha`.",
        "KEYWORD": "By keywords only.",
        "SIMILAR": "By similarity to one project.",
    },
)
register_enum(
    Store,
    "Store",
    "The stores behind the gateway.",
    {
        "DATABASE": "The relational database.",
        "VECTORS": "The vector index. Without it, similarity cannot be computed.",
        "EMBEDDINGS": "The embedding model, which turns text into vectors.",
        "CACHE": "The cache of rankings. Without it, each request ranks again, and cursors are invalid.",
    },
)
register_enum(
    Rule,
    "AdjustmentRule",
    "Why the rank of a project differs from the order of the scores.",
    {
        "DIVERSITY": (
            "Demoted because similar projects rank higher, or because its owner or category reached its maximum share "
            "of the page; or moved up because other projects were demoted."
        ),
        "EXPLORATION": (
            "Placed at this rank to find out whether people like the project, or displaced by such a project "
            "(`blockedBy`)."
        ),
        "READ": (
            "Demoted behind a page of projects that the viewer has not read, because the viewer has read this one; or "
            "moved up because others were demoted so (`penalty` is 0)."
        ),
        "REMAINDER": "The project was not ranked and follows the ranked projects, newest first.",
    },
)
register_enum(
    SimilarityBasis,
    "SimilarityBasis",
    "What makes two projects similar.",
    {"TEXT": "Their texts have a similar meaning.", "PEOPLE": "The same people visit both."},
)
register_enum(
    Outcome,
    "WhyNotOutcome",
    "The outcome of the search for a project in `forYou`.",
    {
        "UNKNOWN": "The project does not exist, or you may not see it.",
        "FILTERED": "A filter removes the project; see `filter`.",
        "NOT_A_CANDIDATE": "No candidate source returned the project, so it was not ranked.",
        "RANKED": "The project is in the feed; see `rank`.",
    },
)
register_enum(
    Filter,
    "FeedFilter",
    "A filter that removes projects from feeds.",
    {
        "PRIVATE": "The project is private, and yours.",
        "ARCHIVED": "The project is archived.",
        "OWN": "The project is yours.",
        "DISMISSED": "You dismissed the project.",
        "MUTED": "You muted its owner or one of its tools, categories or topics.",
        "WHERE": "The project does not match `where`.",
        "READ": "You viewed, opened, liked, saved, commented on or followed the project in the last days.",
    },
)
register_enum(
    Window,
    "TrendingWindow",
    "The window of a trend.",
    {"HOUR": "The last hour.", "DAY": "The last 24 hours.", "WEEK": "The last 7 days."},
)
register_enum(
    TermKind,
    "TermKind",
    "The kinds of terms of projects and interests.",
    {"TOOL": "A tool.", "CATEGORY": "A category.", "TOPIC": "A topic."},
)
register_enum(
    MuteKind,
    "MuteKind",
    "The kinds of subjects that can be muted.",
    {
        "TOPIC": "A topic. Its projects are removed from your feeds.",
        "CATEGORY": "A category. Its projects are removed from your feeds.",
        "TOOL": "A tool. Projects made with it are removed from your feeds.",
        "OWNER": "A user. Their projects are removed from your feeds.",
        "PROJECT": (
            "A project that you interacted with. It is still shown, but your interactions with it no longer "
            'influence your feeds. Use it for reasons such as "Similar to …, which you viewed".'
        ),
    },
)
register_enum(
    QuestionType,
    "OnboardingQuestionType",
    "The types of onboarding questions.",
    {
        "TOOL_SELECT": "Asks for tools. Each option represents a tool, which becomes an interest if chosen.",
        "CATEGORY_SELECT": (
            "Asks for categories. Each option represents a category, which becomes an interest if chosen."
        ),
        "USE_CASE": "Asks for a purpose. The chosen labels are used to compute the profile vector.",
        "EXPERIENCE": (
            "Asks for experience. The chosen label is used to compute the profile vector, and is stored as a setting."
        ),
    },
)
register_enum(
    Role,
    "Role",
    "The roles of callers.",
    {
        "VIEWER": "Can read feeds and change their own data.",
        "SERVICE": "Can also write the catalog and users. For the platform's own servers.",
        "ADMINISTRATOR": "Can also appoint administrators.",
    },
)
register_enum(
    InteractionType,
    "InteractionType",
    "The types of interactions with a project.",
    {
        "VIEW": "Viewed its page.",
        "LIKE": "Liked it.",
        "SAVE": "Saved it for later.",
        "COMMENT": "Commented on it.",
        "FOLLOW": "Followed it or its owner.",
        "CLICK": "Opened its link.",
        "DISMISS": "Dismissed it from all feeds.",
        "IMPRESSION": "Saw it on the screen. Impressions record what was shown; they are not a sign of interest.",
    },
)


class SignalGroup(StrEnum):
    """Kinds of evidence behind a signal or a reason."""

    CONTENT = "content"
    STATED = "stated"
    BEHAVIOR = "behavior"
    PEOPLE = "people"
    TIME = "time"
    DISCOVERY = "discovery"


register_enum(
    SignalGroup,
    "SignalGroup",
    "The kind of evidence of a signal or reason, for example for its color.",
    {
        "CONTENT": "The content of the project.",
        "STATED": "Interests that you stated.",
        "BEHAVIOR": "Your interactions.",
        "PEOPLE": "The interactions of other people.",
        "TIME": "The age of the project.",
        "DISCOVERY": "A rank given to find out whether people like the project. Only reasons have this group.",
    },
)


class ViewerKind(StrEnum):
    """Ways in which a viewer is identified."""

    USER = "user"
    SESSION = "session"
    ANONYMOUS = "anonymous"


register_enum(
    ViewerKind,
    "ViewerKind",
    "How a viewer is identified.",
    {
        "USER": "By a bearer token.",
        "SESSION": "By an `X-Session-Id`.",
        "ANONYMOUS": "Not at all; nothing can be stored.",
    },
)
