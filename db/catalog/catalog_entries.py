"""Projects, tools, categories and topics: reads for pages, and upserts of platform records."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.project_embeddings import embedding_fault, replace_embeddings
from db.catalog.project_versions import renew_project_versions
from db.catalog.terms import TermName, terms_by_key
from db.catalog.visibility import PUBLIC_TERM
from db.database.batches import delete_batch, insert_batch, upsert_batch
from db.database.column_types import IDS, KEYS, contains_text, in_list
from db.database.engine import Database, Rows
from db.errors import InvalidRecord, UnknownReference
from db.models import (
    ActorInterest,
    OutboxKind,
    Project,
    ProjectSearchText,
    ProjectTerm,
    Term,
    TermKind,
    Tool,
    User,
    now,
)
from db.outbox import enqueue
from db.platform_inputs import EmbeddingSpace
from db.records import CategoryRecord, ProjectRecord, ToolRecord
from db.upsert_results import Refusal, UpsertResult, accepted, last_record_by_key, upsert_result
from db.vectors.text_analysis import fold


@dataclass(frozen=True, slots=True)
class CatalogTerm:
    """A tool, category or topic, without the attributes of its kind."""

    id: int
    kind: TermKind
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class CatalogTool:
    """A tool with all attributes."""

    id: int
    key: str
    name: str
    tagline: str
    description: str
    category: str
    tags: tuple[str, ...]
    use_cases: str


@dataclass(frozen=True, slots=True)
class Category:
    """A category with all attributes."""

    id: int
    key: str
    name: str
    description: str


_SEARCH = bindparam("search", type_=Term.name.type)
_FIRST = bindparam("first", type_=Term.id.type)

# --- reading -------------------------------------------------------------------------------------------------------

_TOOLS = select(
    Term.id, Term.key, Term.name, func.coalesce(Tool.tagline, "").label("tagline"), Term.description,
    func.coalesce(Tool.category, "").label("category"), Tool.tags, func.coalesce(Tool.use_cases, "").label("use_cases"),
)  # fmt: skip
_TOOLS = _TOOLS.outerjoin(Tool, Tool.term_id == Term.id).where(Term.kind == TermKind.TOOL.value, PUBLIC_TERM)
_MATCHES_SEARCH = contains_text(Term.folded_name, _SEARCH)
_AFTER = tuple_(bindparam("after_name", type_=Term.name.type), bindparam("after_id", type_=Term.id.type))
_TOPICS = select(Term.id, Term.kind, Term.key, Term.name).where(Term.kind == TermKind.TOPIC.value, PUBLIC_TERM)
_CATEGORIES = (
    select(Term.id, Term.key, Term.name, Term.description)
    .where(Term.kind == TermKind.CATEGORY.value, PUBLIC_TERM)
    .order_by(Term.name, Term.id)
)
_TERMS_BY_PROJECT = (
    select(ProjectTerm.project_id, Term.id, Term.kind, Term.key, Term.name)
    .join(Term, Term.id == ProjectTerm.term_id)
    .where(in_list(ProjectTerm.project_id, IDS))
    .order_by(ProjectTerm.project_id, Term.kind, Term.name, Term.id)
)


async def search_tools(
    database: Database, search: str | None, first: int, after: tuple[str, int] | None = None
) -> list[CatalogTool]:
    """Read up to `first` public tools whose folded name contains `search` (None or empty: all tools), sorted by name.

    `after` is the name and id of the last tool of the previous page.
    """
    return [_tool(row) for row in await _search(database, _TOOLS, search, first, after)]


async def search_topics(
    database: Database, search: str | None, first: int, after: tuple[str, int] | None = None
) -> list[CatalogTerm]:
    """Read up to `first` public topics. The arguments have the same meaning as in `search_tools`."""
    return [_term(row) for row in await _search(database, _TOPICS, search, first, after)]


async def _search(
    database: Database, terms: Any, search: str | None, first: int, after: tuple[str, int] | None
) -> Rows:
    statement = terms.where(_MATCHES_SEARCH).order_by(Term.name, Term.id).limit(_FIRST)
    parameters: dict[str, Any] = {"search": _folded(search or ""), "first": first}
    if after is not None:
        statement = statement.where(tuple_(Term.name, Term.id) > _AFTER)
        parameters |= {"after_name": after[0], "after_id": after[1]}
    return await database.fetch(statement, parameters)


def _folded(search: str) -> str:
    """Fold a search text, except one of accents only: no folded name contains it, but each contains its folded form."""
    folded = fold(search)
    return folded if folded.strip() else search


async def topics_by_key(database: Database, keys: Sequence[str]) -> dict[str, CatalogTerm]:
    """Read the public topics with these keys, by key."""
    rows = await database.fetch(_TOPICS.where(in_list(Term.key, KEYS)), {"keys": keys})
    return {row.key: _term(row) for row in rows}


async def tools_by_key(
    database: Database, keys: Sequence[str], not_matching: str | None = None
) -> dict[str, CatalogTool]:
    """Read the public tools with these keys, by key.

    With the search text `not_matching`, leave out the tools that `search_tools` returns for that text.
    """
    statement, parameters = _TOOLS.where(in_list(Term.key, KEYS)), {"keys": keys}
    if not_matching is not None:
        statement = statement.where(~_MATCHES_SEARCH)
        parameters["search"] = _folded(not_matching)
    return {row.key: _tool(row) for row in await database.fetch(statement, parameters)}


async def all_categories(database: Database) -> list[Category]:
    """Read the public categories, sorted by name."""
    return [Category(*row) for row in await database.fetch(_CATEGORIES)]


async def terms_by_project(database: Database, project_ids: Sequence[int]) -> dict[int, list[CatalogTerm]]:
    """Read the terms of projects, sorted by kind and name. The list is empty for a project without terms."""
    terms: dict[int, list[CatalogTerm]] = {project_id: [] for project_id in project_ids}
    for row in await database.fetch(_TERMS_BY_PROJECT, {"ids": project_ids}):
        terms[row.project_id].append(_term(row))
    return terms


def _term(row: Row[Any]) -> CatalogTerm:
    return CatalogTerm(row.id, TermKind(row.kind), row.key, row.name)


def _tool(row: Row[Any]) -> CatalogTool:
    return CatalogTool(**{**row._mapping, "tags": tuple(row.tags or ())})


# --- projects ------------------------------------------------------------------------------------------------------

_PROJECT = (
    "title", "description", "type", "owner_id", "url", "image_url", "private", "archived", "source", "created_at",
)  # fmt: skip
# Owners are locked before projects (lock order: db/actors/users.py).
_OWNERS = select(User.id, User.key).where(in_list(User.key, KEYS)).order_by(User.id)
_OWNERS = _OWNERS.with_for_update(read=True, key_share=True)
_STORED = select(Project.id, Project.key, *(getattr(Project, name) for name in _PROJECT))
_STORED = _STORED.where(in_list(Project.key, KEYS)).order_by(Project.id).with_for_update(key_share=True)
_STORED_TERMS = select(ProjectTerm.project_id, ProjectTerm.term_id).where(in_list(ProjectTerm.project_id, IDS))
_UPSERT = upsert_batch(Project, "key", *_PROJECT, "updated_at", key=["key"]).returning(Project.id, Project.key)
_UPSERT_SEARCH_TEXTS = upsert_batch(ProjectSearchText, "project_id", "title", "description", key=["project_id"])
_UNLISTED_TOOLS = (
    select(Term.key).where(in_list(Term.id, IDS), Term.kind == TermKind.TOOL.value, ~Term.listed).order_by(Term.key)
)
_DELETE_TERMS = delete_batch(ProjectTerm, "project_id", "term_id")
_INSERT_TERMS = insert_batch(ProjectTerm, "project_id", "term_id").on_conflict_do_nothing()
_TO_DELETE = select(Project.id, Project.key).where(in_list(Project.key, KEYS)).order_by(Project.id).with_for_update()
_DELETE = delete(Project).where(in_list(Project.id, IDS))


async def upsert_projects(
    connection: AsyncConnection, records: Sequence[ProjectRecord], embedding_space: EmbeddingSpace | None = None
) -> UpsertResult:
    """Add projects, and change existing projects that differ. A record replaces all attributes of its project.

    A missing `created_at` keeps the stored time. Unknown tools, categories and topics are created with the key as name.
    A record with an unknown owner, or with an embedding that is not in `embedding_space`, is refused.
    """
    owners = await _owners(connection, records)
    refusals = refuse_projects(records, owners, embedding_space)
    latest_records = last_record_by_key(accepted(records, refusals))
    if not latest_records:
        return upsert_result(len(records), refused=refusals)
    keys = {"keys": [record.key for record in latest_records]}
    stored_projects = {row.key: row for row in await connection.execute(_STORED, keys)}
    ids = {key: row.id for key, row in stored_projects.items()}
    rows = {record.key: _row(record, owners, stored_projects.get(record.key)) for record in latest_records}
    differing_keys = [
        key for key, row in rows.items() if key not in stored_projects or row != tuple(stored_projects[key][2:])
    ]
    ids |= await _write(connection, {key: rows[key] for key in differing_keys})
    ids_with_changed_terms, project_terms = await _replace_terms(
        connection, {ids[record.key]: record for record in latest_records}
    )
    await renew_project_versions(connection, ids=ids_with_changed_terms - {ids[key] for key in differing_keys})
    changed_ids = set(ids_with_changed_terms)
    if embedding_space is not None:
        embeddings = {ids[record.key]: record.embedding for record in latest_records}
        changed_ids |= await replace_embeddings(connection, embeddings, embedding_space.model)
    added_keys = rows.keys() - stored_projects.keys()
    changed_keys = {key for key in rows if key in differing_keys or ids[key] in changed_ids} - added_keys
    for urgent in (True, False):  # hidden projects first
        written_keys = [
            record.key
            for record in latest_records
            if record.key in added_keys | changed_keys and (record.private or record.archived) is urgent
        ]
        await enqueue(connection, OutboxKind.PROJECT, written_keys, urgent=urgent)
    written_ids = {ids[key] for key in added_keys | changed_keys}
    await _enqueue_unlisted_tools(
        connection, {term_id for project_id, term_id in project_terms if project_id in written_ids}
    )
    return upsert_result(len(records), added_keys, changed_keys, refusals)


def refuse_projects(
    records: Sequence[ProjectRecord], owners: Container[str], embedding_space: EmbeddingSpace | None
) -> list[Refusal]:
    """Return refusals of the records whose owner is no key of a user, or whose embedding has another dimension."""
    refusals = []
    for index, record in enumerate(records):
        if record.owner is not None and record.owner not in owners:
            unknown_owner = UnknownReference(f"there is no user {record.owner!r} to own this project", ("owner",))
            refusals.append(Refusal(index, unknown_owner))
        elif record.embedding is not None and (fault := embedding_fault(record.embedding, embedding_space)) is not None:
            refusals.append(Refusal(index, InvalidRecord(fault, ("embedding",))))
    return refusals


async def _owners(connection: AsyncConnection, records: Sequence[ProjectRecord]) -> dict[str, int]:
    keys = sorted({record.owner for record in records if record.owner is not None})
    if not keys:
        return {}
    return {row.key: row.id for row in await connection.execute(_OWNERS, {"keys": keys})}


def _row(record: ProjectRecord, owners: Mapping[str, int], stored: Row[Any] | None) -> tuple[Any, ...]:
    """Return the values of the columns `_PROJECT`."""
    owner_id = None if record.owner is None else owners[record.owner]
    created_at = record.created_at or (now() if stored is None else stored.created_at)
    values = {**dict(record), "owner_id": owner_id, "created_at": created_at}
    return tuple(values[name] for name in _PROJECT)


async def _write(connection: AsyncConnection, rows: Mapping[str, tuple[Any, ...]]) -> dict[str, int]:
    if not rows:
        return {}
    at = now()
    written = await connection.execute(_UPSERT, {"rows": [(key, *row, at) for key, row in rows.items()]})
    ids = {row.key: row.id for row in written}
    # The first two values are the title and the description.
    texts = [(ids[key], fold(row[0]), fold(row[1])) for key, row in rows.items()]
    await connection.execute(_UPSERT_SEARCH_TEXTS, {"rows": texts})
    return ids


async def _replace_terms(
    connection: AsyncConnection, projects: Mapping[int, ProjectRecord]
) -> tuple[set[int], set[tuple[int, int]]]:
    """Replace the terms of each project by the terms of its record.

    Returns the ids of projects whose terms changed, and all pairs of project and term, old and new.
    """
    names_by_project = {project_id: _named_terms(record) for project_id, record in projects.items()}
    terms = await terms_by_key(connection, {name for names in names_by_project.values() for name in names})
    pairs = {(project_id, terms[name]) for project_id, names in names_by_project.items() for name in names}
    rows = await connection.execute(_STORED_TERMS, {"ids": sorted(projects)})
    stored_pairs = {(row.project_id, row.term_id) for row in rows}
    if removed_pairs := sorted(stored_pairs - pairs):
        await connection.execute(_DELETE_TERMS, {"rows": removed_pairs})
    if added_pairs := sorted(pairs - stored_pairs):
        await connection.execute(_INSERT_TERMS, {"rows": added_pairs})
    return {project_id for project_id, _ in stored_pairs ^ pairs}, stored_pairs | pairs


def _named_terms(record: ProjectRecord) -> set[TermName]:
    kinds = ((TermKind.TOOL, record.tools), (TermKind.CATEGORY, record.categories), (TermKind.TOPIC, record.topics))
    return {(kind, key) for kind, keys in kinds for key in keys}


async def _enqueue_unlisted_tools(connection: AsyncConnection, term_ids: Iterable[int]) -> None:
    """Enqueue unlisted tools, whose index documents depend on the public projects that have them."""
    if ids := sorted(set(term_ids)):
        tools = await connection.scalars(_UNLISTED_TOOLS, {"ids": ids})
        await enqueue(connection, OutboxKind.TOOL, tools.all())


async def remove_projects(connection: AsyncConnection, keys: Sequence[str]) -> int:
    """Delete projects with their interactions, likes and dismissals; return the number of deleted projects."""
    deleted_projects = (await connection.execute(_TO_DELETE, {"keys": list(keys)})).all()
    if deleted_projects:
        ids = {"ids": [row.id for row in deleted_projects]}
        project_terms = (await connection.execute(_STORED_TERMS, ids)).all()
        await connection.execute(_DELETE, ids)
        await enqueue(connection, OutboxKind.PROJECT, [row.key for row in deleted_projects], urgent=True)
        await _enqueue_unlisted_tools(connection, (row.term_id for row in project_terms))
    return len(deleted_projects)


# --- tools and categories ------------------------------------------------------------------------------------------

_STORED_OF_KIND = (
    select(Term.key, Term.name, Term.description, Term.listed, Tool.tagline, Tool.category, Tool.tags, Tool.use_cases)
    .outerjoin(Tool, Tool.term_id == Term.id)
    .where(Term.kind == bindparam("of_kind"), in_list(Term.key, KEYS))
    .order_by(Term.id)
    .with_for_update(key_share=True, of=Term)
)
_UPSERT_TERMS = upsert_batch(
    Term, "kind", "key", "name", "folded_name", "description", "listed", key=["kind", "key"]
).returning(Term.id, Term.key)
_UPSERT_TOOLS = upsert_batch(Tool, "term_id", "tagline", "category", "tags", "use_cases", key=["term_id"])
_PROJECTS_WITH_TERMS = (
    select(Project.key)
    .join(ProjectTerm, ProjectTerm.project_id == Project.id)
    .where(in_list(ProjectTerm.term_id, IDS))
    .distinct()
)
_ACTORS_WITH_TERMS = select(ActorInterest.actor_id).where(in_list(ActorInterest.term_id, IDS)).distinct()


async def upsert_tools(connection: AsyncConnection, records: Sequence[ToolRecord]) -> UpsertResult:
    """Add tools, and change existing tools that differ. A new name updates the index documents that contain it."""
    written_tools, result = await _upsert_terms(connection, TermKind.TOOL, records)
    if written_tools:
        names = ("tagline", "category", "tags", "use_cases")
        rows = [(id_, *(tool[name] for name in names)) for id_, tool in written_tools.items()]
        await connection.execute(_UPSERT_TOOLS, {"rows": rows})
    await enqueue(connection, OutboxKind.TOOL, sorted(tool["key"] for tool in written_tools.values()))
    return result


async def upsert_categories(connection: AsyncConnection, records: Sequence[CategoryRecord]) -> UpsertResult:
    """Add categories, and change existing ones that differ. A new name updates the index documents that contain it."""
    _, result = await _upsert_terms(connection, TermKind.CATEGORY, records)
    return result


async def _upsert_terms(
    connection: AsyncConnection, kind: TermKind, records: Sequence[ToolRecord | CategoryRecord]
) -> tuple[dict[int, dict[str, Any]], UpsertResult]:
    """Write the terms that differ from the stored ones, as listed terms; return the written records, by term id."""
    latest_records = {record.key: record.model_dump(mode="json") for record in last_record_by_key(records)}
    parameters = {"of_kind": kind.value, "keys": list(latest_records)}
    stored_terms = {row.key: row._mapping for row in await connection.execute(_STORED_OF_KIND, parameters)}
    differing_records = {
        key: record
        for key, record in latest_records.items()
        if key not in stored_terms
        or any(stored_terms[key][name] != value for name, value in (record | {"listed": True}).items())
    }
    if not differing_records:
        return {}, upsert_result(len(records))
    rows = [
        (kind.value, key, record["name"], fold(record["name"]), record["description"], True)
        for key, record in differing_records.items()
    ]
    written_records = {
        row.id: differing_records[row.key] for row in await connection.execute(_UPSERT_TERMS, {"rows": rows})
    }
    changed_keys = differing_records.keys() & stored_terms.keys()
    renamed_keys = {key for key in changed_keys if stored_terms[key]["name"] != differing_records[key]["name"]}
    renamed_ids = [id_ for id_, record in written_records.items() if record["key"] in renamed_keys]
    await _enqueue_documents_with_terms(connection, renamed_ids)
    return written_records, upsert_result(len(records), differing_records.keys() - changed_keys, changed_keys)


async def _enqueue_documents_with_terms(connection: AsyncConnection, term_ids: Sequence[int]) -> None:
    """Enqueue the projects and profiles whose texts contain the names of these terms."""
    if term_ids:
        await renew_project_versions(connection, term_ids=term_ids)
        projects = await connection.scalars(_PROJECTS_WITH_TERMS, {"ids": term_ids})
        await enqueue(connection, OutboxKind.PROJECT, projects.all())
        actors = await connection.scalars(_ACTORS_WITH_TERMS, {"ids": term_ids})
        await enqueue(connection, OutboxKind.PROFILE, [str(actor_id) for actor_id in actors])
