"""The enums of the graph: those of the floors below, under their public names, each value with its meaning."""

from collections.abc import Mapping
from enum import Enum, StrEnum

import strawberry

from db.errors import Store
from db.models import FeedKind, InteractionType, MuteKind, QuestionType, Role, TermKind
from resolvers.common.compat import enum_definition
from scoring.explanation.reasons import Basis
from scoring.explanation.why_not_outcome import Outcome
from scoring.mathematics.velocity import Window
from scoring.pipelines.feed_filters import Filter
from scoring.ranking import Rule, Strategy


def register_enum(enum: type[Enum], name: str, description: str, values: Mapping[str, str]) -> None:
    """Give an enum a place in the graph.

    Parameters
    ----------
    values
        What each member means, by the member's name; all of them must be there.
    """
    strawberry.enum(enum, name=name, description=description)
    for value in enum_definition(enum).values:
        value.description = values[value.name]


register_enum(
    FeedKind,
    "FeedKind",
    "The feeds of an explore page.",
    {
        "FOR_YOU": "Ranked for this viewer.",
        "TRENDING": "What is taking off now.",
        "POPULAR": "What most people like.",
        "NEWEST": "The latest projects first.",
        "SEARCH": "What a search found.",
        "SIMILAR": "What is like one project.",
    },
)
register_enum(
    Strategy,
    "FeedStrategy",
    "How a feed was made. A feed for a viewer that nothing is known of is made another way than its name says.",
    {
        "PERSONALIZED": "From the viewer's interests and history.",
        "ONBOARDING": "From the viewer's answers to the quiz alone: there is no history yet.",
        "POPULAR": "By the people of the last weeks and by likes, the same for everybody.",
        "VELOCITY": "By how fast people come to it.",
        "NEWEST": "By time of creation.",
        "HYBRID": "By meaning and keywords, in the shares that were asked for.",
        "KEYWORD": "By keywords alone.",
        "SIMILAR": "By likeness to one project.",
    },
)
register_enum(
    Store,
    "Store",
    "The stores behind the gateway. A feed names those it had to do without.",
    {
        "DATABASE": "The relational truth.",
        "VECTORS": "The vector index: without it nothing is found by likeness.",
        "EMBEDDINGS": "What turns text into vectors.",
        "CACHE": "Where rankings are kept: without it each page is ranked anew and cursors do not hold.",
    },
)
register_enum(
    Rule,
    "AdjustmentRule",
    "Why a project stands at another rank than its score alone would give it.",
    {
        "DIVERSITY": "Too much alike stood above it, or it moved up because others made room.",
        "EXPLORATION": "It was given a chance, to find out whether people like it; or, where `blockedBy` names a "
        "project, it made room for one that was.",
        "REMAINDER": "It was not among the ranked candidates and follows behind them, newest first.",
    },
)
register_enum(
    Basis,
    "SimilarityBasis",
    "What makes two projects alike.",
    {"TEXT": "What they say: their texts mean much the same.", "PEOPLE": "Who comes: the same people come to both."},
)
register_enum(
    Outcome,
    "WhyNotOutcome",
    "How far a project comes on its way to `forYou`.",
    {
        "UNKNOWN": "There is no such project, or it is not yours to see.",
        "FILTERED": "Something keeps it out; `filter` says what.",
        "NOT_A_CANDIDATE": "No source named it for you, so it was not ranked.",
        "RANKED": "It is there; `rank` says where.",
    },
)
register_enum(
    Filter,
    "FeedFilter",
    "What keeps a project out of a feed.",
    {
        "PRIVATE": "It is private, and yours: nobody meets it in a feed.",
        "ARCHIVED": "It is archived.",
        "OWN": "It is your own.",
        "DISMISSED": "You dismissed it.",
        "MUTED": "You muted its owner or something that it carries.",
        "WHERE": "The feed is narrowed to something else.",
    },
)
register_enum(
    Window,
    "TrendingWindow",
    "How far the now of a trend reaches.",
    {"HOUR": "The last hour or so.", "DAY": "The last day.", "WEEK": "The last week."},
)
register_enum(
    TermKind,
    "TermKind",
    "The kinds of term that projects carry and that interests point at.",
    {"TOOL": "A tool.", "CATEGORY": "A category.", "TOPIC": "A topic: a free word."},
)
register_enum(
    MuteKind,
    "MuteKind",
    "What can be muted.",
    {
        "TOPIC": "A topic: what is about it leaves your feeds.",
        "CATEGORY": "A category: what is filed under it leaves your feeds.",
        "TOOL": "A tool: what is made with it leaves your feeds.",
        "OWNER": "A person: what they made leaves your feeds.",
        "PROJECT": "A project that you touched: it may still be shown, but nothing is concluded from it any more. "
        "For reasons like `Similar to …, which you viewed` that are not to the point.",
    },
)
register_enum(
    QuestionType,
    "OnboardingQuestionType",
    "The kinds of question in the quiz.",
    {
        "TOOL_SELECT": "Which tools: each option stands for one, and choosing it makes that an interest.",
        "CATEGORY_SELECT": "Which categories: each option stands for one, and choosing it makes that an interest.",
        "USE_CASE": "What the viewer is here for: joins the text that the profile is made from.",
        "EXPERIENCE": "How far the viewer is: joins that text as well, and is kept with the viewer's settings.",
    },
)
register_enum(
    Role,
    "Role",
    "What a caller may do.",
    {
        "VIEWER": "Read feeds, and act as oneself.",
        "SERVICE": "Write the catalogue and the users as well: for the platform's own servers.",
        "ADMINISTRATOR": "All of that, and appoint administrators.",
    },
)
register_enum(
    InteractionType,
    "InteractionType",
    "What somebody did with a project.",
    {
        "VIEW": "Looked at its page.",
        "LIKE": "Liked it.",
        "SAVE": "Saved it for later.",
        "COMMENT": "Commented on it.",
        "FOLLOW": "Followed it or its owner.",
        "CLICK": "Opened its link.",
        "DISMISS": "Does not want to see it any more.",
        "IMPRESSION": "Had it on the screen. Says nothing about taste, but tells what was shown.",
    },
)


class SignalGroup(StrEnum):
    """What kind of evidence a signal or a reason is."""

    CONTENT = "content"
    STATED = "stated"
    BEHAVIOR = "behavior"
    PEOPLE = "people"
    TIME = "time"
    DISCOVERY = "discovery"


register_enum(
    SignalGroup,
    "SignalGroup",
    "What kind of evidence a signal or a reason is: one colour for each.",
    {
        "CONTENT": "What the project says.",
        "STATED": "What you said that you care about.",
        "BEHAVIOR": "What you did.",
        "PEOPLE": "What other people do.",
        "TIME": "How new or old it is.",
        "DISCOVERY": "A place given away to learn more; only reasons have it.",
    },
)


class ViewerKind(StrEnum):
    """How a viewer is known."""

    USER = "user"
    SESSION = "session"
    ANONYMOUS = "anonymous"


register_enum(
    ViewerKind,
    "ViewerKind",
    "How a viewer is known.",
    {
        "USER": "By a bearer token.",
        "SESSION": "By the header X-Session-Id: somebody who has not signed in, but comes back.",
        "ANONYMOUS": "Not at all: nothing can be remembered.",
    },
)

__all__ = [
    "Basis",
    "FeedKind",
    "Filter",
    "InteractionType",
    "MuteKind",
    "Outcome",
    "Role",
    "Rule",
    "SignalGroup",
    "Store",
    "Strategy",
    "TermKind",
    "ViewerKind",
    "Window",
    "register_enum",
]
