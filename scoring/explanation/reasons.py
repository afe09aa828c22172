"""Why a project is here, in words: reasons, each with its evidence, and the one sentence that sums them up.

`scoring.explanation.reason_finders` finds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from db.models import InteractionType, TermKind
from scoring.mathematics.velocity import Window
from scoring.ranking import Rule, ScoredProject
from scoring.weights import Signal


class Basis(StrEnum):
    """What makes two projects alike."""

    TEXT = "text"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class StatedInterest:
    """The project carries a term that the viewer has as a tag."""

    id: str
    text: str
    term_id: int
    key: str
    name: str
    kind: TermKind
    confidence: float
    group: str = "stated"


@dataclass(frozen=True, slots=True)
class SimilarToProject:
    """The project is near to one that the viewer has touched, by their vectors or by the people who touch both."""

    id: str
    text: str
    project_id: int
    similarity: float
    basis: Basis
    viewer_action: InteractionType
    at: datetime
    group: str = "behavior"


@dataclass(frozen=True, slots=True)
class FromOwner:
    """The viewer has touched other projects of the same owner; `project_count` says how many."""

    id: str
    text: str
    owner_id: int
    project_count: int
    group: str = "behavior"


@dataclass(frozen=True, slots=True)
class PeopleLikeYou:
    """People like the viewer like it or came to it; `count` is never below `weights.ANONYMITY_FLOOR`."""

    id: str
    text: str
    count: int
    group: str = "people"


@dataclass(frozen=True, slots=True)
class Popular:
    """Many people like it."""

    id: str
    text: str
    like_count: int
    group: str = "people"


@dataclass(frozen=True, slots=True)
class TrendingNow:
    """People come to it now; `visitor_count` came within the window, `usual_visitor_count` on average within the windows before."""

    id: str
    text: str
    visitor_count: int
    window: Window
    usual_visitor_count: float
    group: str = "people"


@dataclass(frozen=True, slots=True)
class KeywordMatch:
    """The project has words that were searched for."""

    id: str
    text: str
    terms: tuple[str, ...]
    group: str = "content"


@dataclass(frozen=True, slots=True)
class Fresh:
    """It is new."""

    id: str
    text: str
    age_days: float
    group: str = "time"


@dataclass(frozen=True, slots=True)
class Exploration:
    """Little is known of it, and it was drawn for this place; `propensity` says how likely that was."""

    id: str
    text: str
    propensity: float
    group: str = "discovery"


Reason = (
    StatedInterest
    | SimilarToProject
    | FromOwner
    | PeopleLikeYou
    | Popular
    | TrendingNow
    | KeywordMatch
    | Fresh
    | Exploration
)

_IN_SHORT: Mapping[Signal, str] = {
    Signal.QUERY_SIMILARITY: "Close in meaning to your search.",
    Signal.PROJECT_SIMILARITY: "Similar to the project you're viewing.",
    Signal.VECTOR_SIMILARITY: "Similar to what you like and view.",
    Signal.BEHAVIORAL_SIGNALS: "Made with tools you've seen recently.",
    Signal.NOVELTY: "New to you, matching your familiar-or-new setting.",
    Signal.NEW_SINCE_VISIT: "New since your last visit.",
    Signal.ITEM_FACTORS: "People with similar taste view projects like this.",
}
"""What is said when a signal speaks for a project, but nothing can be named as evidence."""


def summary(explained: ScoredProject, found: Sequence[Reason]) -> str:
    """Say in one plain sentence why the project is here; `found` as `find_reasons` orders it."""
    if any(moved.rule is Rule.REMAINDER for moved in explained.adjustments):
        return "From the rest of the catalog, newest first."
    if explained.signals == (Signal.CREATED_AT,):
        return "Among the newest projects."
    told = [reason.text for reason in found[:2]]
    if told:
        return f"{told[0]}." if len(told) == 1 else f"{told[0]}; {told[1][0].lower()}{told[1][1:]}."
    if explained.signals == (Signal.PROJECT_SIMILARITY,) and not explained.score:
        return "Shares tools, categories or topics with the project you're viewing."
    speaking = max(_IN_SHORT, key=explained.contribution)
    return _IN_SHORT[speaking] if explained.contribution(speaking) > 0 else "Picked to complete your page."
