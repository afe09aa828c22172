"""Nightly learning of interests from engagement.

A term becomes a learned interest if the actor engaged with enough projects that have the term, and if the term's share
in the actor's history is clearly greater than in the catalog. The confidence of a learned interest grows with decayed
engagement, up to .5; a stated interest has 1.
"""

from datetime import datetime

import numpy as np

from db.actors.interest_rows import Confidences
from db.actors.learned_interests import replace_learned_interests
from db.database.engine import Database
from db.interactions.engagement_by_term import EngagementByTerm, engagement_by_term, slices, term_shares
from scoring import tunables
from scoring.mathematics.signals import Floats


def learned(engagement: EngagementByTerm, catalog_share: Floats) -> Confidences:
    """Return the learned interests: per actor the `tunables.MAX_LEARNED_INTERESTS` of highest confidence.

    `engagement` holds m pairs of actor and term. `catalog_share` is the (m,) share of the catalog's projects that have
    the term, 0 to 1.
    """
    count, totals = engagement.interactions, engagement.totals
    confidence = tunables.MAX_LEARNED_CONFIDENCE * count / (count + tunables.LEARNED_HALF_CONFIDENCE)
    history_share = np.divide(count, totals, out=np.zeros_like(count), where=totals > 0)
    qualifies = (
        (engagement.projects >= tunables.MIN_LEARNED_PROJECTS)
        & (history_share >= tunables.MIN_LEARNED_LIFT * catalog_share)
        & (confidence >= tunables.MIN_LEARNED_CONFIDENCE)
    )
    order = np.lexsort((engagement.terms, -confidence, engagement.actors))
    interests: dict[tuple[int, int], float] = {}
    counts: dict[int, int] = {}
    for row in order[qualifies[order]].tolist():
        actor = int(engagement.actors[row])
        counts[actor] = counts.get(actor, 0) + 1
        if counts[actor] <= tunables.MAX_LEARNED_INTERESTS:
            interests[actor, int(engagement.terms[row])] = round(float(confidence[row]), 3)
    return interests


async def learn_interests(database: Database, at: datetime) -> int:
    """Learn the interests of all actors, a few hundred at a time; return the number of changed actors."""
    shares, changed = await term_shares(database), 0
    for first_id, last_id in await slices(database):
        engagement = await engagement_by_term(database, first_id, last_id, at, tunables.MIN_LEARNED_PROJECTS)
        catalog_share = np.array([shares.get(term, 0.0) for term in engagement.terms.tolist()], dtype=np.float64)
        changed += await replace_learned_interests(database, first_id, last_id, learned(engagement, catalog_share))
    return changed
