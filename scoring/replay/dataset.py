"""Interaction data of a folder in the import format, as arrays."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.custom_types import NO_CUSTOM_TYPES, CustomTypes
from db.embeddings.base import Embedder
from db.imports.importer import find_files, read_batches
from db.models import InteractionType, TermKind
from db.records import ProjectRecord, UserRecord
from db.synchronization.embedding_texts import project_text
from scoring import tunables
from scoring.errors import InsufficientData
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.diversity import DiversityAttributes
from scoring.mathematics.log_contents import CatalogContents, Interests
from scoring.mathematics.signals import Floats, Incidence, Integers
from scoring.profiles.viewer_profile import MATCH_VALUES


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
    refused_lines: int = 0  # lines of the files that are no valid records; the first of them is `first_refusal`
    first_refusal: str = ""
    visits: EventLog | None = None  # all interactions with a known time; None: the first ones in `log`
    diversity: DiversityAttributes | None = None  # of all projects; only evaluations need it
    contents: CatalogContents | None = None  # None if texts and terms are unknown
    texts: tuple[str, ...] = ()  # of the projects, not embedded yet

    async def with_vectors(self, embedder: Embedder) -> "Dataset":
        """Return the data set with the vectors of its texts."""
        if self.contents is None or not self.texts:
            return self
        vectors = await embedder.embed(self.texts)
        return replace(self, contents=replace(self.contents, vectors=vectors), texts=())

    def known_times(self, protocol: str) -> Floats:
        """Return the known times of the log's events, ascending. Raises `InsufficientData` if there are none."""
        times = self.log.at_s[self.log.at_s > 0]
        if not times.size:
            raise InsufficientData(f"{self.name} has no times; the protocol {protocol} needs them, `random` does not")
        return times


def load_dataset(
    directory: Path,
    progress: Callable[[str, float], None] = lambda *_: None,
    custom_types: CustomTypes = NO_CUSTOM_TYPES,
) -> Dataset:
    """Read a folder of files in the import format.

    Impressions, dismissals and a platform's neutral or negative interactions are left out. Raises `InvalidRecord` if
    the folder is missing or holds no file of the import format, and `InsufficientData` if it lacks one of the files of
    users, projects and interactions, or holds no project or no engagement.
    """
    (users, projects, interactions), refused = _read_records(directory, progress, custom_types)
    user_index = {record.key: index for index, record in enumerate(users)}
    project_index = {record.key: index for index, record in enumerate(projects)}
    known = [event for event in interactions if event.user in user_index and event.project in project_index]
    events = [event for event in known if custom_types.engages(event.type, event.value)]
    if not events:
        raise InsufficientData(
            f"{directory} holds no engagement of its users with its projects (of {len(interactions):,} interactions, "
            f"{len(interactions) - len(known):,} name unknown users or projects, and {len(known):,} are impressions, "
            "dismissals or negative); an evaluation needs views, clicks, likes, saves, comments or follows"
        )
    pairs = np.array([(user_index[e.user], project_index[e.project]) for e in events], dtype=np.int64).reshape(-1, 2)
    times = np.array([e.at.timestamp() if e.at else 0.0 for e in events])
    owners = np.array([user_index.get(record.owner or "", -1) for record in projects], dtype=np.int64)
    is_like = np.array([event.type == InteractionType.LIKE for event in events], dtype=bool)

    def log(chosen: NDArray[np.bool_], *, first_only: bool = True) -> EventLog:
        actors, engaged = pairs[chosen].T
        return EventLog.from_events(actors, engaged, times[chosen], len(users), len(projects), first_only=first_only)

    return Dataset(
        name=directory.name,
        created_s=_created_s(projects, pairs, times),
        owners=owners,
        log=log(np.ones(times.size, dtype=bool)),
        likes=log(is_like),
        visits=log(times > 0, first_only=False),
        interests_s=np.array(
            [-np.inf if len(user.interests) >= tunables.SUFFICIENT_INTERESTS else np.inf for user in users]
        ),
        refused_lines=len(refused),
        first_refusal=refused[0] if refused else "",
        diversity=_diversity_attributes(projects, owners),
        contents=_contents(projects, users),
        texts=tuple(
            project_text(
                record.title,
                record.description,
                topics=record.topics,
                tools=record.tools,
                categories=record.categories,
            )
            for record in projects
        ),
    )


def _read_records(
    directory: Path, progress: Callable[[str, float], None], custom_types: CustomTypes
) -> tuple[list[list[Any]], list[str]]:
    """Read the users, projects and interactions of a folder, and the errors of its refused lines."""
    records: dict[str, list[Any]] = {kind: [] for kind in ("users", "projects", "interactions")}
    files = find_files(directory)
    if missing := [f"{kind}.jsonl" for kind in records if kind not in files]:
        raise InsufficientData(
            f"{directory} lacks {' and '.join(missing)}; an evaluation needs them, also as .jsonl.gz"
        )
    refused: list[str] = []
    for kind in records:
        for batch in read_batches(files[kind], kind, custom_types):
            batch_records: list[Any] = batch.records
            records[kind] += map(_without_embedding, batch_records) if kind == "projects" else batch_records
            refused += map(str, batch.refused_lines)
            progress(kind, min(batch.position / files[kind].stat().st_size, 1.0))
        progress(kind, 1.0)
    if not records["projects"]:
        raise InsufficientData(f"{directory} holds no projects; an evaluation needs projects and interactions")
    return list(records.values()), refused


def _without_embedding(record: ProjectRecord) -> ProjectRecord:
    """Return a project without its embedding: all of them would take gigabytes, and a replay does not read them."""
    return record if record.embedding is None else record.model_copy(update={"embedding": None})


def _contents(projects: list[ProjectRecord], users: list[UserRecord]) -> CatalogContents:
    """Return the terms of the projects and the interests of the users; vectors are computed separately."""
    ids: dict[tuple[TermKind, str], int] = {}
    pairs = []
    for row, record in enumerate(projects):
        for kind, names in (
            (TermKind.TOOL, record.tools),
            (TermKind.CATEGORY, record.categories),
            (TermKind.TOPIC, record.topics),
        ):
            pairs += [(row, ids.setdefault((kind, name), len(ids))) for name in dict.fromkeys(names)]
    rows, terms = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    held = [
        (actor, ids[one.kind, one.name], one.confidence * MATCH_VALUES[one.kind])
        for actor, user in enumerate(users)
        for one in user.interests
        if (one.kind, one.name) in ids
    ]
    actors, interests, values = np.array(held, dtype=np.float64).reshape(-1, 3).T
    return replace(
        CatalogContents.unknown(len(projects)),
        terms=Incidence(len(projects), rows, terms),
        interests=Interests(actors.astype(np.int64), interests.astype(np.int64), values, np.full(actors.size, -np.inf)),
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
