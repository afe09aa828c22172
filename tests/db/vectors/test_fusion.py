"""relativeScoreFusion, against numbers worked out by hand and against the double's own."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.vectors.base import Hits, HybridHits
from db.vectors.fusion import MIN_COVERAGE, adapt_alpha, fuse, reweight
from tests.doubles.weaviate.fusion import relative_score_fusion


def leg(scores: Mapping[str, float]) -> Hits:
    """Return the hits of one search; a project's id is the code of its letter."""
    return Hits(np.array([ord(letter) for letter in scores], np.int64), np.array(list(scores.values()), np.float32))


def fuse_legs(vectors: Mapping[str, float], keywords: Mapping[str, float], alpha: float) -> HybridHits:
    """Fuse; a project's uuid is its letter."""
    return fuse(leg(vectors), leg(keywords), alpha, 99, {ord(letter): letter for letter in (*vectors, *keywords)})


def letters(hits: HybridHits) -> str:
    return "".join(map(chr, hits.ids))


def test_parts_are_weighted_stretched_scores():
    fused = fuse_legs({"a": 0.9, "b": 0.5, "c": 0.1}, {"c": 4, "d": 2, "a": 1}, 0.7)
    assert letters(fused) == "abcd"
    assert fused.vector_parts.tolist() == pytest.approx([0.7, 0.35, 0, 0])
    assert fused.keyword_parts.tolist() == pytest.approx([0, 0, 0.3, 0.1])


def test_equal_scores_of_a_leg_all_get_the_full_weight():
    assert fuse_legs({"a": 0.4, "b": 0.4}, {}, 0.7).vector_parts.tolist() == pytest.approx([0.7, 0.7])


def test_ties_go_to_the_higher_score_before_the_fusion_and_then_to_the_lower_uuid():
    assert letters(fuse_legs({"z": 0.9, "y": 0.9, "x": 0.1}, {"w": 0.2}, 0.5)) == "yzwx"


def test_no_hits_give_no_hits():
    assert letters(fuse_legs({}, {}, 0.5)) == ""


def test_a_limit_cuts():
    hits = leg({"a": 0.9, "b": 0.5})
    assert letters(fuse(hits, Hits(), 1.0, 1, {97: "a", 98: "b"})) == "a"


legs = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 8).map(lambda eighths: eighths / 8))


@given(vectors=legs, keywords=legs, alpha=st.integers(0, 8).map(lambda eighths: eighths / 8))
def test_it_fuses_as_the_double_of_weaviate_does(vectors: dict[str, float], keywords: dict[str, float], alpha: float):
    theirs = relative_score_fusion(
        {"vector": list(vectors.items()), "keyword": list(keywords.items())}, {"vector": alpha, "keyword": 1 - alpha}
    )
    ours = fuse_legs(vectors, keywords, alpha)
    assert letters(ours) == "".join(hit.uuid for hit in theirs)
    assert ours.scores.tolist() == pytest.approx([float(hit.score) for hit in theirs])


inner_weights = st.integers(1, 7).map(lambda eighths: eighths / 8)


@given(vectors=legs, keywords=legs, alpha=inner_weights, to=inner_weights)
def test_hits_weighed_anew_are_those_of_the_other_alpha(
    vectors: dict[str, float], keywords: dict[str, float], alpha: float, to: float
):
    made = reweight(fuse_legs(vectors, keywords, alpha), alpha, to)
    asked = fuse_legs(vectors, keywords, to)
    assert (np.diff(made.scores) <= 0).all()
    order, expected = np.argsort(made.ids), np.argsort(asked.ids)
    assert made.ids[order].tolist() == asked.ids[expected].tolist()
    assert made.vector_parts[order].tolist() == pytest.approx(asked.vector_parts[expected].tolist(), abs=1e-6)
    assert made.keyword_parts[order].tolist() == pytest.approx(asked.keyword_parts[expected].tolist(), abs=1e-6)


def test_hits_of_one_leg_cannot_be_weighed_anew():
    alone = fuse_legs({"a": 0.9, "b": 0.1}, {}, 1.0)
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
