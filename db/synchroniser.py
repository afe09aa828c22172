"""Keeps the vector index in step with the truth: what the outbox names is read, embedded and written, or removed."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Generic, TypeVar

import numpy as np
from sqlalchemy import Integer, Row, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from db import outbox
from db.columns import Identity, IntegerList, TextList, UtcDateTime, among
from db.embeddings.base import Embedder, Vectors
from db.engine import Database
from db.errors import InvalidRecord, StoreUnavailable
from db.models import (
    Actor,
    Engagement,
    EngagementKind,
    OutboxKind,
    Project,
    ProjectTerm,
    Term,
    TermKind,
    Tool,
    User,
    UserTag,
    now,
)
from db.outbox import Lease
from db.texts import ProfileText, ProjectText, ToolText, profile_text, project_text, tool_text
from db.vectors.base import ProfileObject, ProjectObject, ToolObject, Vector, VectorStore

T = TypeVar("T", ProjectObject, ProfileObject, ToolObject)
K = TypeVar("K", str, int)
Upsert = Callable[[Sequence[T]], Awaitable[None]]

log = logging.getLogger(__name__)

BATCH = 100
"""The plan's batch. One embedded batch takes some 25 ms, so a stop never waits long."""

LEASE_S = 60.0
"""A batch that takes longer than this may be done twice, which changes nothing."""

POLL_S = 0.5
LONGEST_PAUSE_S = 30.0
RECENT = timedelta(days=30)

_NO_VECTOR: Vector = np.empty(0, np.float32)

_KEYS = bindparam("keys", type_=TextList())
_ACTORS = bindparam("actors", type_=IntegerList())

_PROJECTS = (
    select(
        Project.id,
        Project.key,
        Project.title,
        Project.description,
        Project.type,
        Project.source,
        Project.created_at,
        Project.owner_id,
        User.username,
    )
    .join(User, User.id == Project.owner_id, isouter=True)
    .where(among(Project.key, _KEYS), ~Project.private, ~Project.archived)
)
_PROJECT_TERMS = (
    select(ProjectTerm.project_id, Term.id, Term.kind, Term.name)
    .join(Term, Term.id == ProjectTerm.term_id)
    .join(Project, Project.id == ProjectTerm.project_id)
    .where(among(Project.key, _KEYS))
    .order_by(Term.name, Term.id)
)
_PUBLIC_KEYS = select(Project.key).where(among(Project.key, _KEYS), ~Project.private, ~Project.archived)

_TOOLS = (
    select(Term.id, Term.key, Term.name, Term.description, Tool.tagline, Tool.category, Tool.tags, Tool.use_cases)
    .join(Tool, Tool.term_id == Term.id, isouter=True)
    .where(Term.kind == TermKind.TOOL.value, among(Term.key, _KEYS))
)

_ACTOR_ROWS = (
    select(Actor.id, User.bio, User.tier, User.points)
    .join(User, User.id == Actor.user_id, isouter=True)
    .where(among(Actor.id, _ACTORS), Actor.merged_into.is_(None))
)
_ACTOR_TAGS = (
    select(UserTag.actor_id, Term.kind, Term.name, UserTag.confidence)
    .join(Term, Term.id == UserTag.term_id)
    .where(among(UserTag.actor_id, _ACTORS))
    .order_by(UserTag.confidence.desc(), Term.name, Term.id)
)
# SQLite has no bit_or: each kind is looked at by itself.
_ACTOR_ACTIVITY = (
    select(
        Engagement.actor_id,
        *(func.max(Engagement.kinds.bitwise_and(kind.value)).label(str(kind.name)) for kind in EngagementKind),
    )
    .where(among(Engagement.actor_id, _ACTORS), Engagement.last_at >= bindparam("since", type_=UtcDateTime()))
    .group_by(Engagement.actor_id)
)

_AFTER = bindparam("after", type_=Identity)
_LIMIT = bindparam("limit", type_=Integer())
_WALKS = {
    OutboxKind.PROJECT: select(Project.id, Project.key).where(Project.id > _AFTER).order_by(Project.id).limit(_LIMIT),
    OutboxKind.TOOL: (
        select(Term.id, Term.key)
        .where(Term.kind == TermKind.TOOL.value, Term.id > _AFTER)
        .order_by(Term.id)
        .limit(_LIMIT)
    ),
    OutboxKind.PROFILE: select(Actor.id, Actor.id).where(Actor.id > _AFTER).order_by(Actor.id).limit(_LIMIT),
}


@dataclass(frozen=True, slots=True)
class Work(Generic[K, T]):
    """What one collection needs: objects without their vectors yet, the text of each, and the keys to remove."""

    objects: dict[K, T]
    texts: dict[K, str]
    remove: list[K]


class Synchroniser:
    """Keeps the vector index in step with the truth. Several may run at once, in several processes.

    Only public projects are in the index. What became private, archived or deleted while a batch was being written is
    removed before the batch is settled; what changes after that look has moved its outbox row, which then stays.

    Parameters
    ----------
    database
        The truth, and the outbox in it.
    vectors
        The index.
    embedder
        Whose space the index is in.
    """

    def __init__(self, database: Database, vectors: VectorStore, embedder: Embedder) -> None:
        self._database = database
        self._vectors = vectors
        self._embedder = embedder
        self._woken = asyncio.Event()
        self._is_prepared = False

    def wake(self) -> None:
        """Look at the outbox now, and not at the next poll."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Drain until told to stop; an absent store is asked again after a pause that doubles up to 30 s."""
        pause = POLL_S
        while not stop.is_set():
            self._woken.clear()
            try:
                done = await self.drain()
            except (StoreUnavailable, SQLAlchemyError, OSError) as error:
                log.warning("the index cannot be brought up to date, trying again in %.1f s: %s", pause, error)
                await _any_of((stop,), pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                pause = POLL_S
                if not done:
                    await _any_of((stop, self._woken), POLL_S)

    async def drain(self, limit: int = BATCH) -> int:
        """Take up to `limit` outbox rows and bring their shadows up to date.

        Returns
        -------
        Rows taken; 0 when the outbox has nothing to do.

        Raises
        ------
        StoreUnavailable
            If the index or the embedder is away; the rows have been given back and count no try.
        """
        leases = await outbox.take(self._database, limit, LEASE_S)
        if not leases:
            return 0
        try:
            refused = await self._bring_up_to_date(leases)
        except StoreUnavailable:
            self._is_prepared = False
            await outbox.release(self._database, leases)
            raise
        await outbox.settle(self._database, [lease for lease in leases if lease not in refused])
        for lease, reason in refused.items():
            log.error("the index refuses %s %s: %s", lease.kind.value, lease.key, reason)
            await outbox.refuse(self._database, [lease], reason)
        return len(leases)

    async def rebuild(self, progress: Callable[[OutboxKind, int], None]) -> None:
        """Write everything anew, through the outbox: whoever else drains it helps, and nobody's newer word is lost.

        Parameters
        ----------
        progress
            Called with a collection and how many of it have gone through since the last call.
        """
        for kind, walk in _WALKS.items():
            after = 0
            while rows := await self._database.fetch(walk, {"after": after, "limit": BATCH}):
                async with self._database.write() as connection:
                    await outbox.enqueue(connection, kind, [str(row[1]) for row in rows])
                while await self.drain():
                    pass
                after = rows[-1][0]
                progress(kind, len(rows))

    async def _bring_up_to_date(self, leases: Sequence[Lease]) -> dict[Lease, str]:
        """Write or remove what the rows name; give those that the index refuses, and why."""
        if not self._is_prepared:
            await self._vectors.prepare(self._embedder.model, self._embedder.dimension)
            self._is_prepared = True
        by_kind: dict[OutboxKind, dict[str, Lease]] = {kind: {} for kind in OutboxKind}
        for lease in leases:
            by_kind[lease.kind][lease.key] = lease
        projects = await self._read_projects(list(by_kind[OutboxKind.PROJECT]))
        profiles = await self._read_profiles(list(by_kind[OutboxKind.PROFILE]))
        tools = await self._read_tools(list(by_kind[OutboxKind.TOOL]))

        works = (projects, profiles, tools)
        vectors = await self._embed([text for work in works for text in work.texts.values()])
        of_projects, of_profiles, of_tools = np.split(vectors, np.cumsum([len(work.texts) for work in works])[:-1])
        refused = {
            OutboxKind.PROJECT: await _write(projects, of_projects, self._vectors.upsert_projects),
            OutboxKind.PROFILE: await _write(profiles, of_profiles, self._vectors.upsert_profiles),
            OutboxKind.TOOL: await _write(tools, of_tools, self._vectors.upsert_tools),
        }
        await _remove(projects.remove, self._vectors.remove_projects)
        await _remove(profiles.remove, self._vectors.remove_profiles)
        await _remove(tools.remove, self._vectors.remove_tools)
        await self._remove_what_went_private(list(projects.objects))
        return {by_kind[kind][key]: reason for kind, reasons in refused.items() for key, reason in reasons.items()}

    async def _embed(self, texts: list[str]) -> Vectors:
        return await self._embedder.embed(texts) if texts else np.empty((0, self._embedder.dimension), np.float32)

    async def _read_projects(self, keys: list[str]) -> Work[str, ProjectObject]:
        rows = await self._database.fetch(_PROJECTS, {"keys": keys}) if keys else ()
        terms: dict[int, list[Row[Any]]] = defaultdict(list)
        for term in await self._database.fetch(_PROJECT_TERMS, {"keys": keys}) if keys else ():
            terms[term.project_id].append(term)
        objects = {row.key: _project_object(row, terms[row.id]) for row in rows}
        return Work(
            objects,
            {key: item.combined_text for key, item in objects.items()},
            [key for key in keys if key not in objects],
        )

    async def _remove_what_went_private(self, written: list[str]) -> None:
        if written:
            public = {row.key for row in await self._database.fetch(_PUBLIC_KEYS, {"keys": written})}
            await _remove([key for key in written if key not in public], self._vectors.remove_projects)

    async def _read_profiles(self, keys: list[str]) -> Work[int, ProfileObject]:
        actors = [int(key) for key in keys]
        if not actors:
            return Work({}, {}, [])
        tags: dict[int, list[Row[Any]]] = defaultdict(list)
        for tag in await self._database.fetch(_ACTOR_TAGS, {"actors": actors}):
            tags[tag.actor_id].append(tag)
        since = {"actors": actors, "since": now() - RECENT}
        activity = {row.actor_id: row for row in await self._database.fetch(_ACTOR_ACTIVITY, since)}
        rows = await self._database.fetch(_ACTOR_ROWS, {"actors": actors})
        profiles = (_profile_object(row, tags[row.id], _kinds(activity.get(row.id))) for row in rows)
        # Nothing known is no profile: its vector would be zeros.
        objects = {item.actor_id: item for item in profiles if item.preference_text}
        return Work(
            objects,
            {actor: item.preference_text for actor, item in objects.items()},
            [actor for actor in actors if actor not in objects],
        )

    async def _read_tools(self, keys: list[str]) -> Work[str, ToolObject]:
        rows = await self._database.fetch(_TOOLS, {"keys": keys}) if keys else ()
        objects = {row.key: _tool_object(row) for row in rows}
        texts = {
            key: tool_text(ToolText(tool.name, tool.description, tool.tagline, tool.category, tool.tags))
            for key, tool in objects.items()
        }
        return Work(objects, texts, [key for key in keys if key not in objects])


async def _write(work: Work[K, T], vectors: Vectors, upsert: Upsert[T]) -> dict[str, str]:
    """Write objects with their vectors, all at once; if one is refused, one by one. Give the refused and why."""
    objects = {
        str(key): replace(item, vector=vector)
        for (key, item), vector in zip(work.objects.items(), vectors, strict=True)
    }
    if not objects:
        return {}
    try:
        await upsert(list(objects.values()))
    except InvalidRecord:
        return await _write_singly(objects, upsert)
    return {}


async def _write_singly(objects: dict[str, T], upsert: Upsert[T]) -> dict[str, str]:
    refused: dict[str, str] = {}
    for key, item in objects.items():
        try:
            await upsert([item])
        except InvalidRecord as error:
            refused[key] = error.message
    return refused


async def _remove(keys: Sequence[K], remove: Callable[[Sequence[K]], Awaitable[None]]) -> None:
    if keys:
        await remove(keys)


def _project_object(row: Row[Any], terms: Sequence[Row[Any]]) -> ProjectObject:
    names = {kind: tuple(term.name for term in terms if term.kind == kind) for kind in TermKind}
    text = ProjectText(
        title=row.title,
        description=row.description,
        topics=names[TermKind.TOPIC],
        tools=names[TermKind.TOOL],
        categories=names[TermKind.CATEGORY],
        subreddit=_words(row.source, "subreddit"),
        thread_text=_words(row.source, "selftext"),
    )
    return ProjectObject(
        id=row.id,
        key=row.key,
        title=row.title,
        description=row.description,
        combined_text=project_text(text),
        tool_names=names[TermKind.TOOL],
        category_names=names[TermKind.CATEGORY],
        topics=names[TermKind.TOPIC],
        username=row.username or "",
        type=row.type,
        created_at=row.created_at,
        owner_id=row.owner_id,
        term_ids=tuple(term.id for term in terms),
        vector=_NO_VECTOR,
    )


def _words(source: dict[str, Any], name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) else ""


def _profile_object(row: Row[Any], tags: Sequence[Row[Any]], activity: Sequence[str]) -> ProfileObject:
    tools = [(tag.name, tag.confidence) for tag in tags if tag.kind == TermKind.TOOL]
    interests = [(tag.name, tag.confidence) for tag in tags if tag.kind != TermKind.TOOL]
    tier = row.tier or ""
    return ProfileObject(
        actor_id=row.id,
        preference_text=profile_text(ProfileText(tools, interests, row.bio or "", activity, tier)),
        tool_interests=tuple(name for name, _ in tools),
        category_interests=tuple(name for name, _ in interests),
        activity_summary=", ".join(activity),
        tier=tier,
        total_points=row.points or 0,
        vector=_NO_VECTOR,
    )


def _kinds(activity: Row[Any] | None) -> list[str]:
    if activity is None:
        return []
    return [str(kind.name).lower() for kind in EngagementKind if getattr(activity, str(kind.name))]


def _tool_object(row: Row[Any]) -> ToolObject:
    return ToolObject(
        term_id=row.id,
        key=row.key,
        name=row.name,
        description=row.description,
        tagline=row.tagline or "",
        category=row.category or "",
        tags=tuple(row.tags or ()),
        use_cases=row.use_cases or "",
        vector=_NO_VECTOR,
    )


async def _any_of(events: Sequence[asyncio.Event], timeout_s: float) -> None:
    """Wait until one of the events is set, or for so long."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
