"""Search: by meaning and by words, fused; by words alone without the embedding model; from SQL without the index."""

import asyncio
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np

from db.catalog.keyword_search import texts_by_id, title_matches
from db.catalog.project_cards import ProjectFilter, term_ids
from db.errors import Store, StoreUnavailable
from db.models import FeedKind
from db.stores import Stores
from db.vectors.base import HybridHits, Vector
from db.vectors.fusion import WINDOW, adapt_alpha, reweight
from db.vectors.text_analysis import matched_words, query_words
from scoring import weights
from scoring.deadlines import SERVING, Deadlines
from scoring.errors import InvalidQuery
from scoring.mathematics.additive_model import Curve, Model, scores
from scoring.mathematics.signals import vector_similarity
from scoring.pipelines.candidate_sources import TermGroups, vector_filter
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import Ranking, Strategy, distinct_stores
from scoring.weights import Signal

MODEL = Model(
    "search",
    {
        Signal.QUERY_SIMILARITY: Curve.linear(1.0),
        Signal.KEYWORD_MATCH: Curve.linear(1.0),
        Signal.PERSONAL_BOOST: Curve.linear(weights.SEARCH_BOOST),
    },
)
"""The fused score is the sum of its two legs; the boost is 0 unless it was asked for."""


_TELLING_HITS = 10
"""Hits by words that are looked at to weigh words against meaning."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to look for.

    Attributes
    ----------
    text
        The words, without surrounding white space.
    alpha
        Share of meaning in the score, from 0 (words only) to 1 (meaning only). In between it is a wish: the share moves
        towards the words when a project holds all of them, and away from them when none does.
    personalized
        Whether likeness to the viewer's profile adds a little.
    """

    text: str
    alpha: float
    personalized: bool = False

    @classmethod
    def checked(cls, text: str, alpha: float, personalized: bool = False) -> Self:
        """Check what a client asked for.

        Raises
        ------
        InvalidQuery
            If there is nothing to look for, too much of it, or `alpha` is not from 0 to 1.
        """
        plain = " ".join(text.replace("\x00", " ").split())
        if not plain:
            raise InvalidQuery("`query` is empty; say what to look for")
        if len(plain) > weights.MAX_QUERY_LENGTH:
            raise InvalidQuery(f"`query` has {len(plain)} characters; {weights.MAX_QUERY_LENGTH} at most")
        if not (math.isfinite(alpha) and 0.0 <= alpha <= 1.0):
            given = f"is {alpha:g}" if math.isfinite(alpha) else "is beyond all bounds"
            raise InvalidQuery(f"`alpha` {given}; use 0 (words only) to 1 (meaning only)")
        return cls(plain, alpha, personalized)


async def rank(
    stores: Stores,
    query: SearchQuery,
    where: ProjectFilter,
    profile: Profile | None,
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> Ranking:
    """Find and rank up to `weights.SEARCH_HITS` projects.

    Parameters
    ----------
    profile
        Whose likeness adds to the score; None for a search that is the same for everybody.
    """
    terms = await term_ids(stores.database, where)
    vector, away = await _embedded(stores, query, deadlines)
    try:
        async with asyncio.timeout(deadlines.search_s):
            hits = await _hits(stores, query, vector, where, terms)
            similarity = await _likeness(stores, hits, profile)
    except (StoreUnavailable, TimeoutError):
        hits, similarity = await _hits_in_sql(stores, query, where), None
        vector, away = None, (*away, Store.VECTORS)
    boost = np.zeros(hits.ids.size) if similarity is None else vector_similarity(similarity)
    matrix = np.column_stack([hits.vector_parts.astype(np.float64), hits.keyword_parts.astype(np.float64), boost])
    contributions = MODEL.contributions(matrix)
    order = np.argsort(-scores(contributions), kind="stable")  # equals stay as the engine put them
    return Ranking(
        kind=FeedKind.SEARCH,
        strategy=Strategy.KEYWORD if vector is None or query.alpha == 0.0 else Strategy.HYBRID,
        model=MODEL.name,
        signals=MODEL.signals,
        ids=hits.ids[order],
        values=matrix[order].astype(np.float32),
        contributions=contributions[order],
        adjustments={},
        generated_at=at,
        degraded=distinct_stores(away),
        query=query.text,
    )


async def _embedded(
    stores: Stores, query: SearchQuery, deadlines: Deadlines
) -> tuple[Vector | None, tuple[Store, ...]]:
    """Embed the query; None if the model is away, knows none of its words, or is not asked."""
    if query.alpha == 0.0:
        return None, ()
    try:
        async with asyncio.timeout(deadlines.search_s):
            (vector,) = await stores.embedder.embed([query.text])
    except (StoreUnavailable, TimeoutError):
        return None, (Store.EMBEDDINGS,)
    return (vector if vector.any() else None), ()


async def _hits(
    stores: Stores, query: SearchQuery, vector: Vector | None, where: ProjectFilter, terms: TermGroups
) -> HybridHits:
    alpha = 0.0 if vector is None else query.alpha  # without a vector the words count in full
    narrowed = vector_filter(where, terms)
    # Twice a leg's window holds all that both legs found, so that they can be weighed again.
    hits = await stores.vectors.hybrid(query.text, vector, alpha, 2 * WINDOW, narrowed)
    if 0.0 < alpha < 1.0:
        hits = reweight(hits, alpha, adapt_alpha(alpha, await _covered(stores, query.text, hits)))
    return _first(hits, weights.SEARCH_HITS)


async def _covered(stores: Stores, query: str, hits: HybridHits) -> float:
    """Give the share of the query's words that one of the best hits by words holds: 1 if one says it all.

    It tells a query that is written in the words of what it looks for from one that describes it.
    """
    wanted = len(query_words(query))
    best = hits.ids[np.argsort(-hits.keyword_parts, kind="stable")[:_TELLING_HITS]].tolist()
    if not wanted or not best:
        return 0.0
    texts = await texts_by_id(stores.database, best)
    return max((len(matched_words(query, text)) for text in texts.values()), default=0) / wanted


def _first(hits: HybridHits, n: int) -> HybridHits:
    return HybridHits(hits.ids[:n], hits.scores[:n], hits.vector_parts[:n], hits.keyword_parts[:n], hits.features[:n])


async def _likeness(stores: Stores, hits: HybridHits, profile: Profile | None) -> Vector | None:
    if profile is None or profile.vector is None or not hits.ids.size:
        return None
    return await stores.vectors.similarities(profile.vector, hits.ids)


async def _hits_in_sql(stores: Stores, query: SearchQuery, where: ProjectFilter) -> HybridHits:
    found = await title_matches(stores.database, query.text, weights.SEARCH_HITS, where)
    shares = np.array([share for _, share in found], dtype=np.float32)
    ids = np.array([id_ for id_, _ in found], dtype=np.int64)
    return HybridHits(ids, shares, np.zeros_like(shares), shares)
