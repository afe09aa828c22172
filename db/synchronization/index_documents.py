"""What the shadows should hold: objects of the index as the truth is at the moment of asking, without vectors yet."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Integer, Row, and_, bindparam, func, select

from db.actors.profiles import NO_EXCLUSIONS, ProfileExclusions
from db.catalog.visibility import PUBLIC, PUBLIC_TERM
from db.database.column_types import BigIntId, IntegerList, TextList, UtcDateTime, in_list
from db.database.engine import Database
from db.models import (
    Actor,
    Engagement,
    EngagementKind,
    OnboardingQuestion,
    OnboardingResponse,
    OutboxKind,
    Project,
    ProjectTerm,
    QuestionType,
    Term,
    TermKind,
    Tool,
    User,
    UserTag,
    now,
)
from db.synchronization.embedding_texts import ProfileText, ProjectText, ToolText, profile_text, project_text, tool_text
from db.vectors.base import ProfileDocument, ProjectDocument, ToolDocument, Vector
from db.vectors.text_analysis import ANALYSIS

IndexDocument = ProjectDocument | ProfileDocument | ToolDocument
T = TypeVar("T", ProjectDocument, ProfileDocument, ToolDocument)

RECENT = timedelta(days=30)
"""Acts within this time show in the text of a profile."""

FINGERPRINT_BYTES = 16
"""Two different objects share a fingerprint once in 2^64 pairs of a collection."""

_NO_VECTOR: Vector = np.empty(0, np.float32)
_NOT_IN_FINGERPRINT = frozenset({"vector", "fingerprint"})

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
    .where(in_list(Project.key, _KEYS), PUBLIC)
)
_PROJECT_TERMS = (
    select(ProjectTerm.project_id, Term.id, Term.kind, Term.name)
    .join(Term, Term.id == ProjectTerm.term_id)
    .join(Project, Project.id == ProjectTerm.project_id)
    .where(in_list(Project.key, _KEYS))
    .order_by(Term.name, Term.id)
)
_PUBLIC_KEYS = select(Project.key).where(in_list(Project.key, _KEYS), PUBLIC)

_TOOLS = (
    select(Term.id, Term.key, Term.name, Term.description, Tool.tagline, Tool.category, Tool.tags, Tool.use_cases)
    .join(Tool, Tool.term_id == Term.id, isouter=True)
    .where(Term.kind == TermKind.TOOL.value, in_list(Term.key, _KEYS), PUBLIC_TERM)
)

_ACTOR_ROWS = (
    select(Actor.id, User.bio, User.tier, User.points)
    .join(User, User.id == Actor.user_id, isouter=True)
    .where(in_list(Actor.id, _ACTORS), Actor.merged_into.is_(None))
)
_ACTOR_TAGS = (
    select(UserTag.actor_id, UserTag.term_id, Term.kind, Term.name, UserTag.confidence)
    .join(Term, Term.id == UserTag.term_id)
    .where(in_list(UserTag.actor_id, _ACTORS))
    .order_by(UserTag.confidence.desc(), Term.name, Term.id)
)
_ACTOR_ANSWERS = (
    select(OnboardingResponse.actor_id, OnboardingQuestion.type, OnboardingResponse.words, OnboardingResponse.text)
    .join(OnboardingQuestion, OnboardingQuestion.id == OnboardingResponse.question_id)
    .where(in_list(OnboardingResponse.actor_id, _ACTORS), ~OnboardingResponse.skipped)
    .order_by(OnboardingQuestion.position, OnboardingQuestion.id)
)
# SQLite has no bit_or: each kind is looked at by itself.
_ACTOR_ACTIVITY = (
    select(
        Engagement.actor_id,
        *(func.max(Engagement.kinds.bitwise_and(kind.value)).label(str(kind.name)) for kind in EngagementKind),
    )
    .where(in_list(Engagement.actor_id, _ACTORS), Engagement.last_at >= bindparam("since", type_=UtcDateTime()))
    .where(~in_list(Engagement.project_id, bindparam("without", type_=IntegerList())))
    .group_by(Engagement.actor_id)
)

_AFTER = bindparam("after", type_=BigIntId)
_LIMIT = bindparam("limit", type_=Integer())
_IS_TOOL = and_(Term.kind == TermKind.TOOL.value, PUBLIC_TERM)
_IS_SOMEBODY = Actor.merged_into.is_(None)
_WALKS = {
    OutboxKind.PROJECT: (
        select(Project.id, Project.key).where(PUBLIC, Project.id > _AFTER).order_by(Project.id).limit(_LIMIT)
    ),
    OutboxKind.TOOL: select(Term.id, Term.key).where(_IS_TOOL, Term.id > _AFTER).order_by(Term.id).limit(_LIMIT),
    OutboxKind.PROFILE: (
        select(Actor.id, Actor.id.label("key")).where(_IS_SOMEBODY, Actor.id > _AFTER).order_by(Actor.id).limit(_LIMIT)
    ),
}
_TOTALS = {
    OutboxKind.PROJECT: select(func.count().label("n")).select_from(Project).where(PUBLIC),
    OutboxKind.TOOL: select(func.count().label("n")).select_from(Term).where(_IS_TOOL),
    OutboxKind.PROFILE: select(func.count().label("n")).select_from(Actor).where(_IS_SOMEBODY),
}


@dataclass(frozen=True, slots=True)
class Work:
    """What one collection needs: objects without vectors, the text that each vector is made from, and what must go.

    Everything is known by its key in the outbox: a project's or tool's platform key, an actor's id as text.
    """

    objects: Mapping[str, IndexDocument]
    texts: Mapping[str, str]
    remove: Sequence[str]

    def of(self, keys: set[str]) -> "Work":
        """Give the objects of these keys, and nothing to remove."""
        objects = {key: item for key, item in self.objects.items() if key in keys}
        return Work(objects, {key: self.texts[key] for key in objects}, [])


class IndexDocumentReader:
    """Reads the truth as the index should show it. A fixed number of statements a call, however many keys.

    Parameters
    ----------
    database
        The truth.
    space
        The embedding model and its dimension: part of every fingerprint.
    """

    def __init__(self, database: Database, space: tuple[str, int]) -> None:
        self._database = database
        self._space = space

    async def read(self, kind: OutboxKind, keys: Sequence[str]) -> Work:
        """Give what the index should hold of these keys; those that should not be there are in `Work.remove`."""
        if not keys:
            return Work({}, {}, [])
        if kind is OutboxKind.PROJECT:
            return await self._projects(list(keys))
        if kind is OutboxKind.PROFILE:
            return await self._profiles(list(keys))
        return await self._tools(list(keys))

    async def public(self, keys: Sequence[str]) -> set[str]:
        """Give those of the projects that are public now."""
        return {row.key for row in await self._database.fetch(_PUBLIC_KEYS, {"keys": list(keys)})} if keys else set()

    async def walk(self, kind: OutboxKind, after: int, limit: int) -> list[tuple[int, str]]:
        """Give ids and keys of what the index may hold, by id; an actor of whom nothing is known is among them."""
        rows = await self._database.fetch(_WALKS[kind], {"after": after, "limit": limit})
        return [(row.id, str(row.key)) for row in rows]

    async def total(self, kind: OutboxKind) -> int:
        """Count what `walk` would give."""
        return int((await self._database.fetch(_TOTALS[kind]))[0].n)

    async def _projects(self, keys: list[str]) -> Work:
        rows = await self._database.fetch(_PROJECTS, {"keys": keys})
        terms: dict[int, list[Row[Any]]] = defaultdict(list)
        for term in await self._database.fetch(_PROJECT_TERMS, {"keys": keys}):
            terms[term.project_id].append(term)
        objects = {row.key: _project_object(row, terms[row.id]) for row in rows}
        return self._work(keys, objects, {key: item.combined_text for key, item in objects.items()})

    async def profile_text(self, actor_id: int, without: ProfileExclusions) -> str:
        """Write the text of a profile as it would be without some of its tags and touches; empty if nothing is left."""
        work = await self._profiles([str(actor_id)], without)
        return work.texts.get(str(actor_id), "")

    async def _profiles(self, keys: list[str], without: ProfileExclusions = NO_EXCLUSIONS) -> Work:
        actors = [int(key) for key in keys]
        tags: dict[int, list[Row[Any]]] = defaultdict(list)
        for tag in await self._database.fetch(_ACTOR_TAGS, {"actors": actors}):
            if tag.term_id not in without.terms:
                tags[tag.actor_id].append(tag)
        answers: dict[int, list[Row[Any]]] = defaultdict(list)
        for answer in await self._database.fetch(_ACTOR_ANSWERS, {"actors": actors}):
            answers[answer.actor_id].append(answer)
        since = {"actors": actors, "since": now() - RECENT, "without": sorted(without.projects)}
        activity = {row.actor_id: row for row in await self._database.fetch(_ACTOR_ACTIVITY, since)}
        rows = await self._database.fetch(_ACTOR_ROWS, {"actors": actors})
        profiles = (_profile_object(row, tags[row.id], answers[row.id], _kinds(activity.get(row.id))) for row in rows)
        # Nothing known is no profile: its vector would be zeros.
        objects = {str(item.actor_id): item for item in profiles if item.preference_text}
        return self._work(keys, objects, {key: item.preference_text for key, item in objects.items()})

    async def _tools(self, keys: list[str]) -> Work:
        objects = {row.key: _tool_object(row) for row in await self._database.fetch(_TOOLS, {"keys": keys})}
        texts = {
            key: tool_text(ToolText(tool.name, tool.description, tool.tagline, tool.category, tool.tags))
            for key, tool in objects.items()
        }
        return self._work(keys, objects, texts)

    def _work(self, keys: Sequence[str], objects: Mapping[str, T], texts: Mapping[str, str]) -> Work:
        signed: dict[str, IndexDocument] = {
            key: replace(item, fingerprint=fingerprint(item, texts[key], self._space)) for key, item in objects.items()
        }
        return Work(signed, texts, [key for key in keys if key not in signed])


def fingerprint(item: IndexDocument, text: str, space: tuple[str, int]) -> str:
    """Give the hash of all that an index object is made from: fields, the vector's text, the model, the analysis."""
    values = [getattr(item, field.name) for field in fields(item) if field.name not in _NOT_IN_FINGERPRINT]
    return hashlib.blake2b(repr((ANALYSIS, space, text, values)).encode(), digest_size=FINGERPRINT_BYTES).hexdigest()


def _project_object(row: Row[Any], terms: Sequence[Row[Any]]) -> ProjectDocument:
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
    return ProjectDocument(
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


def _profile_object(
    row: Row[Any], tags: Sequence[Row[Any]], answers: Sequence[Row[Any]], activity: Sequence[str]
) -> ProfileDocument:
    tools = [(tag.name, tag.confidence) for tag in tags if tag.kind == TermKind.TOOL]
    interests = [(tag.name, tag.confidence) for tag in tags if tag.kind != TermKind.TOOL]
    tier = row.tier or ""
    text = ProfileText(
        tools,
        interests,
        row.bio or "",
        activity,
        tier,
        use_cases=_answered(answers, QuestionType.USE_CASE),
        experience=_answered(answers, QuestionType.EXPERIENCE),
        own_words=[answer.text for answer in answers],
    )
    return ProfileDocument(
        actor_id=row.id,
        preference_text=profile_text(text),
        tool_interests=tuple(name for name, _ in tools),
        category_interests=tuple(name for name, _ in interests),
        activity_summary=", ".join(activity),
        tier=tier,
        total_points=row.points or 0,
        vector=_NO_VECTOR,
    )


def _answered(answers: Sequence[Row[Any]], type_: QuestionType) -> list[str]:
    return [answer.words for answer in answers if answer.type == type_]


def _kinds(activity: Row[Any] | None) -> list[str]:
    if activity is None:
        return []
    return [str(kind.name).lower() for kind in EngagementKind if getattr(activity, str(kind.name))]


def _tool_object(row: Row[Any]) -> ToolDocument:
    return ToolDocument(
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
