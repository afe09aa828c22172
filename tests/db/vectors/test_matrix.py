"""Arithmetic of the matrix beyond the contract's small examples."""

import numpy as np

from db.vectors.base import VectorFilter
from db.vectors.embedded.matrix import Matrix, Rows, best_hits


def rows(ids: list[int], vectors: np.ndarray) -> Rows:
    count = len(ids)
    zeros = np.zeros(count, np.int64)
    return Rows(
        ids=np.array(ids),
        owners=zeros,
        created=zeros,
        types=["article"] * count,
        keys=[""] * count,
        terms=np.empty(0, np.int64),
        term_counts=zeros,
        vectors=vectors,
        lengths=zeros.astype(np.int32),
    )


def test_of_equal_scores_at_the_edge_the_lowest_ids_stay():
    hits = best_hits(np.array([9, 3, 7, 5]), np.array([0.5, 0.5, 0.9, 0.5], np.float32), 3)
    assert hits.ids.tolist() == [7, 3, 5]


def test_equal_vectors_have_equal_scores_wherever_they_stand():
    generator = np.random.default_rng(5)
    for _ in range(20):
        vector, query = generator.standard_normal((2, 250)).astype(np.float32)
        vector /= np.linalg.norm(vector)
        query /= np.linalg.norm(query)
        matrix = Matrix.from_chunks(250, [rows(list(range(1, 1_004)), np.tile(vector, (1_003, 1)))])
        assert matrix.nearest(query, 500, matrix.filter_mask(VectorFilter())).ids.tolist() == list(range(1, 501))
