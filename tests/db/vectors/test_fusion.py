"""relativeScoreFusion, against numbers worked out by hand and against the double's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.vectors.base import HybridHits
from db.vectors.fusion import MIN_COVERAGE, ResultList, adapt_alpha, fuse, reweight
from tests.doubles.weaviate.fusion import relative_score_fusion


def result_list(**scores: float) -> ResultList:
    return ResultList(list(scores), np.array(list(scores.values()), np.float32))


def test_parts_are_weighted_stretched_scores():
    fused = fuse(result_list(a=0.9, b=0.5, c=0.1), result_list(c=4, d=2, a=1), 0.7)
    assert [hit.uuid for hit in fused] == ["a", "b", "c", "d"]
    assert [hit.vector_part for hit in fused] == pytest.approx([0.7, 0.35, 0, 0])
    assert [hit.keyword_part for hit in fused] == pytest.approx([0, 0, 0.3, 0.1])


def test_equal_scores_of_a_leg_all_get_the_full_weight():
    assert [hit.vector_part for hit in fuse(result_list(a=0.4, b=0.4), result_list(), 0.7)] == pytest.approx([0.7, 0.7])


def test_ties_go_to_the_higher_score_before_the_fusion_and_then_to_the_lower_uuid():
    assert [hit.uuid for hit in fuse(result_list(z=0.9, y=0.9, x=0.1), result_list(w=0.2), 0.5)] == ["y", "z", "w", "x"]


def test_no_hits_give_no_hits():
    assert fuse(result_list(), result_list(), 0.5) == []


legs = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 8).map(lambda eighths: eighths / 8))


@given(vectors=legs, keywords=legs, alpha=st.integers(0, 8).map(lambda eighths: eighths / 8))
def test_it_fuses_as_the_double_of_weaviate_does(vectors: dict[str, float], keywords: dict[str, float], alpha: float):
    theirs = relative_score_fusion(
        {"vector": list(vectors.items()), "keyword": list(keywords.items())}, {"vector": alpha, "keyword": 1 - alpha}
    )
    ours = fuse(result_list(**vectors), result_list(**keywords), alpha)
    assert [hit.uuid for hit in ours] == [hit.uuid for hit in theirs]
    assert [hit.vector_part + hit.keyword_part for hit in ours] == pytest.approx([float(hit.score) for hit in theirs])


def hybrid_hits(vectors: ResultList, keywords: ResultList, alpha: float) -> HybridHits:
    """Fuse; a project's id is the position of its letter."""
    fused = fuse(vectors, keywords, alpha)
    vector_parts = np.array([hit.vector_part for hit in fused], np.float32)
    keyword_parts = np.array([hit.keyword_part for hit in fused], np.float32)
    ids = np.array([ord(hit.uuid) for hit in fused], np.int64)
    return HybridHits(ids, vector_parts + keyword_parts, vector_parts, keyword_parts)


inner_weights = st.integers(1, 7).map(lambda eighths: eighths / 8)


@given(vectors=legs, keywords=legs, alpha=inner_weights, to=inner_weights)
def test_hits_weighed_anew_are_those_of_the_other_alpha(
    vectors: dict[str, float], keywords: dict[str, float], alpha: float, to: float
):
    made = reweight(hybrid_hits(result_list(**vectors), result_list(**keywords), alpha), alpha, to)
    asked = hybrid_hits(result_list(**vectors), result_list(**keywords), to)
    assert (np.diff(made.scores) <= 0).all()
    order, expected = np.argsort(made.ids), np.argsort(asked.ids)
    assert made.ids[order].tolist() == asked.ids[expected].tolist()
    assert made.vector_parts[order].tolist() == pytest.approx(asked.vector_parts[expected].tolist(), abs=1e-6)
    assert made.keyword_parts[order].tolist() == pytest.approx(asked.keyword_parts[expected].tolist(), abs=1e-6)


def test_hits_of_one_leg_cannot_be_weighed_anew():
    alone = hybrid_hits(result_list(a=0.9, b=0.1), result_list(), 1.0)
    assert reweight(alone, 1.0, 0.5) is alone


def test_alpha_moves_towards_words_that_are_found_and_away_from_those_that_are_not():
    assert adapt_alpha(0.7, 1.0) == pytest.approx(0.7**2.0)
    assert adapt_alpha(0.7, MIN_COVERAGE) == adapt_alpha(0.7, 0.0) == pytest.approx(0.7**0.05)
    assert adapt_alpha(0.7, 0.85) == pytest.approx(0.7**1.025)


@given(alpha=st.floats(0, 1), low=st.floats(0, 1), high=st.floats(0, 1))
def test_more_words_found_never_raise_alpha_and_its_ends_stay(alpha: float, low: float, high: float):
    low, high = sorted((low, high))
    assert 0 <= adapt_alpha(alpha, high) <= adapt_alpha(alpha, low) <= 1
    assert adapt_alpha(0.0, low) == 0
    assert adapt_alpha(1.0, low) == 1
