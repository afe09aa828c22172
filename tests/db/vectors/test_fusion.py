"""relativeScoreFusion, against numbers worked out by hand and against the double's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.vectors.fusion import Leg, fuse
from tests.doubles.weaviate.fusion import relative_score_fusion


def leg(**scores: float) -> Leg:
    return Leg(list(scores), np.array(list(scores.values()), np.float32))


def test_parts_are_weighted_stretched_scores():
    fused = fuse(leg(a=0.9, b=0.5, c=0.1), leg(c=4, d=2, a=1), 0.7)
    assert [hit.uuid for hit in fused] == ["a", "b", "c", "d"]
    assert [hit.vector_part for hit in fused] == pytest.approx([0.7, 0.35, 0, 0])
    assert [hit.keyword_part for hit in fused] == pytest.approx([0, 0, 0.3, 0.1])


def test_equal_scores_of_a_leg_all_get_the_full_weight():
    assert [hit.vector_part for hit in fuse(leg(a=0.4, b=0.4), leg(), 0.7)] == pytest.approx([0.7, 0.7])


def test_ties_go_to_the_higher_score_before_the_fusion_and_then_to_the_lower_uuid():
    assert [hit.uuid for hit in fuse(leg(z=0.9, y=0.9, x=0.1), leg(w=0.2), 0.5)] == ["y", "z", "w", "x"]


def test_no_hits_give_no_hits():
    assert fuse(leg(), leg(), 0.5) == []


legs = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 8).map(lambda eighths: eighths / 8))


@given(vectors=legs, keywords=legs, alpha=st.integers(0, 8).map(lambda eighths: eighths / 8))
def test_it_fuses_as_the_double_of_weaviate_does(vectors: dict[str, float], keywords: dict[str, float], alpha: float):
    theirs = relative_score_fusion(
        {"vector": list(vectors.items()), "keyword": list(keywords.items())}, {"vector": alpha, "keyword": 1 - alpha}
    )
    ours = fuse(leg(**vectors), leg(**keywords), alpha)
    assert [hit.uuid for hit in ours] == [hit.uuid for hit in theirs]
    assert [hit.vector_part + hit.keyword_part for hit in ours] == pytest.approx([float(hit.score) for hit in theirs])
