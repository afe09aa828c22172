"""Search: vectors and keywords; keywords alone without the embedding model; titles in SQL without the index."""

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
from db.vectors.base import HybridHits, Vector, VectorFilter
from db.vectors.fusion import WINDOW, adapt_alpha, reweight
from db.vectors.text_analysis import matched_words, query_words
from scoring import weights
from scoring.deadlines import SERVING, Deadlines, within
from scoring.errors import InvalidQuery
from scoring.mathematics.additive_model import Curve, Model, scores
from scoring.mathematics.signals import Floats, vector_similarity
from scoring.pipelines.feed_filters import vector_filter
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
"""The fused score is the sum of its two legs; the boost is 0 unless requested."""

_COVERAGE_HITS = 10  # best keyword hits whose coverage of the query adapts alpha


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Search query.

    `alpha` is the share of the vector similarity, from 0 (keywords only) to 1 (vectors only). In between it is adapted:
    it falls when a project contains all the words, and rises when none does.
    """

    text: str  # words, separated by single spaces
    alpha: float
    personalized: bool = False  # whether similarity to the viewer's profile adds to the score

    @classmethod
    def checked(cls, text: str, alpha: float, personalized: bool = False) -> Self:
        """Validate a query.

        Raises `InvalidQuery` if the text is empty or too long, or `alpha` is not from 0 to 1.
        """
        plain = " ".join(text.replace("\x00", " ").split())
        if not plain:
            raise InvalidQuery("`query` is empty; pass the words to search for")
        if len(plain) > weights.MAX_QUERY_LENGTH:
            raise InvalidQuery(f"`query` has {len(plain)} characters; {weights.MAX_QUERY_LENGTH} at most")
        if not (math.isfinite(alpha) and 0.0 <= alpha <= 1.0):
            given = f"is {alpha:g}" if math.isfinite(alpha) else "is not a finite number"
            raise InvalidQuery(f"`alpha` {given}; use 0 (keywords only) to 1 (vectors only)")
        return cls(plain, alpha, personalized)


async def rank(
    stores: Stores,
    query: SearchQuery,
    where: ProjectFilter,
    profile: Profile | None,
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> Ranking:
    """Find and rank up to `weights.SEARCH_HITS` projects; `profile` is that of a personalized search."""
    terms = await term_ids(stores.database, where)
    vector, away = await _embedded(stores, query, deadlines)
    try:
        found = _hits(stores, query, vector, vector_filter(where, terms), profile)
        hits, boost = await within(deadlines.search_s, Store.VECTORS, found)
    except StoreUnavailable:
        hits = await _hits_in_sql(stores, query, where)
        vector, boost, away = None, np.zeros(hits.ids.size), (*away, Store.VECTORS)
    matrix = np.column_stack([hits.vector_parts.astype(np.float64), hits.keyword_parts.astype(np.float64), boost])
    contributions = MODEL.contributions(matrix)
    order = np.argsort(-scores(contributions), kind="stable")  # ties keep the order of the engine
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
    """Embed the query; None without the embedding model, without a known word, or for a keyword search."""
    if query.alpha == 0.0:
        return None, ()
    try:
        (vector,) = await within(deadlines.search_s, Store.EMBEDDINGS, stores.embedder.embed([query.text]))
    except StoreUnavailable:
        return None, (Store.EMBEDDINGS,)
    return (vector if vector.any() else None), ()


async def _hits(
    stores: Stores, query: SearchQuery, vector: Vector | None, narrowed: VectorFilter, profile: Profile | None
) -> tuple[HybridHits, Floats]:
    """Return the hits, and their similarities to the profile or zeros."""
    alpha = 0.0 if vector is None else query.alpha
    # Twice the window of a leg holds all that both legs found, so that they can be reweighted.
    hits = await stores.vectors.hybrid(query.text, vector, alpha, 2 * WINDOW, narrowed)
    if 0.0 < alpha < 1.0:
        hits = reweight(hits, alpha, adapt_alpha(alpha, await _covered(stores, query.text, hits)))
    n = weights.SEARCH_HITS
    hits = HybridHits(hits.ids[:n], hits.scores[:n], hits.vector_parts[:n], hits.keyword_parts[:n], hits.features[:n])
    if profile is None or profile.vector is None or not hits.ids.size:
        return hits, np.zeros(hits.ids.size)
    return hits, vector_similarity(await stores.vectors.similarities(profile.vector, hits.ids))


async def _covered(stores: Stores, query: str, hits: HybridHits) -> float:
    """Return the greatest share of the query's words that one of the best keyword hits contains.

    It is high for a query in a project's own words, and low for a description of the project.
    """
    wanted = len(query_words(query))
    best = hits.ids[np.argsort(-hits.keyword_parts, kind="stable")[:_COVERAGE_HITS]].tolist()
    if not wanted or not best:
        return 0.0
    texts = await texts_by_id(stores.database, best)
    return max((len(matched_words(query, text)) for text in texts.values()), default=0) / wanted


async def _hits_in_sql(stores: Stores, query: SearchQuery, where: ProjectFilter) -> HybridHits:
    found = await title_matches(stores.database, query.text, weights.SEARCH_HITS, where)
    shares = np.array([share for _, share in found], dtype=np.float32)
    ids = np.array([id_ for id_, _ in found], dtype=np.int64)
    return HybridHits(ids, shares, np.zeros_like(shares), shares)
