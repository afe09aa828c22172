"""Index documents read from the database, before their texts are embedded."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Integer, Row, and_, bindparam, func, or_, select

from db.actors.profiles import NO_EXCLUSIONS, ProfileExclusions
from db.catalog.project_embeddings import stored_vector
from db.catalog.visibility import PUBLIC, PUBLIC_TERM
from db.database.column_types import BigIntId, IntegerList, TextList, UtcDateTime, in_list
from db.database.engine import Database
from db.embeddings.base import unprefixed_name
from db.models import (
    Actor,
    ActorInterest,
    Engagement,
    EngagementKind,
    OnboardingQuestion,
    OnboardingResponse,
    OutboxKind,
    Project,
    ProjectEmbedding,
    ProjectTerm,
    QuestionType,
    Term,
    TermKind,
    Tool,
    User,
    now,
)
from db.synchronization.embedding_texts import profile_text, project_text, tool_text
from db.vectors.base import IndexDocument, ProfileDocument, ProjectDocument, ToolDocument, Vector

RECENT_ACTIVITY = timedelta(days=30)
"""Maximum age of engagement that the text of a profile mentions."""

FINGERPRINT_BYTES = 16
"""Bytes of a fingerprint. With 16 bytes, any two of 2^32 documents have the same fingerprint with a probability of
2^-64."""

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
        ProjectEmbedding.model.label("embedding_model"),
        ProjectEmbedding.vector,
    )
    .join(User, User.id == Project.owner_id, isouter=True)
    .join(ProjectEmbedding, ProjectEmbedding.project_id == Project.id, isouter=True)
    .where(in_list(Project.key, _KEYS), PUBLIC)
)
_PROJECT_TERMS = (
    select(ProjectTerm.project_id, Term.id, Term.kind, Term.name)
    .join(Term, Term.id == ProjectTerm.term_id)
    .join(Project, Project.id == ProjectTerm.project_id)
    .where(in_list(Project.key, _KEYS))
    .order_by(Term.name, Term.id)
)

_TOOLS = (
    select(Term.id, Term.key, Term.name, Term.description, Tool.tagline, Tool.category, Tool.tags, Tool.use_cases)
    .join(Tool, Tool.term_id == Term.id, isouter=True)
    .where(Term.kind == TermKind.TOOL.value, in_list(Term.key, _KEYS), PUBLIC_TERM)
)

# Neither merged into another actor nor the tombstone of an erased one.
_IS_ACTOR = and_(Actor.merged_into.is_(None), or_(Actor.session_key.is_(None), ~Actor.session_key.like("erased:%")))

_ACTOR_ROWS = (
    select(Actor.id, User.bio, User.tier, User.points)
    .join(User, User.id == Actor.user_id, isouter=True)
    .where(in_list(Actor.id, _ACTORS), _IS_ACTOR)
)
_ACTOR_TAGS = (
    select(ActorInterest.actor_id, ActorInterest.term_id, Term.kind, Term.name, ActorInterest.confidence)
    .join(Term, Term.id == ActorInterest.term_id)
    .where(in_list(ActorInterest.actor_id, _ACTORS))
    .order_by(ActorInterest.confidence.desc(), Term.name, Term.id)
)
_ACTOR_ANSWERS = (
    select(OnboardingResponse.actor_id, OnboardingQuestion.type, OnboardingResponse.words, OnboardingResponse.text)
    .join(OnboardingQuestion, OnboardingQuestion.id == OnboardingResponse.question_id)
    .where(in_list(OnboardingResponse.actor_id, _ACTORS), ~OnboardingResponse.skipped)
    .order_by(OnboardingQuestion.position, OnboardingQuestion.id)
)
# SQLite has no bit_or, so each kind is aggregated separately.
_ACTOR_ACTIVITY = (
    select(
        Engagement.actor_id,
        *(func.max(Engagement.kinds.bitwise_and(kind.value)).label(str(kind.name)) for kind in EngagementKind),
    )
    .where(in_list(Engagement.actor_id, _ACTORS), Engagement.last_at >= bindparam("since", type_=UtcDateTime()))
    .where(~in_list(Engagement.project_id, bindparam("excluded_projects", type_=IntegerList())))
    .group_by(Engagement.actor_id)
)

_AFTER = bindparam("after", type_=BigIntId)
_LIMIT = bindparam("limit", type_=Integer())
_ROWS: dict[OutboxKind, tuple[Any, Any, ColumnElement[bool]]] = {
    OutboxKind.PROJECT: (Project.id, Project.key, PUBLIC),
    OutboxKind.TOOL: (Term.id, Term.key, and_(Term.kind == TermKind.TOOL.value, PUBLIC_TERM)),
    OutboxKind.PROFILE: (Actor.id, Actor.id, _IS_ACTOR),
}
"""Id column, key column and condition of the rows that may have an index document."""

_PAGES = {
    kind: select(id_.label("id"), key.label("key")).where(condition, id_ > _AFTER).order_by(id_).limit(_LIMIT)
    for kind, (id_, key, condition) in _ROWS.items()
}
_EXISTING = {
    kind: select(key.label("key")).where(condition, in_list(key, _ACTORS if kind is OutboxKind.PROFILE else _KEYS))
    for kind, (_, key, condition) in _ROWS.items()
}
_TOTALS = {kind: select(func.count(id_).label("n")).where(condition) for kind, (id_, _, condition) in _ROWS.items()}


@dataclass(frozen=True, slots=True)
class IndexChanges:
    """Changes to one collection, by outbox key: platform key of a project or tool, or id of an actor as text."""

    documents: Mapping[str, IndexDocument]  # documents to write, without vectors unless the platform sent them
    texts: Mapping[str, str]  # the text of each document's vector, if the platform did not send the vector
    remove: Sequence[str]  # keys of documents to remove


class IndexDocumentReader:
    """Reads index documents from the database. The number of statements does not depend on the number of keys.

    `embedding_space` is the name and dimension of the embedding model. It is part of every fingerprint.
    """

    def __init__(self, database: Database, embedding_space: tuple[str, int]) -> None:
        self._database = database
        self._embedding_space = embedding_space

    async def read(self, kind: OutboxKind, keys: Sequence[str]) -> IndexChanges:
        """Return the documents of the keys. Keys that must not be in the index are in `remove`."""
        if not keys:
            return IndexChanges({}, {}, [])
        if kind is OutboxKind.PROJECT:
            return await self._projects(list(keys))
        if kind is OutboxKind.PROFILE:
            return await self._profiles(list(keys))
        return await self._tools(list(keys))

    async def existing(self, kind: OutboxKind, keys: Sequence[str]) -> set[str]:
        """Return the keys that may currently have a document: of public projects and tools, and of actors."""
        if not keys:
            return set()
        parameters = {"actors": [int(key) for key in keys]} if kind is OutboxKind.PROFILE else {"keys": list(keys)}
        return {str(row.key) for row in await self._database.fetch(_EXISTING[kind], parameters)}

    async def page(self, kind: OutboxKind, after: int, limit: int) -> list[tuple[int, str]]:
        """Return (id, key) of the rows that may have a document, sorted by id, after the id `after`.

        Actors without any known preference are included.
        """
        rows = await self._database.fetch(_PAGES[kind], {"after": after, "limit": limit})
        return [(row.id, str(row.key)) for row in rows]

    async def total(self, kind: OutboxKind) -> int:
        """Return the number of rows that may have a document."""
        return int((await self._database.fetch(_TOTALS[kind]))[0].n)

    async def profile_text(self, actor_id: int, excluded: ProfileExclusions) -> str:
        """Return the text of a profile without the excluded interests and engagement; empty if nothing remains."""
        changes = await self._profiles([str(actor_id)], excluded)
        return changes.texts.get(str(actor_id), "")

    async def _projects(self, keys: list[str]) -> IndexChanges:
        rows = await self._database.fetch(_PROJECTS, {"keys": keys})
        terms: dict[int, list[Row[Any]]] = defaultdict(list)
        for term in await self._database.fetch(_PROJECT_TERMS, {"keys": keys}):
            terms[term.project_id].append(term)
        documents = {row.key: _project_document(row, terms[row.id], self._platform_vector(row)) for row in rows}
        return self._changes(keys, documents)

    def _platform_vector(self, row: Row[Any]) -> Vector:
        """Return the embedding that the platform sent; empty if it sent none of the model and dimension."""
        model, dimension = self._embedding_space
        matches = row.embedding_model == unprefixed_name(model) and len(row.vector) == 4 * dimension
        return stored_vector(row.vector) if matches else _NO_VECTOR

    async def _profiles(self, keys: list[str], excluded: ProfileExclusions = NO_EXCLUSIONS) -> IndexChanges:
        actors = [int(key) for key in keys]
        tags: dict[int, list[Row[Any]]] = defaultdict(list)
        for tag in await self._database.fetch(_ACTOR_TAGS, {"actors": actors}):
            if tag.term_id not in excluded.terms:
                tags[tag.actor_id].append(tag)
        answers: dict[int, list[Row[Any]]] = defaultdict(list)
        for answer in await self._database.fetch(_ACTOR_ANSWERS, {"actors": actors}):
            answers[answer.actor_id].append(answer)
        parameters = {
            "actors": actors,
            "since": now() - RECENT_ACTIVITY,
            "excluded_projects": sorted(excluded.projects),
        }
        activity = {row.actor_id: row for row in await self._database.fetch(_ACTOR_ACTIVITY, parameters)}
        rows = await self._database.fetch(_ACTOR_ROWS, {"actors": actors})
        profiles = (_profile_document(row, tags[row.id], answers[row.id], activity.get(row.id)) for row in rows)
        # An actor without any known preference has no profile, because the vector would be zeros.
        documents = {profile.key: profile for profile in profiles if profile.preference_text}
        return self._changes(keys, documents)

    async def _tools(self, keys: list[str]) -> IndexChanges:
        rows = await self._database.fetch(_TOOLS, {"keys": keys})
        return self._changes(keys, {row.key: _tool_document(row) for row in rows})

    def _changes(self, keys: Sequence[str], documents: Mapping[str, IndexDocument]) -> IndexChanges:
        """Add fingerprints to the documents. Keys without a document are removed from the index."""
        texts = {key: _embedded_text(document) for key, document in documents.items() if not document.vector.size}
        complete = {
            key: replace(
                document,
                fingerprint=fingerprint(
                    document, texts.get(key, document.vector.tobytes().hex()), self._embedding_space
                ),
            )
            for key, document in documents.items()
        }
        return IndexChanges(complete, texts, [key for key in keys if key not in complete])


def _embedded_text(document: IndexDocument) -> str:
    if isinstance(document, ProjectDocument):
        return document.combined_text
    if isinstance(document, ProfileDocument):
        return document.preference_text
    return tool_text(document.name, document.description, document.tagline, document.category, document.tags)


def fingerprint(document: IndexDocument, text: str, embedding_space: tuple[str, int]) -> str:
    """Return the hash of the document's fields, the embedded text, and the model.

    The version of the text analysis is held by the name or the file of the index. For a document with
    a vector of the platform, `text` is the vector in hexadecimal digits.
    """
    values = [getattr(document, field.name) for field in fields(document) if field.name not in _NOT_IN_FINGERPRINT]
    return hashlib.blake2b(repr((embedding_space, text, values)).encode(), digest_size=FINGERPRINT_BYTES).hexdigest()


def _project_document(row: Row[Any], terms: Sequence[Row[Any]], vector: Vector) -> ProjectDocument:
    names = {kind: tuple(term.name for term in terms if term.kind == kind) for kind in TermKind}
    text = project_text(
        row.title,
        row.description,
        topics=names[TermKind.TOPIC],
        tools=names[TermKind.TOOL],
        categories=names[TermKind.CATEGORY],
        subreddit=_text_field(row.source, "subreddit"),
        thread_text=_text_field(row.source, "selftext"),
    )
    return ProjectDocument(
        id=row.id,
        key=row.key,
        title=row.title,
        description=row.description,
        combined_text=text,
        tool_names=names[TermKind.TOOL],
        category_names=names[TermKind.CATEGORY],
        topics=names[TermKind.TOPIC],
        username=row.username or "",
        type=row.type,
        created_at=row.created_at,
        owner_id=row.owner_id,
        term_ids=tuple(term.id for term in terms),
        vector=vector,
    )


def _text_field(source: dict[str, Any], name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) else ""


def _profile_document(
    row: Row[Any], tags: Sequence[Row[Any]], answers: Sequence[Row[Any]], engagement: Row[Any] | None
) -> ProfileDocument:
    tools = [(tag.name, tag.confidence) for tag in tags if tag.kind == TermKind.TOOL]
    interests = [(tag.name, tag.confidence) for tag in tags if tag.kind != TermKind.TOOL]
    kinds = EngagementKind if engagement is not None else ()
    activity = [str(kind.name).lower() for kind in kinds if getattr(engagement, str(kind.name))]
    tier = row.tier or ""
    text = profile_text(
        tools=tools,
        interests=interests,
        bio=row.bio or "",
        activity=activity,
        tier=tier,
        use_cases=[answer.words for answer in answers if answer.type == QuestionType.USE_CASE],
        experience=[answer.words for answer in answers if answer.type == QuestionType.EXPERIENCE],
        own_words=[answer.text for answer in answers],
    )
    return ProfileDocument(
        actor_id=row.id,
        preference_text=text,
        tool_interests=tuple(name for name, _ in tools),
        category_interests=tuple(name for name, _ in interests),
        activity_summary=", ".join(activity),
        tier=tier,
        total_points=row.points or 0,
        vector=_NO_VECTOR,
    )


def _tool_document(row: Row[Any]) -> ToolDocument:
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
