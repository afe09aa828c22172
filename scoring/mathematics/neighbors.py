"""Item neighbors, user neighbors and latent factors, learned from an event log.

The co-occurrence matrix is computed in blocks of `BLOCK_ROWS` rows to save memory, except for EASE.
"""

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from scoring import tunables
from scoring.mathematics.behavior_evidence import CollaborativeModel, EventLog, Factors, NeighborKind, NeighborLists
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.taste_clusters import Vectors, cluster_tastes

BLOCK_ROWS = 2_048  # rows of the co-occurrence matrix in memory at a time
MAX_LISTED = 2_000_000  # entries of all item lists together
MAX_PROJECT_ACTORS = 1_000  # user neighbors ignore projects with more actors
MAX_EASE_PROJECTS = 10_000  # projects with most actors that have EASE lists: the dense matrix (8 n² bytes) takes 800 MB
EASE_PENALTY = 100.0
RP3BETA_DAMPING = 0.5
"""The exponent beta of RP3beta, which damps popular projects."""
FACTOR_EPSILON = 1e-3
"""Number added to the length of an actor's factors before normalization, so that near-zero factors stay short."""
MAX_DENSE_SIZE = 200
"""Rows or columns up to which singular vectors are computed from a dense matrix. Lanczos iterations need more rows than
vectors."""
SINGULAR_TOLERANCE = 1e-5
"""Relative accuracy of singular values: 1 % of the error of float16, in which factors are stored."""


def interaction_matrix(actors: Integers, projects: Integers, n_actors: int, n_projects: int) -> sparse.csr_array:
    """Return the sparse (actors, projects) matrix that is 1 where an actor engaged with a project."""
    ones = np.ones(actors.size, dtype=np.float32)
    matrix = sparse.csr_array((ones, (actors, projects)), shape=(n_actors, n_projects))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def build_collaborative_model(
    log: EventLog, n_events: int, floor: int = tunables.ANONYMITY_FLOOR, *, all_kinds: bool = False
) -> CollaborativeModel:
    """Learn item neighbors and factors from the first `n_events` events of a log.

    Item neighbors share at least `floor` actors. Projects with fewer than `floor` actors have no factors. With
    `all_kinds`, RP3beta, EASE and user neighbors are learned too, which only evaluation measures (docs/ranking.md).
    """
    interactions = interaction_matrix(log.actors[:n_events], log.projects[:n_events], log.n_actors, log.n_projects)
    lists = {NeighborKind.COSINE: item_neighbors(interactions, floor)}
    if all_kinds:
        lists[NeighborKind.RP3BETA] = rp3beta_neighbors(interactions, floor)
    if all_kinds:
        lists[NeighborKind.EASE] = ease_neighbors(interactions, floor)
    factors = learn_factors(interactions, floor=floor)
    return CollaborativeModel(lists, factors, user_neighbors(interactions) if all_kinds else None)


def list_length(n: int) -> int:
    """Return the list length for n projects: 200, or up to 2,000 if all lists have at most 2 million entries."""
    return int(np.clip(MAX_LISTED // max(n, 1), tunables.ITEM_NEIGHBOR_COUNT, 10 * tunables.ITEM_NEIGHBOR_COUNT))


def item_neighbors(
    interactions: sparse.csr_array, floor: int = tunables.ANONYMITY_FLOOR, shrinkage: float = tunables.ITEM_SHRINKAGE
) -> NeighborLists:
    """Build item-kNN lists by the cosine of the columns of `interactions`, shrunk towards 0 for small counts.

    Counts are rounded down to multiples of `floor`, so that no similarity shows one actor.
    """

    def rounded(counts: Floats) -> Floats:
        return np.floor(counts / floor) * floor

    actors = rounded(np.asarray(interactions.sum(axis=0), dtype=np.float64).ravel())

    def cosine(rows: Integers, columns: Integers, _walks: Floats, shared: Floats) -> Floats:
        return rounded(shared) / (np.sqrt(actors[rows] * actors[columns]) + shrinkage)

    return _build_lists(interactions, None, cosine, floor)


def rp3beta_neighbors(interactions: sparse.csr_array, floor: int = tunables.ANONYMITY_FLOOR) -> NeighborLists:
    """Build RP3beta lists (Paudel et al., 2017): random walks project → actor → project, damped by popularity."""
    actors = np.maximum(np.asarray(interactions.sum(axis=0), dtype=np.float64).ravel(), 1.0)
    step_probability = 1.0 / np.maximum(np.asarray(interactions.sum(axis=1), dtype=np.float64).ravel(), 1.0)

    def walk_probability(rows: Integers, columns: Integers, walks: Floats, _shared: Floats) -> Floats:
        return walks / (actors[rows] * actors[columns] ** RP3BETA_DAMPING)

    return _build_lists(interactions, step_probability, walk_probability, floor)


def ease_neighbors(interactions: sparse.csr_array, floor: int = tunables.ANONYMITY_FLOOR) -> NeighborLists:
    """Build EASE lists (Steck, 2019): weights of a linear autoencoder, from a dense matrix.

    Only the `MAX_EASE_PROJECTS` projects with most actors have lists and are listed.
    """
    n, actors = interactions.shape[1], np.asarray(interactions.sum(axis=0)).ravel()
    head = np.sort(np.argsort(-actors, kind="stable")[:MAX_EASE_PROJECTS])
    similarity, shared = ease_weights(interactions[:, head])
    similarity[(shared < floor) & (floor > 1)] = 0.0
    rows, columns = np.nonzero(similarity)
    return _concatenate([_most_similar(head[rows], head[columns], similarity[rows, columns], list_length(n))], n)


def ease_weights(interactions: sparse.csr_array) -> tuple[Floats, Floats]:
    """Return the (n, n) weights of EASE without the diagonal, and the numbers of shared actors."""
    shared = (interactions.T @ interactions).toarray().astype(np.float64)
    inverse = np.linalg.inv(shared + EASE_PENALTY * np.eye(shared.shape[0]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights, shared


def user_neighbors(interactions: sparse.csr_array, length: int = tunables.USER_NEIGHBOR_COUNT) -> NeighborLists:
    """Build user-kNN lists: shared projects weighted by rarity, divided by the root of both histories' lengths.

    Projects with more than `MAX_PROJECT_ACTORS` actors are ignored, because they say little about tastes, and because
    the number of pairs is quadratic in the number of actors.
    """
    counts = np.asarray(interactions.sum(axis=0)).ravel()
    interactions = (interactions @ sparse.diags_array((counts <= MAX_PROJECT_ACTORS).astype(np.float32))).tocsr()
    rarity = 1.0 / np.log2(2.0 + np.asarray(interactions.sum(axis=0)).ravel())
    sizes = np.maximum(np.asarray(interactions.sum(axis=1)).ravel(), 1.0)
    scaled = (sparse.diags_array(sizes**-0.5) @ interactions).tocsr().astype(np.float32)
    transposed = (scaled @ sparse.diags_array(rarity)).T.tocsr().astype(np.float32)
    blocks = []
    for start in range(0, scaled.shape[0], BLOCK_ROWS):
        shared = (scaled[start : start + BLOCK_ROWS] @ transposed).tocoo()
        off_diagonal = shared.row + start != shared.col
        rows, columns = shared.row[off_diagonal] + start, shared.col[off_diagonal]
        blocks.append(_most_similar(rows, columns, shared.data[off_diagonal], length))
    return _concatenate(blocks, scaled.shape[0])


def _build_lists(
    interactions: sparse.csr_array,
    actor_weights: Floats | None,
    similarity: Callable[[Integers, Integers, Floats, Floats], Floats],
    floor: int,
) -> NeighborLists:
    """Build the neighbor lists of all projects, block by block.

    `actor_weights` are the (actors,) weights of shared actors. `similarity` is a function of (m,) row and column
    indexes, and of their weighted and unweighted numbers of shared actors.
    """
    transposed = interactions.T.tocsr()
    weighted = interactions
    if actor_weights is not None:
        weighted = (sparse.diags_array(actor_weights.astype(np.float32)) @ interactions).tocsr()
    n = interactions.shape[1]
    blocks = []
    for start in range(0, n, BLOCK_ROWS):
        block = transposed[start : start + BLOCK_ROWS]
        shared = (block @ interactions).tocsr()
        weighted_shared = shared if actor_weights is None else (block @ weighted).tocsr()
        for matrix in (shared, weighted_shared):
            matrix.sort_indices()
        rows = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr)) + start
        is_listed = (rows != shared.indices) & (shared.data >= floor)
        rows, columns = rows[is_listed], shared.indices[is_listed].astype(np.int64)
        counts = [matrix.data[is_listed].astype(np.float64) for matrix in (weighted_shared, shared)]
        blocks.append(_most_similar(rows, columns, similarity(rows, columns, *counts), list_length(n)))
    return _concatenate(blocks, n)


def _most_similar(
    rows: Integers, columns: Integers, similarity: Floats, length: int
) -> tuple[Integers, Integers, Floats]:
    """Keep the `length` most similar columns of each row, the nearest first."""
    order = np.lexsort((columns, -similarity, rows))
    rows, columns, similarity = rows[order], columns[order], similarity[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(rows)) + 1]) if rows.size else np.empty(0, np.int64)
    sizes = np.diff(np.concatenate([starts, [rows.size]]))
    is_listed = np.arange(rows.size) - np.repeat(starts, sizes) < length
    return rows[is_listed], columns[is_listed], similarity[is_listed]


def _concatenate(blocks: list[tuple[Integers, Integers, Floats]], n: int) -> NeighborLists:
    empty = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)  # without projects there is no block
    rows, columns, similarity = (np.concatenate(parts) for parts in zip(empty, *blocks, strict=True))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)
    return NeighborLists(starts, columns.astype(np.int64), similarity.astype(np.float32))


def learn_factors(
    interactions: sparse.csr_array,
    factors: int = tunables.FACTOR_COUNT,
    floor: int = tunables.ANONYMITY_FLOOR,
) -> Factors:
    """Compute latent factors by a truncated SVD of the interaction matrix, and the taste clusters.

    An interaction has the weight 1 / log2(2 + actors of the project). Each row is divided by its length plus one. The
    SVD is exact, so that similarities depend neither on chance nor on the order of actors and projects. The factors of
    actors are slightly shrunk. Actors without events and projects of fewer than `floor` actors have zeros. All numbers
    are rounded to float16, as they are stored.
    """
    counts = np.asarray(interactions.sum(axis=0)).ravel()
    if not interactions.nnz:
        return Factors.unknown(*interactions.shape)
    weighted = interactions @ sparse.diags_array((1.0 / np.log2(2.0 + counts)).astype(np.float32))
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel()) + 1.0
    actors, projects = _truncated_svd(sparse.diags_array((1.0 / lengths).astype(np.float32)) @ weighted, factors)
    actors /= np.linalg.norm(actors, axis=1, keepdims=True) + FACTOR_EPSILON
    projects[counts < floor] = 0.0
    user_factors = _as_stored(actors)
    cluster_of, clusters = cluster_tastes(user_factors, tunables.MIN_CLUSTER_SIZE)
    return Factors(user_factors, _as_stored(projects), cluster_of, _as_stored(clusters))


def _as_stored(vectors: Floats | Vectors) -> Vectors:
    return vectors.astype(np.float16).astype(np.float32)


def _truncated_svd(matrix: sparse.csr_array, k: int) -> tuple[Floats, Floats]:
    """Return the first k left singular vectors times the singular values, and the first k right singular vectors.

    The singular vectors of the shorter side are eigenvectors of the Gram matrix, computed by Lanczos iterations from a
    fixed vector (Lehoucq, Sorensen & Yang, 1998). An iteration is one pass over the events.
    """
    is_wide = matrix.shape[0] < matrix.shape[1]
    tall = matrix.T.tocsr() if is_wide else matrix.tocsr()
    flat, size = tall.T.tocsr(), tall.shape[1]
    if size <= MAX_DENSE_SIZE:
        _, ascending = np.linalg.eigh((flat @ tall).toarray())
        shorter = ascending[:, ::-1][:, :k]
    else:
        gram = LinearOperator((size, size), matvec=lambda vector: flat @ (tall @ vector), dtype=np.float32)
        _, shorter = eigsh(gram, k, v0=np.ones(size, np.float32), tol=SINGULAR_TOLERANCE, rng=0)
    longer = tall @ shorter
    singular_values = np.linalg.norm(longer, axis=0)
    if not is_wide:
        return longer, shorter
    return shorter * singular_values, longer / np.maximum(singular_values, np.finfo(np.float32).eps)
