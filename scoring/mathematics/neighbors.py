"""Item neighbors, user neighbors and latent factors, learned from an event log.

Memory holds one block of rows of the co-occurrence matrix at a time, except for EASE.
"""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from scoring import weights
from scoring.mathematics.behavior_evidence import CollaborativeModel, EventLog, Factors, NeighborKind, NeighborLists
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.taste_clusters import cluster_tastes

BLOCK_ROWS = 2_048  # rows of the co-occurrence matrix held at a time
MAX_LISTED = 2_000_000  # entries of all item lists together
MAX_PROJECT_ACTORS = 1_000  # actors of a project above which user neighbors ignore it
MAX_EASE_PROJECTS = 10_000  # projects above which the dense matrix of EASE (8 n² bytes) exceeds 800 MB
EASE_PENALTY = 100.0
RP3BETA_DAMPING = 0.5
"""The exponent beta of RP3beta, which damps popular projects."""
FACTOR_EPSILON = 1e-3
"""Added to the length of an actor's factors before normalization, so that near-zero factors stay short."""
POWER_ITERATIONS = 4
OVERSAMPLING = 10


def interaction_matrix(actors: Integers, projects: Integers, n_actors: int, n_projects: int) -> sparse.csr_array:
    """Return the (actors, projects) matrix of ones; a repeated pair counts once."""
    ones = np.ones(actors.size, dtype=np.float32)
    made = sparse.csr_array((ones, (actors, projects)), shape=(n_actors, n_projects))
    made.sum_duplicates()
    made.data[:] = 1.0
    return made


def build_collaborative_model(
    log: EventLog, until: int, floor: int = weights.ANONYMITY_FLOOR, seed: int = 0, *, timed: bool = True
) -> CollaborativeModel:
    """Learn item neighbors and factors from the first `until` events.

    Two neighbors share `floor` actors at least, and as many give a project factors. Unless `timed`, RP3beta, EASE and
    user neighbors are learned too: evaluation on static data sets measures them (docs/ranking.md).
    """
    engaged = interaction_matrix(log.actors[:until], log.projects[:until], log.n_actors, log.n_projects)
    lists = {NeighborKind.COSINE: item_neighbors(engaged, floor)}
    if timed:
        return CollaborativeModel(lists, learn_factors(engaged, floor=floor, seed=seed))
    lists[NeighborKind.RP3BETA] = rp3beta_neighbors(engaged, floor)
    if log.n_projects <= MAX_EASE_PROJECTS:
        lists[NeighborKind.EASE] = ease_neighbors(engaged, floor)
    return CollaborativeModel(lists, learn_factors(engaged, floor=floor, seed=seed), user_neighbors(engaged))


def list_length(n: int) -> int:
    """Return the list length for n projects: 200, and up to 2,000 while all lists hold at most 2 million entries."""
    return int(np.clip(MAX_LISTED // max(n, 1), weights.ITEM_NEIGHBOR_COUNT, 10 * weights.ITEM_NEIGHBOR_COUNT))


def item_neighbors(
    engaged: sparse.csr_array, floor: int = weights.ANONYMITY_FLOOR, shrinkage: float = weights.ITEM_SHRINKAGE
) -> NeighborLists:
    """Build item-kNN lists: cosine of the actors, shrunk for small counts."""
    actors = np.asarray(engaged.sum(axis=0), dtype=np.float64).ravel()

    def cosine(rows: Integers, columns: Integers, _walked: Floats, shared: Floats) -> Floats:
        return shared / (np.sqrt(actors[rows] * actors[columns]) + shrinkage)

    return _lists(engaged, None, cosine, floor)


def rp3beta_neighbors(engaged: sparse.csr_array, floor: int = weights.ANONYMITY_FLOOR) -> NeighborLists:
    """Build RP3beta lists (Paudel et al., 2017): a walk project → person → project, damped by popularity."""
    actors = np.maximum(np.asarray(engaged.sum(axis=0), dtype=np.float64).ravel(), 1.0)
    steps = 1.0 / np.maximum(np.asarray(engaged.sum(axis=1), dtype=np.float64).ravel(), 1.0)

    def walk(rows: Integers, columns: Integers, walked: Floats, _shared: Floats) -> Floats:
        return walked / (actors[rows] * actors[columns] ** RP3BETA_DAMPING)

    return _lists(engaged, steps, walk, floor)


def ease_neighbors(engaged: sparse.csr_array, floor: int = weights.ANONYMITY_FLOOR) -> NeighborLists:
    """Build EASE lists (Steck, 2019): the linear autoencoder's positive weights. Dense: for small catalogs only."""
    shared = (engaged.T @ engaged).toarray().astype(np.float64)
    inverse = np.linalg.inv(shared + EASE_PENALTY * np.eye(shared.shape[0]))
    worth = -inverse / np.diag(inverse)[None, :]
    worth[(shared < floor) & (floor > 1)] = 0.0
    np.fill_diagonal(worth, 0.0)
    rows, columns = np.nonzero(worth)
    kept = _most_similar(rows, columns, worth[rows, columns], list_length(shared.shape[0]))
    return _concatenate([kept], shared.shape[0])


def user_neighbors(engaged: sparse.csr_array, length: int = weights.USER_NEIGHBOR_COUNT) -> NeighborLists:
    """Build user-kNN lists: shared projects weighted by rarity, over the root of the history's length.

    Projects of more than `MAX_PROJECT_ACTORS` actors are left out: they distinguish nobody and pair everybody.
    """
    counts = np.asarray(engaged.sum(axis=0)).ravel()
    engaged = (engaged @ sparse.diags_array((counts <= MAX_PROJECT_ACTORS).astype(np.float32))).tocsr()
    rarity = 1.0 / np.log2(2.0 + np.asarray(engaged.sum(axis=0)).ravel())
    sizes = np.maximum(np.asarray(engaged.sum(axis=1)).ravel(), 1.0)
    scaled = (sparse.diags_array(sizes**-0.5) @ engaged).tocsr().astype(np.float32)
    transposed = (scaled @ sparse.diags_array(rarity)).T.tocsr().astype(np.float32)
    blocks = []
    for start in range(0, scaled.shape[0], BLOCK_ROWS):
        shared = (scaled[start : start + BLOCK_ROWS] @ transposed).tocoo()
        others = shared.row + start != shared.col
        blocks.append(_most_similar(shared.row[others] + start, shared.col[others], shared.data[others], length))
    return _concatenate(blocks, scaled.shape[0])


def _lists(
    engaged: sparse.csr_array,
    steps: Floats | None,
    similarity: Callable[[Integers, Integers, Floats, Floats], Floats],
    floor: int,
) -> NeighborLists:
    """Build lists block by block: `steps` weighs each actor, `similarity` is computed from the shared counts."""
    transposed = engaged.T.tocsr()
    weighed = engaged if steps is None else (sparse.diags_array(steps.astype(np.float32)) @ engaged).tocsr()
    n = engaged.shape[1]
    blocks = []
    for start in range(0, n, BLOCK_ROWS):
        part = transposed[start : start + BLOCK_ROWS]
        shared = (part @ engaged).tocsr()
        walked = shared if steps is None else (part @ weighed).tocsr()
        for matrix in (shared, walked):
            matrix.sort_indices()
        rows = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr)) + start
        kept = (rows != shared.indices) & (shared.data >= floor)
        rows, columns = rows[kept], shared.indices[kept].astype(np.int64)
        scores = similarity(rows, columns, walked.data[kept].astype(np.float64), shared.data[kept].astype(np.float64))
        blocks.append(_most_similar(rows, columns, scores, list_length(n)))
    return _concatenate(blocks, n)


def _most_similar(
    rows: Integers, columns: Integers, similarity: Floats, length: int
) -> tuple[Integers, Integers, Floats]:
    """Keep the `length` most similar columns of each row, the nearest first."""
    order = np.lexsort((columns, -similarity, rows))
    rows, columns, similarity = rows[order], columns[order], similarity[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(rows)) + 1]) if rows.size else np.empty(0, np.int64)
    sizes = np.diff(np.concatenate([starts, [rows.size]]))
    kept = np.arange(rows.size) - np.repeat(starts, sizes) < length
    return rows[kept], columns[kept], similarity[kept]


def _concatenate(blocks: list[tuple[Integers, Integers, Floats]], n: int) -> NeighborLists:
    nothing = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)  # without projects there is no block
    rows, columns, similarity = (np.concatenate(parts) for parts in zip(nothing, *blocks, strict=True))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)
    return NeighborLists(starts, columns.astype(np.int64), similarity.astype(np.float32))


def learn_factors(
    engaged: sparse.csr_array,
    factors: int = weights.FACTOR_COUNT,
    floor: int = weights.ANONYMITY_FLOOR,
    seed: int = 0,
) -> Factors:
    """Compute latent factors by a truncated SVD of the interaction matrix, and the taste clusters.

    An interaction counts 1 / log2(2 + actors of the project); a row is divided by its length plus one. The SVD uses a
    randomized range finder with power iterations (Halko, Martinsson & Tropp, 2011): each step is one pass over the
    events and holds (actors + projects) x factors numbers, which any engine that groups and sums can do. The rows of
    actors are slightly shrunk; an actor without events and a project of fewer than `floor` actors have zeros.
    """
    counts = np.asarray(engaged.sum(axis=0)).ravel()
    if not engaged.nnz:
        return Factors.unknown(*engaged.shape)
    weighed = engaged @ sparse.diags_array((1.0 / np.log2(2.0 + counts)).astype(np.float32))
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel()) + 1.0
    actors, projects = _factors(sparse.diags_array((1.0 / lengths).astype(np.float32)) @ weighed, factors, seed)
    actors /= np.linalg.norm(actors, axis=1, keepdims=True) + FACTOR_EPSILON
    projects[counts < floor] = 0.0
    known = actors.astype(np.float32)
    return Factors(known, projects.astype(np.float32), *cluster_tastes(known, weights.MIN_CLUSTER_SIZE))


def _factors(matrix: sparse.csr_array, k: int, seed: int) -> tuple[Floats, Floats]:
    """Return the left factors times the singular values, and the right factors."""
    width = min(k + OVERSAMPLING, *matrix.shape)
    transposed = matrix.T.tocsr()
    basis = np.random.default_rng(seed).standard_normal((matrix.shape[1], width)).astype(np.float32)
    for _ in range(POWER_ITERATIONS):
        basis, _ = np.linalg.qr(transposed @ (matrix @ basis))
    left, sizes, right = np.linalg.svd(matrix @ basis, full_matrices=False)
    kept = min(k, width)
    return left[:, :kept] * sizes[:kept], (basis @ right[:kept].T)
