"""Candidate lists from the log of what was served: what was shown where, a sample of what was not, what was touched.

A viewer chooses among what is seen, and what stands first is seen most. A model that is fitted to choices as if all
had been seen alike learns the order of the feed that it serves. So the place is fitted beside the signals, as one more
curve that is left out when the model serves: the listwise softmax with an additive place is the position-based model
(Richardson et al., 2007; Ai et al., 2018, fit both together) in which the chance to be chosen is that to be looked at
times the worth. Not to be shown at all is one more place, so that what viewers find by other ways counts too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, behavior_matrix
from scoring.mathematics.curve_fitting import CandidateLists, Matrix32, concatenate_lists
from scoring.mathematics.signals import Floats, Integers
from scoring.replay.dataset import Dataset
from scoring.replay.replayed_requests import VIEWER_STAGES, Progress, Replay
from scoring.weights import Signal

TOUCHED_WITHIN_S = 86_400.0
"""What is touched later than a day after the feed was served is no answer to it."""


@dataclass(frozen=True, slots=True, eq=False)
class ServedList:
    """One served ranking, with what came of it; n projects of it.

    Attributes
    ----------
    actor, at_s
        Whose it was, and when.
    projects
        (n,) dense indexes.
    ranks
        (n,) at which rank, from 1, it was seen; 0 for what was not.
    stands_for
        (n,) how many candidates it stands for: above 1 for a sample of what was not shown.
    relevant
        (n,) whether the viewer touched it within `TOUCHED_WITHIN_S`, in the feed or elsewhere.
    signals, values
        (k,) and (n, k): what ranked it.
    """

    actor: int
    at_s: float
    projects: Integers
    ranks: Floats
    stands_for: Floats
    relevant: NDArray[np.bool_]
    signals: tuple[Signal, ...]
    values: Matrix32


def served_candidate_lists(
    dataset: Dataset, logged: Sequence[ServedList], signals: tuple[Signal, ...], floor: int, progress: Progress
) -> CandidateLists:
    """Put served rankings below one another, with a column for each of `signals` and the place of each row.

    A signal stands as it was logged; one that the model in service then did not use is computed as of that moment from
    what was known strictly before, if it is one of behavior, and is 0 if not.
    """
    replay_requests = Replay(dataset, floor)
    behaviour = tuple(signal for signal in signals if signal in BEHAVIOR_SIGNALS)
    parts = []
    for index, one in enumerate(sorted(logged, key=lambda one: one.at_s)):
        evidence = replay_requests.evidence(one.actor, one.projects, one.at_s)
        columns = dict(zip(behaviour, behavior_matrix(evidence, behaviour).T, strict=True)) if behaviour else {}
        columns |= dict(zip(one.signals, one.values.T, strict=True))
        nothing = np.zeros(one.projects.size)
        values = np.column_stack([columns.get(signal, nothing) for signal in signals]).astype(np.float32)
        weight = np.where(one.relevant, 1.0, one.stands_for).astype(np.float32)
        stage = VIEWER_STAGES.index(replay_requests.stage_of(one.actor, evidence))
        parts.append(
            CandidateLists.single(values, one.relevant, weight, one.actor, stage, one.ranks.astype(np.float32))
        )
        progress("logged pages", (index + 1) / len(logged))
    return concatenate_lists(parts)
