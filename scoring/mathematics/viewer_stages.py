"""How well a viewer is known: one of four stages, a pure function of counts.

The stage picks the offsets of a trained model's curves (`scoring.mathematics.additive_model`), and is what `personalizationStatus` tells.
"""

from dataclasses import dataclass
from enum import StrEnum

from scoring import weights


class ViewerStage(StrEnum):
    """How well a viewer is known, from not at all to well."""

    NEW = "new"
    QUIZ = "quiz"
    LIGHT = "light"
    HEAVY = "heavy"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on there is enough of each kind of data to be personal; any one of them is enough (the plan's).

    Attributes
    ----------
    tags
        Stated or learned interests.
    interactions
        Projects that the viewer did something with.
    likes
        Projects that the viewer likes.
    """

    tags: int = weights.ENOUGH_TAGS
    interactions: int = weights.ENOUGH_INTERACTIONS
    likes: int = weights.ENOUGH_LIKES


BASELINE_THRESHOLDS = Thresholds()


def stage(
    tags: int, interactions: int, likes: int, quiz: bool, thresholds: Thresholds = BASELINE_THRESHOLDS
) -> ViewerStage:
    """Tell how well a viewer is known. What was done says more than what was stated, so it is looked at first.

    Parameters
    ----------
    tags
        Interests of the viewer, stated and learned.
    interactions, likes
        Distinct projects that the viewer did something with, and that the viewer likes.
    quiz
        Whether the viewer has answered any question of the quiz.

    Returns
    -------
    ViewerStage
        HEAVY with `thresholds.interactions` or `thresholds.likes`; LIGHT with any interaction or like below these;
        QUIZ with nothing done, but the quiz answered or `thresholds.tags` interests; else NEW.
    """
    if interactions >= thresholds.interactions or likes >= thresholds.likes:
        return ViewerStage.HEAVY
    if interactions or likes:
        return ViewerStage.LIGHT
    return ViewerStage.QUIZ if quiz or tags >= thresholds.tags else ViewerStage.NEW
