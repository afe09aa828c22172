"""Candidate lists from the log of served pages: shown projects with ranks, a sample of the others, and choices.

A viewer chooses among what is seen, and the first places are seen most. A model fitted to choices as if everything had
been seen alike learns the order of the feed that it serves. So the place is fitted beside the signals, as one more
curve that is left out when the model serves: the listwise softmax with an additive place is the position-based model
(Richardson et al., 2007; Ai et al., 2018, fit both together), in which the probability of a choice is that of a look
times the project's utility. "Not shown" is one more place, so that projects found in other ways count too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from db.database.engine import Database
from db.interactions import served_pages
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, behavior_matrix
from scoring.mathematics.curve_fitting import CandidateLists, Matrix32, concatenate_lists
from scoring.mathematics.signals import Floats, Integers
from scoring.replay.dataset import Dataset
from scoring.replay.replayed_requests import VIEWER_STAGES, Progress, Replay
from scoring.training.training_data import TrainingData
from scoring.weights import Signal

MAX_PAGES = 20_000
"""Pages read for one training, the latest: 4 KB each."""
CHOSEN_WITHIN_S = 86_400.0
"""An interaction more than a day after the feed was served is not attributed to it."""


@dataclass(frozen=True, slots=True, eq=False)
class ServedList:
    """n projects of one served ranking; viewer and projects are dense indexes."""

    actor: int
    at_s: float
    projects: Integers
    ranks: Floats  # (n,) rank at which each was seen, from 1; 0 if it was not
    stands_for: Floats  # (n,) candidates that it stands for: above 1 for a sample of what was not shown
    # (n,) whether the viewer engaged with it within `CHOSEN_WITHIN_S`, from the feed or elsewhere.
    relevant: NDArray[np.bool_]
    signals: tuple[Signal, ...]  # (k,) and (n, k): the signals that ranked it
    values: Matrix32


async def read_served_lists(database: Database, data: TrainingData, since: datetime) -> list[ServedList]:
    """Read the rankings whose impressions a client reported and which an interaction followed."""
    pages = await served_pages.personal_pages(database, since, MAX_PAGES)
    seen: dict[tuple[str, int], set[int]] = {}
    for one in await served_pages.impressions(database, since):
        seen.setdefault((one.snapshot_id, one.actor_id), set()).add(one.project_id)
    chosen: dict[int, list[tuple[float, int]]] = {}
    for event in await served_pages.engaging_interactions(database, since):
        chosen.setdefault(event.actor_id, []).append((event.at.timestamp(), event.project_id))
    rankings: dict[tuple[str, int], list[served_pages.LoggedPage]] = {}
    for page in reversed(pages):
        rankings.setdefault((page.snapshot_id, page.actor_id), []).append(page)
    lists = (_list(data, of_ranking, seen[key], chosen) for key, of_ranking in rankings.items() if key in seen)
    return [one for one in lists if one is not None]


def _list(
    data: TrainingData,
    pages: Sequence[served_pages.LoggedPage],
    seen: set[int],
    chosen: dict[int, list[tuple[float, int]]],
) -> ServedList | None:
    """Join the pages of one ranking; what was not seen, and the sample, have no rank."""
    first, signals = pages[0], tuple(pages[0].signals)
    actor = data.actor(first.actor_id)
    if actor is None or not set(Signal).issuperset(signals):
        return None  # of a deleted actor, or ranked by a version with other signals
    rows: dict[int, tuple[float, float, Floats]] = {}
    for page in pages:
        for id_, value in zip(page.sampled, _matrix(page.sampled_values, len(signals)), strict=False):
            rows.setdefault(id_, (0.0, 1.0 / page.sampled_share, value))
    for page in pages:
        shown = _matrix(page.values, len(signals))  # shorter than the page where it ends in projects without a score
        for rank, (id_, value) in enumerate(zip(page.projects, shown, strict=False), page.first_rank):
            rows[id_] = (float(rank) if id_ in seen else 0.0, 1.0, value)
    ids = np.array(list(rows), dtype=np.int64)
    ids = ids[data.projects(ids) >= 0]
    at_s = first.at.timestamp()
    answers = [id_ for when, id_ in chosen.get(first.actor_id, ()) if at_s <= when < at_s + CHOSEN_WITHIN_S]
    relevant = np.isin(ids, answers)
    if not relevant.any() or relevant.all():
        return None
    ranks, stands_for, values = zip(*(rows[id_] for id_ in ids.tolist()), strict=True)
    return ServedList(
        actor=actor,
        at_s=at_s,
        projects=data.projects(ids),
        ranks=np.array(ranks),
        stands_for=np.array(stands_for),
        relevant=relevant,
        signals=tuple(Signal(name) for name in signals),
        values=np.array(values, dtype=np.float32),
    )


def _matrix(packed: bytes, columns: int) -> Matrix32:
    return np.frombuffer(packed, dtype="<f4").reshape(-1, columns)


def served_candidate_lists(
    dataset: Dataset, served: Sequence[ServedList], signals: tuple[Signal, ...], floor: int, progress: Progress
) -> CandidateLists:
    """Concatenate served rankings, with a column for each of `signals` and the rank of each row.

    A signal has its logged value. One that the model did not use then is computed from what was known strictly before
    that moment if it is a behavior signal, and is 0 if not.
    """
    replay = Replay(dataset, floor)
    behavior = tuple(signal for signal in signals if signal in BEHAVIOR_SIGNALS)
    parts = []
    for index, one in enumerate(sorted(served, key=lambda one: one.at_s)):
        evidence = replay.evidence(one.actor, one.projects, one.at_s)
        columns = dict(zip(behavior, behavior_matrix(evidence, behavior).T, strict=True)) if behavior else {}
        columns |= dict(zip(one.signals, one.values.T, strict=True))
        nothing = np.zeros(one.projects.size)
        values = np.column_stack([columns.get(signal, nothing) for signal in signals]).astype(np.float32)
        weight = np.where(one.relevant, 1.0, one.stands_for).astype(np.float32)
        stage = VIEWER_STAGES.index(replay.stage_of(one.actor, evidence))
        ranks = one.ranks.astype(np.float32)
        parts.append(CandidateLists.single(values, one.relevant, weight, one.actor, stage, ranks))
        progress("served pages", (index + 1) / len(served))
    return concatenate_lists(parts)
