"""Search by vectors and keywords.

Without the embedding model, it uses keywords only; without the index, it searches titles in SQL.
"""

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
from db.text_rules import text_fault
from db.vectors.base import HybridHits, Vector, VectorFilter
from db.vectors.fusion import WINDOW, adapt_alpha, reweight
from db.vectors.text_analysis import matched_words, query_words
from scoring import tunables
from scoring.deadlines import SERVING, Deadlines, within
from scoring.errors import InvalidQuery
from scoring.mathematics.additive_model import Curve, Model, scores
from scoring.mathematics.signals import Floats, Signal, vector_similarity
from scoring.pipelines.feed_filters import vector_filter
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import Ranking, Strategy, distinct_stores

MODEL = Model(
    "search",
    {
        Signal.QUERY_SIMILARITY: Curve.linear(1.0),
        Signal.KEYWORD_MATCH: Curve.linear(1.0),
        Signal.PERSONAL_BOOST: Curve.linear(tunables.SEARCH_BOOST),
    },
)
"""The score of a search is its vector part plus its keyword part. The boost is 0 unless the search is personalized."""

_COVERAGE_HITS = 10  # best keyword hits that are checked for the words of the query


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Search query.

    `alpha` is the share of the vector similarity, from 0 (keywords only) to 1 (vectors only). Values in between
    are lowered if a project contains all the words, and raised if none does.
    """

    text: str  # words, separated by single spaces
    alpha: float
    personalized: bool = False  # whether similarity to the viewer's profile adds to the score

    @classmethod
    def checked(cls, text: str, alpha: float, personalized: bool = False) -> Self:
        """Validate a query.

        Raises `InvalidQuery` if the text is empty, too long or has a control character, or `alpha` is not from 0 to 1.
        """
        plain = " ".join(text.split())
        if not plain:
            raise InvalidQuery("`query` is empty; pass the words to search for")
        if (fault := text_fault(plain)) is not None:
            raise InvalidQuery(f"`query` {fault}")
        if len(plain) > tunables.MAX_QUERY_LENGTH:
            raise InvalidQuery(f"`query` has {len(plain)} characters; {tunables.MAX_QUERY_LENGTH} at most")
        if not (math.isfinite(alpha) and 0.0 <= alpha <= 1.0):
            problem = f"is {alpha:g}" if math.isfinite(alpha) else "is not a finite number"
            raise InvalidQuery(f"`alpha` {problem}; use 0 (keywords only) to 1 (vectors only)")
        return cls(plain, alpha, personalized)


async def rank(
    stores: Stores,
    query: SearchQuery,
    where: ProjectFilter,
    profile: Profile | None,
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> Ranking:
    """Find and rank up to `tunables.SEARCH_HITS` projects; `profile` is None unless the search is personalized."""
    terms = await term_ids(stores.database, where)
    vector, degraded = await _query_vector(stores, query, deadlines)
    try:
        search_call = _hits(stores, query, vector, vector_filter(where, terms), profile)
        hits, boost = await within(deadlines.search_s, Store.VECTORS, search_call)
    except StoreUnavailable:
        hits = await _hits_in_sql(stores, query, where)
        vector, boost, degraded = None, np.zeros(hits.ids.size), (*degraded, Store.VECTORS)
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
        generated_at=at,
        degraded=distinct_stores(degraded),
        query=query.text,
    )


async def _query_vector(
    stores: Stores, query: SearchQuery, deadlines: Deadlines
) -> tuple[Vector | None, tuple[Store, ...]]:
    """Embed the query. The vector is None for a keyword search, if no word is known, or if the model is unavailable."""
    if query.alpha == 0.0:
        return None, ()
    try:
        vector = await within(deadlines.search_s, Store.EMBEDDINGS, stores.embed_query(query.text))
    except StoreUnavailable:
        return None, (Store.EMBEDDINGS,)
    return (vector if vector.any() else None), ()


async def _hits(
    stores: Stores, query: SearchQuery, vector: Vector | None, filter_: VectorFilter, profile: Profile | None
) -> tuple[HybridHits, Floats]:
    """Return the hits, and their similarities to the profile or zeros."""
    stores.coverage.require()
    alpha = 0.0 if vector is None else query.alpha
    # Twice the window holds all hits of the vector and the keyword search, so that they can be reweighted.
    hits = await stores.vectors.hybrid(query.text, vector, alpha, 2 * WINDOW, filter_)
    if 0.0 < alpha < 1.0:
        hits = reweight(hits, alpha, adapt_alpha(alpha, await _query_coverage(stores, query.text, hits)))
    n = tunables.SEARCH_HITS
    hits = HybridHits(hits.ids[:n], hits.vector_parts[:n], hits.keyword_parts[:n])
    if profile is None or profile.vector is None or not hits.ids.size:
        return hits, np.zeros(hits.ids.size)
    return hits, vector_similarity(await stores.vectors.similarities(profile.vector, hits.ids))


async def _query_coverage(stores: Stores, query: str, hits: HybridHits) -> float:
    """Return the share of the query's words in the keyword hit that contains most of them.

    The share is high for a query that quotes a project, and low for a query that paraphrases a project.
    """
    word_count = len(query_words(query))
    best_ids = hits.ids[np.argsort(-hits.keyword_parts, kind="stable")[:_COVERAGE_HITS]].tolist()
    if not word_count or not best_ids:
        return 0.0
    texts = await texts_by_id(stores.database, best_ids)
    return max((len(matched_words(query, text)) for text in texts.values()), default=0) / word_count


async def _hits_in_sql(stores: Stores, query: SearchQuery, where: ProjectFilter) -> HybridHits:
    matches = await title_matches(stores.database, query.text, tunables.SEARCH_HITS, where)
    shares = np.array([share for _, share in matches], dtype=np.float32)
    ids = np.array([id_ for id_, _ in matches], dtype=np.int64)
    return HybridHits(ids, np.zeros_like(shares), shares)
