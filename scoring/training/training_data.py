"""Training data read from the database: projects, first interactions, likes and interests as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog
from sqlalchemy import func, select

from db.database.engine import Database
from db.errors import StoreUnavailable
from db.models import Actor, ActorInterest, Like, OnboardingResponse, Project, ProjectTerm, Term, TermKind
from db.trained_models.collaborative_data import EngagementRows, read_engagement, read_visits
from db.vectors.base import VectorStore
from scoring import tunables
from scoring.errors import InsufficientData
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.log_contents import CatalogContents, Interests
from scoring.mathematics.signals import Floats, Incidence, Integers
from scoring.profiles.viewer_profile import MATCH_VALUES
from scoring.replay.dataset import Dataset

log = structlog.get_logger(__name__)

_PROJECTS = (
    select(Project.id, Project.created_at, Actor.id.label("owner"))
    .outerjoin(Actor, Actor.user_id == Project.owner_id)
    .order_by(Project.id)
)
_LIKES = select(Like.actor_id, Like.project_id, Like.created_at)
_TERMS = select(ProjectTerm.project_id, ProjectTerm.term_id)
_TAGS = select(
    ActorInterest.actor_id, ActorInterest.created_at, ActorInterest.term_id, ActorInterest.confidence, Term.kind
).join(Term, Term.id == ActorInterest.term_id)
_ANSWERS = select(OnboardingResponse.actor_id, func.min(OnboardingResponse.created_at).label("first")).group_by(
    OnboardingResponse.actor_id
)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """An installation's log as a data set, and the ids of its dense indexes."""

    dataset: Dataset
    actor_ids: Integers  # (u,) ascending
    project_ids: Integers  # (p,) ascending

    def actor(self, id_: int) -> int | None:
        """Return the dense index of an actor, or None for an actor without interactions."""
        index = int(np.searchsorted(self.actor_ids, id_))
        return index if index < self.actor_ids.size and self.actor_ids[index] == id_ else None

    def projects(self, ids: Integers) -> Integers:
        """Return the dense indexes of projects, −1 for deleted projects."""
        indexes = np.minimum(np.searchsorted(self.project_ids, ids), self.project_ids.size - 1)
        return np.where(self.project_ids[indexes] == ids, indexes, -1)


VECTOR_BATCH = 5_000
"""Number of vectors read from the vector store at a time."""


async def read_training_data(database: Database, vectors: VectorStore | None = None) -> TrainingData:
    """Read projects with terms, first interactions, likes and interests; with a vector store, also vectors.

    Raises `InsufficientData` if there is no interaction.
    """
    projects = await database.fetch(_PROJECTS)
    first, visits = await read_engagement(database), await read_visits(database)
    if not first.actors.size or not projects:
        raise InsufficientData("there is no interaction with any project yet, so there is nothing to train on")
    project_ids = np.array([row.id for row in projects], dtype=np.int64)
    # Not of projects that were added meanwhile:
    first, visits = _of_projects(first, project_ids), _of_projects(visits, project_ids)
    known = set(project_ids.tolist())
    likes = [row for row in await database.fetch(_LIKES) if row.project_id in known]
    owners = np.array([row.owner or 0 for row in projects], dtype=np.int64)
    likers = [row.actor_id for row in likes]
    actor_ids = np.unique(np.concatenate([first.actors, visits.actors, owners[owners > 0], likers]).astype(np.int64))
    has_time = first.at_s > 0

    def event_log(actors: Any, projects: Any, times_s: Any, **options: Any) -> EventLog:
        a, p = np.searchsorted(actor_ids, actors), np.searchsorted(project_ids, projects)
        return EventLog.from_events(a, p, np.array(times_s, np.float64), actor_ids.size, project_ids.size, **options)

    tags = await database.fetch(_TAGS)
    contents = await _contents(database, vectors, project_ids)
    dataset = Dataset(
        name="this installation",
        created_s=np.array([row.created_at.timestamp() for row in projects]),
        owners=np.where(owners > 0, np.searchsorted(actor_ids, owners), -1),
        log=event_log(*(column[has_time] for column in first[:3]), weights=first.weights[has_time]),
        visits=event_log(*visits[:3], first_only=False),
        likes=event_log(
            likers,
            [row.project_id for row in likes],
            [row.created_at.timestamp() for row in likes],
        ),
        interests_s=_interests_s(actor_ids, tags, await database.fetch(_ANSWERS)),
        contents=replace(contents, interests=_interests(actor_ids, tags)),
    )
    return TrainingData(dataset, actor_ids, project_ids)


def _of_projects(rows: EngagementRows, project_ids: Integers) -> EngagementRows:
    is_known = np.isin(rows.projects, project_ids)
    actors, projects, at_s, weights = rows
    return EngagementRows(actors[is_known], projects[is_known], at_s[is_known], weights[is_known])


async def _contents(database: Database, vectors: VectorStore | None, project_ids: Integers) -> CatalogContents:
    """Read the terms of all projects, and the vectors of those in the index."""
    rows = await database.fetch(_TERMS)
    pairs = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 2)
    pairs = pairs[np.isin(pairs[:, 0], project_ids)]  # not of projects that were added meanwhile
    terms = Incidence(project_ids.size, np.searchsorted(project_ids, pairs[:, 0]), pairs[:, 1])
    contents = replace(CatalogContents.unknown(project_ids.size), terms=terms)
    if vectors is None:
        return contents
    try:
        parts = [
            await vectors.project_vectors(project_ids[start : start + VECTOR_BATCH])
            for start in range(0, project_ids.size, VECTOR_BATCH)
        ]
    except StoreUnavailable as error:
        log.warning("similarities of texts are not fitted", reason=error.reason)
        return contents
    known_ids, known = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    all_vectors = np.zeros((project_ids.size, known.shape[1]), np.float32)
    all_vectors[np.searchsorted(project_ids, known_ids)] = known
    return replace(contents, vectors=all_vectors)


def _interests(actor_ids: Integers, tags: Sequence[Any]) -> Interests:
    """Return the interests of the actors with interactions."""
    rows = np.array([row.actor_id for row in tags], dtype=np.int64)
    known = np.flatnonzero(np.isin(rows, actor_ids))
    values = [row.confidence * MATCH_VALUES[TermKind(row.kind)] for row in tags]
    return Interests.ordered(
        np.searchsorted(actor_ids, rows[known]),
        np.array([row.term_id for row in tags], dtype=np.int64)[known],
        np.array(values, dtype=np.float64)[known],
        np.array([row.created_at.timestamp() for row in tags], dtype=np.float64)[known],
    )


def _interests_s(actor_ids: Integers, interests: Sequence[Any], answers: Sequence[Any]) -> Floats:
    """Return the times from which actors are onboarded.

    It is the time of the first answer or, if earlier, of the last of sufficient interests.
    """
    earliest_s = np.full(actor_ids.size, np.inf)
    times: dict[int, list[float]] = {}
    for interest in interests:
        times.setdefault(interest.actor_id, []).append(interest.created_at.timestamp())
    count = tunables.SUFFICIENT_INTERESTS
    sufficient_s = {actor: sorted(times_s)[count - 1] for actor, times_s in times.items() if len(times_s) >= count}
    for actor, at_s in (*sufficient_s.items(), *((answer.actor_id, answer.first.timestamp()) for answer in answers)):
        row = int(np.searchsorted(actor_ids, actor))
        if row < actor_ids.size and actor_ids[row] == actor:
            earliest_s[row] = min(earliest_s[row], at_s)
    return earliest_s
