"""Circles never get small, hold everybody of known taste once, and keep like-minded people together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.mathematics.taste_clusters import NO_CLUSTER, cluster_tastes


@given(
    tastes=arrays(np.float32, st.tuples(st.integers(0, 90), st.just(3)), elements=st.sampled_from([-1.0, 0.0, 0.5])),
    least=st.integers(1, 12),
)
def test_everybody_of_known_taste_is_in_one_circle_of_at_least_so_many(tastes: np.ndarray, least: int):
    of, means = cluster_tastes(tastes, least)
    known = np.abs(tastes).sum(axis=1) > 0
    sizes = np.bincount(of[of >= 0], minlength=means.shape[0] - 1)
    assert (of[~known] == NO_CLUSTER).all()
    assert sizes.sum() == (known.sum() if known.sum() >= least else 0)
    assert (sizes >= least).all()
    assert (sizes < 2 * least).all()
    for cluster in range(sizes.size):
        assert means[cluster] == pytest.approx(tastes[of == cluster].mean(axis=0), abs=1e-5)
    assert not means[-1].any()


def test_like_minded_people_share_circles():
    rng = np.random.default_rng(0)
    centres = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    kind = np.repeat([0, 1, 2], 40)
    of, means = cluster_tastes((centres[kind] + rng.normal(0, 0.05, (120, 3))).astype(np.float32), 10)
    for cluster in range(of.max() + 1):
        assert np.unique(kind[of == cluster]).size == 1
    assert means.shape[0] - 1 >= 6


def test_a_person_moves_what_the_circle_tells_by_a_tenth_at_most():
    rng = np.random.default_rng(1)
    tastes = rng.normal(size=(60, 4)).astype(np.float32)
    of, means = cluster_tastes(tastes, 10)
    mine = of == of[7]
    others = tastes[mine & (np.arange(60) != 7)].mean(axis=0)
    moved = np.linalg.norm(means[of[7]] - others)
    assert moved <= np.linalg.norm(tastes[7] - others) / 10 + 1e-6
