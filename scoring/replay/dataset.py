"""A folder in the import format, as arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.imports.importer import find_files, read_batches
from db.models import InteractionType, TermKind
from scoring import weights
from scoring.errors import InsufficientData
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.signals import Floats, Incidence, Integers


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """What a folder holds; users and projects are dense indexes from 0.

    Attributes
    ----------
    name
        The folder's name.
    users, projects
        Platform keys.
    texts
        Title, description and topics of each project.
    created_s
        (p,) Unix seconds; a project without a time of its own was created at its first event; NaN if that is
        unknown too.
    owners
        (p,) user index, −1 for none.
    terms
        What each project carries, by kind, with the dense id of each term.
    log
        The positives: one for each user and project, at its first time; 0 where nobody knows the time.
    likes
        The first like of each user and project.
    interests_s
        (u,) since when enough of each user's interests are known (`weights.ENOUGH_TAGS`); −inf where nobody knows since
        when, inf for never.
    """

    name: str
    users: NDArray[np.str_]
    projects: NDArray[np.str_]
    texts: tuple[str, ...]
    created_s: Floats
    owners: Integers
    terms: dict[TermKind, Incidence]
    log: EventLog
    likes: EventLog
    interests_s: Floats

    @property
    def has_times(self) -> bool:
        """Whether the events have times."""
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
    files = find_files(directory)
    read: dict[str, list[Any]] = {kind: [] for kind in ("users", "projects", "interactions")}
    for kind, path in files.items():
        if kind in read:
            for batch in read_batches(path, kind):
                read[kind] += batch.records
            progress(kind, 1.0)
    if not read["projects"]:
        raise InsufficientData(
            f"{directory} holds no projects; an evaluation needs projects.jsonl and interactions.jsonl"
        )
    return _dataset(directory.name, read["users"], read["projects"], read["interactions"])


def _dataset(name: str, users: list[Any], projects: list[Any], interactions: list[Any]) -> Dataset:
    user_at = {record.key: index for index, record in enumerate(users)}
    project_at = {record.key: index for index, record in enumerate(projects)}
    kept = [event for event in interactions if event.user in user_at and event.project in project_at]
    pairs = np.array([(user_at[e.user], project_at[e.project]) for e in kept], dtype=np.int64).reshape(-1, 2)
    times = np.array([e.at.timestamp() if e.at else 0.0 for e in kept])
    liked = np.array([event.type is InteractionType.LIKE for event in kept], dtype=bool)
    return Dataset(
        name=name,
        users=np.array([record.key for record in users], dtype=np.str_),
        projects=np.array([record.key for record in projects], dtype=np.str_),
        texts=tuple(" ".join([record.title, record.description, *record.topics]) for record in projects),
        created_s=_created(projects, pairs, times),
        owners=np.array([user_at.get(record.owner or "", -1) for record in projects], dtype=np.int64),
        terms=_terms(projects),
        log=EventLog.of(pairs[:, 0], pairs[:, 1], times, len(users), len(projects)),
        likes=EventLog.of(pairs[liked, 0], pairs[liked, 1], times[liked], len(users), len(projects)),
        interests_s=np.array([-np.inf if len(user.tags) >= weights.ENOUGH_TAGS else np.inf for user in users]),
    )


def _created(projects: list[Any], pairs: Integers, times: Floats) -> Floats:
    first = np.full(len(projects), np.inf)
    np.minimum.at(first, pairs[:, 1], np.where(times > 0, times, np.inf))
    said = np.array([p.created_at.timestamp() if p.created_at else np.nan for p in projects])
    return np.where(np.isnan(said), np.where(np.isfinite(first), first, np.nan), said)


def _terms(projects: list[Any]) -> dict[TermKind, Incidence]:
    fields = {TermKind.TOOL: "tools", TermKind.CATEGORY: "categories", TermKind.TOPIC: "topics"}
    ids: dict[tuple[TermKind, str], int] = {}
    made = {}
    for kind, field in fields.items():
        pairs = [
            (row, ids.setdefault((kind, str(term).lower()), len(ids)))
            for row, project in enumerate(projects)
            for term in dict.fromkeys(getattr(project, field))
        ]
        flat = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        made[kind] = Incidence(len(projects), flat[:, 0], flat[:, 1])
    return made
