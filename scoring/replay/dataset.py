"""Interaction data of a folder in the import format, as arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from db.imports.importer import find_files, read_batches
from db.models import InteractionType
from scoring import weights
from scoring.errors import InsufficientData
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.signals import Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Interactions of u users and p projects, which are dense indexes from 0."""

    name: str
    # (p,) Unix seconds; the first event of a project without a creation time; NaN if neither is known.
    created_s: Floats
    owners: Integers  # (p,) user index, −1 for none
    log: EventLog  # the first interaction of each user and project; at 0 if its time is unknown
    likes: EventLog  # the first like of each user and project
    # (u,) the time from which `weights.ENOUGH_TAGS` interests of a user are known; −inf if that time is unknown, inf
    # for never.
    interests_s: Floats

    @property
    def has_times(self) -> bool:
        """Whether any event has a time."""
        return bool((self.log.at_s > 0).any())


def load_dataset(directory: Path, progress: Callable[[str, float], None] = lambda *_: None) -> Dataset:
    """Read a folder.

    Raises
    ------
    InvalidRecord
        If the folder is missing or holds nothing of the format.
    InsufficientData
        If it holds no projects.
    """
    records: dict[str, list[Any]] = {kind: [] for kind in ("users", "projects", "interactions")}
    for kind, path in find_files(directory).items():
        if kind in records:
            for batch in read_batches(path, kind):
                records[kind] += batch.records
            progress(kind, 1.0)
    if not records["projects"]:
        raise InsufficientData(
            f"{directory} holds no projects; an evaluation needs projects.jsonl and interactions.jsonl"
        )
    return _dataset(directory.name, records["users"], records["projects"], records["interactions"])


def _dataset(name: str, users: list[Any], projects: list[Any], interactions: list[Any]) -> Dataset:
    user_at = {record.key: index for index, record in enumerate(users)}
    project_at = {record.key: index for index, record in enumerate(projects)}
    known = [event for event in interactions if event.user in user_at and event.project in project_at]
    pairs = np.array([(user_at[e.user], project_at[e.project]) for e in known], dtype=np.int64).reshape(-1, 2)
    times = np.array([e.at.timestamp() if e.at else 0.0 for e in known])
    liked = np.array([event.type is InteractionType.LIKE for event in known], dtype=bool)
    return Dataset(
        name=name,
        created_s=_created(projects, pairs, times),
        owners=np.array([user_at.get(record.owner or "", -1) for record in projects], dtype=np.int64),
        log=EventLog.from_events(pairs[:, 0], pairs[:, 1], times, len(users), len(projects)),
        likes=EventLog.from_events(pairs[liked, 0], pairs[liked, 1], times[liked], len(users), len(projects)),
        interests_s=np.array([-np.inf if len(user.tags) >= weights.ENOUGH_TAGS else np.inf for user in users]),
    )


def _created(projects: list[Any], pairs: Integers, times: Floats) -> Floats:
    first = np.full(len(projects), np.inf)
    np.minimum.at(first, pairs[:, 1], np.where(times > 0, times, np.inf))
    created = np.array([p.created_at.timestamp() if p.created_at else np.nan for p in projects])
    return np.where(np.isnan(created), np.where(np.isfinite(first), first, np.nan), created)
