"""The log of what was served, read from the truth for training."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np

from db.database.engine import Database
from db.interactions import served_pages
from scoring.mathematics.curve_fitting import Matrix32
from scoring.mathematics.signals import Floats
from scoring.training.served_candidate_lists import TOUCHED_WITHIN_S, ServedList
from scoring.training.training_data import TrainingData
from scoring.weights import Signal

PAGES_MOST = 20_000
"""Pages read for one training, the latest: 4 KB each."""


async def read_served_lists(database: Database, truth: TrainingData, since: datetime) -> list[ServedList]:
    """Read the rankings of which a client reported what was seen, and after which something was touched."""
    pages = await served_pages.personal_pages(database, since, PAGES_MOST)
    seen: dict[tuple[str, int], set[int]] = {}
    for one in await served_pages.impressions(database, since):
        seen.setdefault((one.snapshot_id, one.actor_id), set()).add(one.project_id)
    engaging_interactions = _Acts(await served_pages.engaging_interactions(database, since))
    rankings: dict[tuple[str, int], list[served_pages.LoggedPage]] = {}
    for page in reversed(pages):
        rankings.setdefault((page.snapshot_id, page.actor_id), []).append(page)
    lists = (
        _list(truth, pages_of, seen[key], engaging_interactions) for key, pages_of in rankings.items() if key in seen
    )
    return [one for one in lists if one is not None]


class _Acts:
    """What each actor touched, in the order of time."""

    def __init__(self, rows: Iterable[served_pages.EngagingInteraction]) -> None:
        self._by_actor: dict[int, list[tuple[float, int]]] = {}
        for row in rows:
            self._by_actor.setdefault(row.actor_id, []).append((row.at.timestamp(), row.project_id))

    def of(self, actor_id: int, since_s: float) -> set[int]:
        """Give the ids of the projects that an actor touched soon after a moment."""
        until_s = since_s + TOUCHED_WITHIN_S
        return {id_ for at_s, id_ in self._by_actor.get(actor_id, ()) if since_s <= at_s < until_s}


def _list(
    truth: TrainingData, pages: Sequence[served_pages.LoggedPage], seen: set[int], engaging_interactions: _Acts
) -> ServedList | None:
    """Join the pages of one ranking: what was seen at its rank, what was not and the sample without one."""
    first, signals = pages[0], tuple(pages[0].signals)
    known = set(Signal)
    if not known.issuperset(signals):
        return None  # ranked by a version that had other signals
    rows: dict[int, tuple[float, float, Floats]] = {}
    for page in pages:
        for id_, value in zip(page.sampled, _matrix(page.sampled_values, len(signals)), strict=False):
            rows.setdefault(id_, (0.0, 1.0 / page.sampled_share, value))
    for page in pages:
        shown = _matrix(page.values, len(signals))  # shorter than the page where it ends in projects without a score
        for rank, (id_, value) in enumerate(zip(page.projects, shown, strict=False), page.first_rank):
            rows[id_] = (float(rank) if id_ in seen else 0.0, 1.0, value)
    ids = np.array(list(rows), dtype=np.int64)
    ids = ids[truth.projects(ids) >= 0]
    engaged = engaging_interactions.of(first.actor_id, first.at.timestamp())
    relevant = np.isin(ids, list(engaged))
    actor = truth.actor(first.actor_id)
    if actor is None or not relevant.any() or relevant.all():
        return None
    ranks, stands_for, values = zip(*(rows[id_] for id_ in ids.tolist()), strict=True)
    return ServedList(
        actor=actor,
        at_s=first.at.timestamp(),
        projects=truth.projects(ids),
        ranks=np.array(ranks),
        stands_for=np.array(stands_for),
        relevant=relevant,
        signals=tuple(Signal(name) for name in signals),
        values=np.array(values, dtype=np.float32),
    )


def _matrix(packed: bytes, columns: int) -> Matrix32:
    return np.frombuffer(packed, dtype="<f4").reshape(-1, columns)
