"""Projects similar to a project: the nearest vectors, or the projects with the same terms.

The latter is used without the index, and for a project that is not in the index yet. Then the ranking is degraded: a
complete one would be reused for minutes.
"""

from datetime import datetime

import numpy as np

from db.catalog.candidate_queries import projects_with_terms
from db.catalog.project_cards import ProjectFilter, is_public, term_ids, terms_of
from db.errors import Store, StoreUnavailable
from db.models import FeedKind
from db.stores import Stores
from db.vectors.base import Hits
from scoring import tunables
from scoring.deadlines import SERVING, Deadlines, within
from scoring.mathematics.additive_model import Curve, Model
from scoring.mathematics.signals import Signal, vector_similarity
from scoring.pipelines.feed_filters import vector_filter
from scoring.ranking import Ranking, Strategy

MODEL = Model("similar", {Signal.PROJECT_SIMILARITY: Curve.linear(1.0)})


async def rank(
    stores: Stores, project_id: int, where: ProjectFilter, at: datetime, deadlines: Deadlines = SERVING
) -> Ranking:
    """Rank the projects most similar to a project, at most `tunables.SIMILAR_HITS`."""
    degraded: tuple[Store, ...] = ()
    try:
        hits = await within(deadlines.search_s, Store.VECTORS, _nearest(stores, project_id, where))
    except StoreUnavailable:
        hits, degraded = await _with_same_terms(stores, project_id, where), (Store.VECTORS,)
    matrix = vector_similarity(hits.scores)[:, None]
    return Ranking(
        kind=FeedKind.SIMILAR,
        strategy=Strategy.SIMILAR,
        model=MODEL.name,
        signals=MODEL.signals,
        ids=hits.ids,
        values=matrix.astype(np.float32),
        contributions=MODEL.contributions(matrix),
        generated_at=at,
        degraded=degraded,
    )


async def _nearest(stores: Stores, project_id: int, where: ProjectFilter) -> Hits:
    stores.coverage.require()
    _, rows = await stores.vectors.project_vectors(np.array([project_id], dtype=np.int64))
    if not len(rows):
        if await is_public(stores.database, project_id):
            raise StoreUnavailable(Store.VECTORS, "the project is not in the index yet")
        return Hits()
    terms = await term_ids(stores.database, where)
    filter_ = vector_filter(where, terms, exclude_ids=frozenset({project_id}))
    return await stores.vectors.near(rows[0], tunables.SIMILAR_HITS, filter_)


async def _with_same_terms(stores: Stores, project_id: int, where: ProjectFilter) -> Hits:
    """Return the projects that share most terms. Their similarity is unknown, so they score 0."""
    terms = await terms_of(stores.database, project_id)
    ids_with_terms = (
        await projects_with_terms(stores.database, terms, tunables.SIMILAR_HITS + 1, where) if terms else []
    )
    ids = np.array([id_ for id_ in ids_with_terms if id_ != project_id][: tunables.SIMILAR_HITS], dtype=np.int64)
    return Hits(ids, np.zeros(ids.size, dtype=np.float32))
