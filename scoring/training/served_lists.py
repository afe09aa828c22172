"""Candidate lists from the log of served pages: shown projects with ranks, a sample of the others, and choices.

Viewers choose among the projects that they see, and they see the first ranks most. A model fitted to the raw choices
would learn to reproduce the order of the feed that logged them. The rank is therefore fitted as one more curve, which
the model does not contain. This is the position-based model (Richardson et al., 2007; Ai et al., 2018): the probability
of a choice is the probability that the viewer looks at the rank times the utility of the project. "Not shown" is one
more rank, for projects that viewers find in other ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from db.database.engine import Database
from db.interactions import served_pages
from db.time_units import DAY_S
from scoring.mathematics.behavior_signals import REPLAYED_SIGNALS, behavior_matrix
from scoring.mathematics.curve_fitting import CandidateLists, Matrix32, concatenate_lists
from scoring.mathematics.signals import Floats, Integers, Signal
from scoring.replay.dataset import Dataset
from scoring.replay.replayed_requests import VIEWER_STAGES, Progress, Replay
from scoring.training.training_data import TrainingData

MAX_PAGES = 20_000
"""Maximum number of pages read for one training, the latest first. A page takes 4 KB."""
CHOSEN_WITHIN_S = DAY_S
"""Maximum time from a served feed to an interaction that is attributed to it."""


@dataclass(frozen=True, slots=True, eq=False)
class ServedList:
    """n projects of one served ranking; actor and projects are dense indexes."""

    actor: int
    at_s: float
    projects: Integers
    ranks: Floats  # (n,) rank from 1 at which the viewer saw each project, 0 for unseen
    weights: Floats  # (n,) number of candidates that each project represents: above 1 for a sample of those not shown
    # (n,) whether the viewer engaged with each project within `CHOSEN_WITHIN_S`, from the feed or elsewhere.
    relevant: NDArray[np.bool_]
    signals: tuple[Signal, ...]  # the k signals of the model that ranked
    values: Matrix32  # (n, k) signal values


async def read_served_lists(database: Database, data: TrainingData, since: datetime) -> list[ServedList]:
    """Read the served rankings with reported impressions and with a later interaction of the viewer."""
    pages = await served_pages.personal_pages(database, since, MAX_PAGES)
    seen: dict[tuple[str, int], set[int]] = {}
    for impression in await served_pages.impressions(database, since):
        seen.setdefault((impression.snapshot_id, impression.actor_id), set()).add(impression.project_id)
    interactions: dict[int, list[tuple[float, int]]] = {}
    for event in await served_pages.engaging_interactions(database, since):
        interactions.setdefault(event.actor_id, []).append((event.at.timestamp(), event.project_id))
    rankings: dict[tuple[str, int], list[served_pages.LoggedPage]] = {}
    for page in reversed(pages):
        rankings.setdefault((page.snapshot_id, page.actor_id), []).append(page)
    lists = (_served_list(data, pages, seen[key], interactions) for key, pages in rankings.items() if key in seen)
    return [served for served in lists if served is not None]


def _served_list(
    data: TrainingData,
    pages: Sequence[served_pages.LoggedPage],
    seen_ids: set[int],
    interactions: dict[int, list[tuple[float, int]]],
) -> ServedList | None:
    """Join the pages of one ranking; None for a list that training cannot use.

    Rank 0 marks a project that was on no page (a sampled candidate) or that the viewer did not see. `seen_ids` are
    project ids, `interactions` the Unix seconds and project ids of each actor's interactions.
    """
    first_page, signals = pages[0], tuple(pages[0].signals)
    actor = data.actor(first_page.actor_id)
    if actor is None or not set(Signal).issuperset(signals):
        return None  # the actor was deleted, or a version with other signals ranked the page
    rows: dict[int, tuple[float, float, Floats]] = {}
    for page in pages:
        for id_, value in zip(page.sampled, _matrix(page.sampled_values, len(signals)), strict=False):
            rows.setdefault(id_, (0.0, 1.0 / page.sampled_share, value))
    for page in pages:
        shown = _matrix(page.values, len(signals))  # unranked projects at the end of a page have no values
        for rank, (id_, value) in enumerate(zip(page.projects, shown, strict=False), page.first_rank):
            rows[id_] = (float(rank) if id_ in seen_ids else 0.0, 1.0, value)
    ids = np.array(list(rows), dtype=np.int64)
    ids = ids[data.projects(ids) >= 0]
    at_s = first_page.at.timestamp()
    choices = [
        id_ for event_s, id_ in interactions.get(first_page.actor_id, ()) if at_s <= event_s < at_s + CHOSEN_WITHIN_S
    ]
    relevant = np.isin(ids, choices)
    if not relevant.any() or relevant.all():
        return None
    ranks, row_weights, values = zip(*(rows[id_] for id_ in ids.tolist()), strict=True)
    return ServedList(
        actor=actor,
        at_s=at_s,
        projects=data.projects(ids),
        ranks=np.array(ranks),
        weights=np.array(row_weights),
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

    Signals that the serving model used have their logged values. Other signals of a log are computed from the events
    strictly before the moment of serving. Other signals are 0.
    """
    replay = Replay(dataset, floor)
    behavior = tuple(signal for signal in signals if signal in REPLAYED_SIGNALS)
    parts = []
    for index, ranking in enumerate(sorted(served, key=lambda ranking: ranking.at_s)):
        evidence = replay.evidence(ranking.actor, ranking.projects, ranking.at_s)
        columns = dict(zip(behavior, behavior_matrix(evidence, behavior).T, strict=True)) if behavior else {}
        columns |= dict(zip(ranking.signals, ranking.values.T, strict=True))
        zeros = np.zeros(ranking.projects.size)
        values = np.column_stack([columns.get(signal, zeros) for signal in signals]).astype(np.float32)
        weight = np.where(ranking.relevant, 1.0, ranking.weights).astype(np.float32)
        stage = VIEWER_STAGES.index(replay.stage_of(ranking.actor, evidence))
        ranks = ranking.ranks.astype(np.float32)
        parts.append(CandidateLists.single(values, ranking.relevant, weight, ranking.actor, stage, ranks))
        progress("served pages", (index + 1) / len(served))
    return concatenate_lists(parts)
