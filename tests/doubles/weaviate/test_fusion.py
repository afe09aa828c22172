"""The double's relativeScoreFusion, against numbers worked out by hand."""

import numpy as np
import pytest

from tests.doubles.weaviate.fusion import relative_score_fusion

VECTOR, KEYWORD = "vector", "keyword"
LEGS = {VECTOR: [("a", 0.9), ("b", 0.5), ("c", 0.1)], KEYWORD: [("c", 4.0), ("d", 2.0), ("a", 1.0)]}
WEIGHTS = {VECTOR: 0.7, KEYWORD: 0.3}


def test_scores_are_the_weighted_sum_of_stretched_scores():
    fused = relative_score_fusion(LEGS, WEIGHTS)
    # vectors: a 0.7 x 1, b 0.7 x 0.5, c 0; keywords: c 0.3 x 1, d 0.3 x 1/3, a 0
    assert [one.uuid for one in fused] == ["a", "b", "c", "d"]
    assert [one.score for one in fused] == pytest.approx([0.7, 0.35, 0.3, 0.1])


def test_equal_scores_of_a_leg_all_get_the_full_weight():
    fused = relative_score_fusion({VECTOR: [("a", 0.4), ("b", 0.4)], KEYWORD: []}, WEIGHTS)
    assert [(one.uuid, one.score) for one in fused] == [("a", np.float32(0.7)), ("b", np.float32(0.7))]


def test_ties_go_to_the_higher_score_before_the_fusion_and_then_to_the_lower_uuid():
    legs = {VECTOR: [("z", 0.9), ("y", 0.9), ("x", 0.1)], KEYWORD: [("w", 0.2)]}
    fused = relative_score_fusion(legs, {VECTOR: 0.5, KEYWORD: 0.5})
    assert [one.uuid for one in fused] == ["y", "z", "w", "x"]
