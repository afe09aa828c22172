"""Interaction data of a folder in the import format, as arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from db.imports.importer import find_files, read_batches
from db.models import InteractionType
from scoring import tunables
from scoring.errors import InsufficientData
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.diversity import DiversityAttributes
from scoring.mathematics.signals import Floats, Incidence, Integers


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Interactions of u users with p projects; both are dense indexes from 0."""

    name: str
    # (p,) Unix seconds of creation; without a creation time, of the first event; NaN without either.
    created_s: Floats
    owners: Integers  # (p,) user index, −1 for none
    log: EventLog  # the first interaction of each user with each project; the time is 0 if unknown
    likes: EventLog  # the first like of each project by each user
    # (u,) Unix seconds from which each user has `tunables.SUFFICIENT_INTERESTS` interests: −inf if the time is unknown,
    # inf for users with fewer interests.
    interests_s: Floats
    diversity: DiversityAttributes | None = None  # of all projects; only evaluations need it

    def known_times(self, protocol: str) -> Floats:
        """Return the known times of the log's events, ascending. Raises `InsufficientData` if there are none."""
        times = self.log.at_s[self.log.at_s > 0]
        if not times.size:
            raise InsufficientData(f"{self.name} has no times; the protocol {protocol} needs them, `random` does not")
        return times


def load_dataset(directory: Path, progress: Callable[[str, float], None] = lambda *_: None) -> Dataset:
    """Read a folder of files in the import format.

    Raises `InvalidRecord` if the folder is missing or holds no file of the import format, and `InsufficientData` if it
    holds no projects.
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
    users, projects, interactions = records.values()
    user_index = {record.key: index for index, record in enumerate(users)}
    project_index = {record.key: index for index, record in enumerate(projects)}
    events = [event for event in interactions if event.user in user_index and event.project in project_index]
    pairs = np.array([(user_index[e.user], project_index[e.project]) for e in events], dtype=np.int64).reshape(-1, 2)
    times = np.array([e.at.timestamp() if e.at else 0.0 for e in events])
    owners = np.array([user_index.get(record.owner or "", -1) for record in projects], dtype=np.int64)
    is_like = np.array([event.type is InteractionType.LIKE for event in events], dtype=bool)
    return Dataset(
        name=directory.name,
        created_s=_created_s(projects, pairs, times),
        owners=owners,
        log=EventLog.from_events(pairs[:, 0], pairs[:, 1], times, len(users), len(projects)),
        likes=EventLog.from_events(pairs[is_like, 0], pairs[is_like, 1], times[is_like], len(users), len(projects)),
        interests_s=np.array(
            [-np.inf if len(user.interests) >= tunables.SUFFICIENT_INTERESTS else np.inf for user in users]
        ),
        diversity=_diversity_attributes(projects, owners),
    )


def _diversity_attributes(projects: list[Any], owners: Integers) -> DiversityAttributes:
    def incidence(terms: list[tuple[str, ...]]) -> Incidence:
        numbers = {term: number for number, term in enumerate({term for part in terms for term in part})}
        pairs = [(row, numbers[term]) for row, part in enumerate(terms) for term in set(part)]
        return Incidence(len(terms), *np.array(pairs, dtype=np.int64).reshape(-1, 2).T)

    categories, tools = ([getattr(project, name) for project in projects] for name in ("categories", "tools"))
    return DiversityAttributes(owners, incidence(categories), incidence(tools))


def _created_s(projects: list[Any], pairs: Integers, times: Floats) -> Floats:
    first_event_s = np.full(len(projects), np.inf)
    np.minimum.at(first_event_s, pairs[:, 1], np.where(times > 0, times, np.inf))
    created_s = np.array([p.created_at.timestamp() if p.created_at else np.nan for p in projects])
    return np.where(np.isnan(created_s), np.where(np.isfinite(first_event_s), first_event_s, np.nan), created_s)
