"""Reasons for a project's rank, each with its evidence, and the sentence that summarizes them.

`scoring.explanation.reason_finders` finds the reasons. The GraphQL types are made from these classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from db.actors.users import UserCard
from db.catalog.project_cards import ProjectCard
from db.models import InteractionType, TermKind
from scoring.mathematics.signals import Signal
from scoring.mathematics.velocity import Window
from scoring.ranking import Rule, ScoredProject
from scoring.tunables import ANONYMITY_FLOOR, LIKES_FOR_FULL_COLLABORATION


class SimilarityBasis(StrEnum):
    """Basis on which two projects are similar."""

    TEXT = "text"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Reason:
    """A piece of evidence. The GraphQL types are made from the subclasses; annotated fields are public."""

    id: str
    text: str
    group: ClassVar[str]


@dataclass(frozen=True, slots=True)
class ReferencedProject:
    """A project that a reason refers to, without its counters, which change while the reason is kept."""

    content: ProjectCard

    @property
    def id(self) -> int:
        """Id of the project."""
        return self.content.id


@dataclass(frozen=True, slots=True)
class StatedInterest(Reason):
    """The project has a tool, category or topic that is one of your interests."""

    term_id: int
    key: Annotated[str, "The key of the tool, category or topic."]
    name: Annotated[str, "The name of the interest."]
    kind: Annotated[TermKind, "The kind of the interest."]
    confidence: Annotated[float, "The confidence of the interest, 0 to 1."]
    group = "stated"


@dataclass(frozen=True, slots=True)
class SimilarToProject(Reason):
    """The project is similar to one that you interacted with."""

    project: ReferencedProject
    similarity: Annotated[float, "The cosine similarity of the two projects by `basis`, at most 1."]
    basis: Annotated[SimilarityBasis, "What is compared."]
    viewer_action: Annotated[
        InteractionType | None, "Your strongest interaction with the other project; null for a custom type."
    ]
    viewer_custom_action: Annotated[
        str | None, "Your strongest interaction with the other project, if its type is the platform's own."
    ]
    at: Annotated[datetime, "When you last interacted with the other project."]
    group = "behavior"


@dataclass(frozen=True, slots=True)
class FromOwner(Reason):
    """You visited other projects of the same owner."""

    owner: UserCard
    project_count: Annotated[int, "The number of other projects of this owner that you visited."]
    group = "behavior"


@dataclass(frozen=True, slots=True)
class PeopleLikeYou(Reason):
    """People with similar taste liked or visited the project; `text` says which."""

    count: Annotated[
        int,
        f"The number of people as of the last hour, rounded down to a multiple of {ANONYMITY_FLOOR} and never 0, so "
        "that nobody can be identified. "
        f"Likes are counted up to {LIKES_FOR_FULL_COLLABORATION}.",
    ]
    group = "people"


@dataclass(frozen=True, slots=True)
class Popular(Reason):
    """Many people like the project."""

    like_count: Annotated[int, "The number of likes."]
    group = "people"


@dataclass(frozen=True, slots=True)
class TrendingNow(Reason):
    """The project has more visitors than usual."""

    visitor_count: Annotated[
        int, f"The number of first-time visitors within the window. Never below {ANONYMITY_FLOOR}."
    ]
    window: Annotated[Window, "The length of the window: an hour, 24 hours or 7 days."]
    usual_visitor_count: Annotated[float, "The average number of first-time visitors in earlier windows."]
    group = "people"


@dataclass(frozen=True, slots=True)
class KeywordMatch(Reason):
    """The project contains words of the search query."""

    terms: Annotated[Sequence[str], "The words as written in the query."]
    group = "content"


@dataclass(frozen=True, slots=True)
class Fresh(Reason):
    """The project is new."""

    age_days: Annotated[float, "The age of the project in days."]
    group = "time"


@dataclass(frozen=True, slots=True)
class Exploration(Reason):
    """The project has few visitors so far and got this rank to find out whether people like it."""

    propensity: Annotated[float, "The probability with which the project was drawn for this rank, 0 to 1."]
    group = "discovery"


REASONS = (
    StatedInterest,
    SimilarToProject,
    FromOwner,
    PeopleLikeYou,
    Popular,
    TrendingNow,
    KeywordMatch,
    Fresh,
    Exploration,
)

_SUMMARIES: Mapping[Signal, str] = {
    Signal.QUERY_SIMILARITY: "Close in meaning to your search.",
    Signal.PROJECT_SIMILARITY: "Similar to the project you're viewing.",
    Signal.VECTOR_SIMILARITY: "Similar to what you like and view.",
    Signal.BEHAVIORAL_SIGNALS: "Made with tools you've seen recently.",
    Signal.NOVELTY: "New to you, matching your familiar-or-new setting.",
    Signal.NEW_SINCE_VISIT: "New since your last visit.",
    Signal.ITEM_FACTORS: "People with similar taste view projects like this.",
}
"""Summaries by the strongest signal, for a project without reasons."""


def summary(scored_project: ScoredProject, reasons: Sequence[Reason]) -> str:
    """Summarize the reasons in one sentence; `reasons` are in the order of `find_reasons`."""
    if any(adjustment.rule is Rule.UNRANKED for adjustment in scored_project.adjustments):
        return "From the rest of the catalog, newest first."
    if scored_project.signals == (Signal.CREATED_AT,):
        return "Among the newest projects."
    texts = [reason.text for reason in reasons[:2]]
    if texts:
        return f"{texts[0]}." if len(texts) == 1 else f"{texts[0]}; {texts[1][0].lower()}{texts[1][1:]}."
    if scored_project.signals == (Signal.PROJECT_SIMILARITY,) and not scored_project.score:
        return "Shares tools, categories or topics with the project you're viewing."
    strongest = max(_SUMMARIES, key=scored_project.contribution)
    return _SUMMARIES[strongest] if scored_project.contribution(strongest) > 0 else "Picked to complete your page."
