"""Viewer stages: the amount of data about a viewer, as a function of counts.

The stage selects the offsets of a trained model's curves (`scoring.mathematics.additive_model`).
"""

from dataclasses import dataclass
from enum import StrEnum

from scoring import tunables


class ViewerStage(StrEnum):
    """Stages by the amount of data about a viewer, in ascending order."""

    NEW = "new"
    QUIZ = "quiz"
    LIGHT = "light"
    HEAVY = "heavy"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Counts at which there is enough data for a personal ranking; reaching any one of them is enough."""

    tags: int = tunables.ENOUGH_TAGS  # stated or learned interests
    interactions: int = tunables.ENOUGH_INTERACTIONS  # projects that the viewer engaged with
    likes: int = tunables.ENOUGH_LIKES  # projects that the viewer likes


BASELINE_THRESHOLDS = Thresholds()


def stage(
    tags: int, interactions: int, likes: int, quiz: bool, thresholds: Thresholds = BASELINE_THRESHOLDS
) -> ViewerStage:
    """Return the stage of a viewer by the counts of `Thresholds`.

    HEAVY with `thresholds.interactions` interactions or `thresholds.likes` likes. LIGHT with fewer. Without any: QUIZ
    with an answered onboarding question (`quiz`) or `thresholds.tags` interests, otherwise NEW.
    """
    if interactions >= thresholds.interactions or likes >= thresholds.likes:
        return ViewerStage.HEAVY
    if interactions or likes:
        return ViewerStage.LIGHT
    return ViewerStage.QUIZ if quiz or tags >= thresholds.tags else ViewerStage.NEW
