"""Nightly learning of interests from engagement.

A term is learned from enough projects, if its share in the actor's history is clearly greater than in the catalog. The
confidence grows with decayed engagement and stays below that of a stated interest (1.0).
"""

from datetime import datetime

import numpy as np

from db.actors.learned_interests import LearnedInterest, replace_learned_interests
from db.database.engine import Database
from db.interactions.engagement_by_term import EngagementByTerm, engagement_by_term, slices, term_shares
from scoring import weights
from scoring.mathematics.signals import Floats


def learned(did: EngagementByTerm, share: Floats) -> list[LearnedInterest]:
    """Return the learned interests, at most `weights.MAX_LEARNED_INTERESTS` an actor, those of highest confidence.

    Parameters
    ----------
    did
        Decayed engagement of m pairs of actor and term.
    share
        (m,) share of the catalog that carries the term, 0 to 1.
    """
    sure = weights.MAX_LEARNED_CONFIDENCE * did.interactions / (did.interactions + weights.LEARNED_HALF_CONFIDENCE)
    liking = np.divide(did.interactions, did.totals, out=np.zeros_like(did.interactions), where=did.totals > 0)
    kept = (
        (did.projects >= weights.MIN_LEARNED_PROJECTS)
        & (liking >= weights.MIN_LEARNED_LIFT * share)
        & (sure >= weights.MIN_LEARNED_CONFIDENCE)
    )
    order = np.lexsort((did.terms, -sure, did.actors))
    found: list[LearnedInterest] = []
    counts: dict[int, int] = {}
    for n in order[kept[order]].tolist():
        actor = int(did.actors[n])
        counts[actor] = counts.get(actor, 0) + 1
        if counts[actor] <= weights.MAX_LEARNED_INTERESTS:
            found.append(LearnedInterest(actor, int(did.terms[n]), round(float(sure[n]), 3)))
    return found


async def learn_interests(database: Database, at: datetime) -> int:
    """Learn the interests of all actors, some hundred at a time, and return the number of changed actors."""
    shares, changed = await term_shares(database), 0
    for low, high in await slices(database):
        did = await engagement_by_term(database, low, high, at, weights.MIN_LEARNED_PROJECTS)
        share = np.array([shares.get(term, 0.0) for term in did.terms.tolist()], dtype=np.float64)
        changed += await replace_learned_interests(database, low, high, learned(did, share))
    return changed
