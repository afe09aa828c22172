"""Interests that are learned from what somebody does, every night: mathematics first, then the pipeline.

A term is learned if somebody touched enough projects that carry it, and clearly more often than the catalog offers
it: reading everything is no interest in what everything is about. Its confidence rises with what was done, halves with
time as all of a viewer's history does, and never reaches what a viewer states (1.0).
"""

from datetime import datetime

import numpy as np

from db.actors.learned_interests import LearnedInterest, replace_learned_interests
from db.database.engine import Database
from db.interactions.engagement_by_term import EngagementByTerm, engagement_by_term, slices, term_shares
from scoring import weights
from scoring.mathematics.signals import Floats


def learned(did: EngagementByTerm, share: Floats) -> list[LearnedInterest]:
    """Say which interests follow from what was done.

    Parameters
    ----------
    share
        (m,) the share of the catalog that carries each entry's term, 0 to 1.

    Returns
    -------
    The interests, at most `weights.MAX_LEARNED_INTERESTS` an actor: the surest, ties by term.
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
    """Learn everybody's interests anew, some hundred actors at a time; give how many actors' changed.

    Two statements for the catalog, and for each slice two that read and one short transaction.
    """
    shares, changed = await term_shares(database), 0
    for low, high in await slices(database):
        did = await engagement_by_term(database, low, high, at, weights.MIN_LEARNED_PROJECTS)
        share = np.array([shares.get(term, 0.0) for term in did.terms.tolist()], dtype=np.float64)
        changed += await replace_learned_interests(database, low, high, learned(did, share))
    return changed
