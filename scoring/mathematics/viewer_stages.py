"""Viewer stages: the amount of data about a viewer. The stage selects the offsets of a trained model's curves."""

from dataclasses import dataclass
from enum import StrEnum

from scoring import tunables


class ViewerStage(StrEnum):
    """Stages by the amount of data about a viewer, in ascending order."""

    NEW = "new"
    ONBOARDED = "quiz"  # the name in stored models and in the GraphQL API
    LIGHT = "light"
    HEAVY = "heavy"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Counts at which there is enough data for a personal ranking; reaching any one of them is enough."""

    interests: int = tunables.SUFFICIENT_INTERESTS  # stated or learned interests
    interactions: int = tunables.SUFFICIENT_INTERACTIONS  # projects that the viewer engaged with
    likes: int = tunables.SUFFICIENT_LIKES  # projects that the viewer likes


BASELINE_THRESHOLDS = Thresholds()


def stage(
    interests: int, interactions: int, likes: int, has_answered: bool, thresholds: Thresholds = BASELINE_THRESHOLDS
) -> ViewerStage:
    """Return the stage of a viewer by the counts of `Thresholds`.

    HEAVY with `thresholds.interactions` interactions or `thresholds.likes` likes, LIGHT with fewer. Without any,
    ONBOARDED with an answered onboarding question or `thresholds.interests` interests, otherwise NEW.
    """
    if interactions >= thresholds.interactions or likes >= thresholds.likes:
        return ViewerStage.HEAVY
    if interactions or likes:
        return ViewerStage.LIGHT
    return ViewerStage.ONBOARDED if has_answered or interests >= thresholds.interests else ViewerStage.NEW
