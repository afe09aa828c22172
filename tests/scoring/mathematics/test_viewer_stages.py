"""The stage of a viewer follows from counts, by the plan's thresholds, and never falls when more is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.mathematics.viewer_stages import Thresholds, ViewerStage, stage

_ORDER = list(ViewerStage)
_COUNT = st.integers(0, 12)


@pytest.mark.parametrize(
    ("tags", "interactions", "likes", "quiz", "expected"),
    [
        (0, 0, 0, False, ViewerStage.NEW),
        (2, 0, 0, False, ViewerStage.NEW),
        (3, 0, 0, False, ViewerStage.ONBOARDED),
        (0, 0, 0, True, ViewerStage.ONBOARDED),
        (9, 1, 0, True, ViewerStage.LIGHT),
        (0, 9, 4, False, ViewerStage.LIGHT),
        (0, 10, 0, False, ViewerStage.HEAVY),
        (0, 0, 5, False, ViewerStage.HEAVY),
    ],
)
def test_the_stage_follows_the_plans_thresholds(
    tags: int, interactions: int, likes: int, quiz: bool, expected: ViewerStage
):
    assert stage(tags, interactions, likes, quiz) is expected


@given(_COUNT, _COUNT, _COUNT, st.booleans(), st.integers(0, 3))
def test_who_becomes_better_known_never_falls_to_an_earlier_stage(
    tags: int, interactions: int, likes: int, quiz: bool, grows: int
):
    before = stage(tags, interactions, likes, quiz)
    after = stage(tags + (grows == 0), interactions + (grows == 1), likes + (grows == 2), quiz or grows == 3)
    assert _ORDER.index(after) >= _ORDER.index(before)


def test_an_operator_may_ask_for_more_or_less():
    assert stage(0, 2, 0, has_answered=False, thresholds=Thresholds(interactions=2)) is ViewerStage.HEAVY
    assert stage(3, 0, 0, has_answered=False, thresholds=Thresholds(interests=4)) is ViewerStage.NEW
