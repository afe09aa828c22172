"""Interests that are learned from what somebody does, every night: mathematics first, then the pipeline.

A term is learned if somebody touched enough projects that carry it, and clearly more often than the catalogue offers
it: reading everything is no interest in what everything is about. Its confidence rises with what was done, halves with
time as all of a viewer's history does, and never reaches what a viewer states (1.0).
"""

from datetime import datetime

import numpy as np

from db.activity.deeds_by_term import DeedsByTerm, carried_shares, deeds_by_term, slices
from db.engine import Database
from db.people.learned_interests import Learned, replace_learned
from scoring import weights
from scoring.signals import Floats


def learned(did: DeedsByTerm, share: Floats) -> list[Learned]:
    """Say which interests follow from what was done.

    Parameters
    ----------
    share
        (m,) the share of the catalogue that carries each entry's term, 0 to 1.

    Returns
    -------
    The interests, at most `weights.LEARNED_MOST` an actor: the surest, ties by term.
    """
    sure = weights.LEARNED_CONFIDENCE * did.deeds / (did.deeds + weights.LEARNED_HALF)
    liking = np.divide(did.deeds, did.totals, out=np.zeros_like(did.deeds), where=did.totals > 0)
    kept = (
        (did.projects >= weights.LEARNED_PROJECTS)
        & (liking >= weights.LEARNED_LIFT * share)
        & (sure >= weights.LEARNED_LEAST)
    )
    order = np.lexsort((did.terms, -sure, did.actors))
    found: list[Learned] = []
    counts: dict[int, int] = {}
    for n in order[kept[order]].tolist():
        actor = int(did.actors[n])
        counts[actor] = counts.get(actor, 0) + 1
        if counts[actor] <= weights.LEARNED_MOST:
            found.append(Learned(actor, int(did.terms[n]), round(float(sure[n]), 3)))
    return found


async def learn_interests(database: Database, at: datetime) -> int:
    """Learn everybody's interests anew, some hundred actors at a time; give how many actors' changed.

    Two statements for the catalogue, and for each slice two that read and one short transaction.
    """
    shares, changed = await carried_shares(database), 0
    for low, high in await slices(database):
        did = await deeds_by_term(database, low, high, at, weights.LEARNED_PROJECTS)
        share = np.array([shares.get(term, 0.0) for term in did.terms.tolist()], dtype=np.float64)
        changed += await replace_learned(database, low, high, learned(did, share))
    return changed
