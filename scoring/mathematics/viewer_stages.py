"""Viewer stages: how much is known of a viewer, as a function of counts.

The stage selects the offsets of a trained model's curves (`scoring.mathematics.additive_model`).
"""

from dataclasses import dataclass
from enum import StrEnum

from scoring import weights


class ViewerStage(StrEnum):
    """Stages of knowledge about a viewer, in ascending order."""

    NEW = "new"
    QUIZ = "quiz"
    LIGHT = "light"
    HEAVY = "heavy"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Counts at which there is enough data for a personal ranking; any one of them is enough.

    Attributes
    ----------
    tags
        Stated or learned interests.
    interactions, likes
        Projects that the viewer engaged with, and that the viewer likes.
    """

    tags: int = weights.ENOUGH_TAGS
    interactions: int = weights.ENOUGH_INTERACTIONS
    likes: int = weights.ENOUGH_LIKES


BASELINE_THRESHOLDS = Thresholds()


def stage(
    tags: int, interactions: int, likes: int, quiz: bool, thresholds: Thresholds = BASELINE_THRESHOLDS
) -> ViewerStage:
    """Return the stage of a viewer. History counts more than statements, so it is checked first.

    Parameters
    ----------
    tags
        Interests, stated and learned.
    interactions, likes
        Distinct projects that the viewer engaged with, and that the viewer likes.
    quiz
        Whether the viewer has answered any onboarding question.

    Returns
    -------
    ViewerStage
        HEAVY with `thresholds.interactions` or `thresholds.likes`; LIGHT with any history below these; QUIZ without
        history, but with answers or `thresholds.tags` interests; else NEW.
    """
    if interactions >= thresholds.interactions or likes >= thresholds.likes:
        return ViewerStage.HEAVY
    if interactions or likes:
        return ViewerStage.LIGHT
    return ViewerStage.QUIZ if quiz or tags >= thresholds.tags else ViewerStage.NEW
