"""Similarity of candidates to the viewer's profile and history by text, read from the vector store."""

from typing import NamedTuple

import numpy as np

from db.errors import Store, StoreUnavailable
from db.stores import Stores
from db.vectors.base import SCORE_DECIMALS
from scoring import tunables
from scoring.deadlines import Deadlines, within
from scoring.mathematics.history_texts import NO_TEXTS, HistoryTexts
from scoring.mathematics.signals import Cosines, Integers
from scoring.profiles.viewer_profile import Profile


class TextSimilarity(NamedTuple):
    """Similarities of n candidates by text."""

    to_profile: Cosines  # (n,) cosines with the profile's vector, NaN if unknown
    history: HistoryTexts = NO_TEXTS
    degraded: tuple[Store, ...] = ()  # unavailable stores


async def load_text_similarity(
    stores: Stores, profile: Profile, ids: Integers, deadlines: Deadlines, *, with_history: bool, is_available: bool
) -> TextSimilarity:
    """Compare candidates with the profile's vector and, if needed, with the history, in one call to the vector store.

    Without an available store, all similarities are unknown.
    """
    unknown = TextSimilarity(np.full(ids.shape, np.nan, dtype=np.float32))
    history = np.array(profile.engaged[: tunables.PROFILE_VECTOR_PROJECTS], dtype=np.int64)
    if not is_available or not ids.size or (profile.vector is None and not (with_history and history.size)):
        return unknown
    compare = _compare_with_history(stores, profile, ids, history) if with_history else _compare(stores, profile, ids)
    try:
        return await within(deadlines.vectors_s, Store.VECTORS, compare)
    except StoreUnavailable:
        return unknown._replace(degraded=(Store.VECTORS,))


async def _compare(stores: Stores, profile: Profile, ids: Integers) -> TextSimilarity:
    assert profile.vector is not None  # noqa: S101 (the caller checks it)
    return TextSimilarity(await stores.vectors.similarities(profile.vector, ids))


async def _compare_with_history(stores: Stores, profile: Profile, ids: Integers, history: Integers) -> TextSimilarity:
    known_ids, known = await stores.vectors.project_vectors(np.unique(np.concatenate([ids, history])))
    vectors = np.zeros((ids.size + history.size, known.shape[1]), np.float32)
    wanted = np.concatenate([ids, history])
    rows = np.minimum(np.searchsorted(known_ids, wanted), max(known_ids.size - 1, 0))
    is_known = known_ids[rows] == wanted if known_ids.size else np.zeros(wanted.size, np.bool_)
    vectors[is_known] = known[rows[is_known]]
    candidates, latest = vectors[: ids.size], vectors[ids.size :]
    to_candidates = (candidates @ latest.T).astype(np.float64)
    to_candidates[ids[:, None] == history[None, :]] = 0.0  # a project is not evidence for itself
    to_profile = np.full(ids.shape, np.nan, dtype=np.float32)
    if profile.vector is not None:
        to_profile[is_known[: ids.size]] = (candidates[is_known[: ids.size]] @ profile.vector).round(SCORE_DECIMALS)
    return TextSimilarity(to_profile, HistoryTexts(to_candidates, (latest @ latest.T).astype(np.float64)))
