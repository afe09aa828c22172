"""Projects, tools, categories and topics: reads for pages, and upserts of platform records."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Row, bindparam, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.project_versions import raise_project_versions
from db.catalog.terms import TermName, terms_by_key
from db.catalog.visibility import PUBLIC_TERM
from db.database.batches import delete_batch, insert_batch, upsert_batch
from db.database.column_types import IntegerList, TextList, in_list
from db.database.engine import Database
from db.errors import UnknownReference
from db.models import OutboxKind, Project, ProjectTerm, Term, TermKind, Tool, User, UserTag, now
from db.outbox import enqueue
from db.records import CategoryRecord, ProjectRecord, ToolRecord
from db.upsert_results import Refusal, UpsertResult, last_record_by_key, upsert_result

R = TypeVar("R", ToolRecord, CategoryRecord)


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


_KEYS = bindparam("keys", type_=TextList())
_IDS = bindparam("ids", type_=IntegerList())
_SEARCH = bindparam("search", type_=Term.name.type)
_FIRST = bindparam("first", type_=Term.id.type)

# --- reading -------------------------------------------------------------------------------------------------------

_TOOL = (
    Term.id, Term.key, Term.name, func.coalesce(Tool.tagline, "").label("tagline"), Term.description,
    func.coalesce(Tool.category, "").label("category"), Tool.tags, func.coalesce(Tool.use_cases, "").label("use_cases"),
)  # fmt: skip
_TOOLS = select(*_TOOL).outerjoin(Tool, Tool.term_id == Term.id).where(Term.kind == TermKind.TOOL.value, PUBLIC_TERM)
_MATCHES_SEARCH = Term.name.icontains(_SEARCH, autoescape=False, escape="/")
TOOLS_BY_NAME = _TOOLS.where(or_(_MATCHES_SEARCH, _SEARCH == "")).order_by(Term.name, Term.id).limit(_FIRST)
_AFTER = tuple_(bindparam("after_name", type_=Term.name.type), bindparam("after_id", type_=Term.id.type))
TOOLS_BY_NAME_AFTER = TOOLS_BY_NAME.where(tuple_(Term.name, Term.id) > _AFTER)
TOOLS_BY_KEY = _TOOLS.where(in_list(Term.key, _KEYS))
TOOLS_BY_KEY_NOT_MATCHING = TOOLS_BY_KEY.where(~_MATCHES_SEARCH)
CATEGORIES = (
    select(Term.id, Term.key, Term.name, Term.description)
    .where(Term.kind == TermKind.CATEGORY.value, PUBLIC_TERM)
    .order_by(Term.name, Term.id)
)
TOPICS_BY_NAME = (
    select(Term.id, Term.kind, Term.key, Term.name)
    .where(Term.kind == TermKind.TOPIC.value, PUBLIC_TERM, or_(_MATCHES_SEARCH, _SEARCH == ""))
    .order_by(Term.name, Term.id)
    .limit(_FIRST)
)
TOPICS_BY_NAME_AFTER = TOPICS_BY_NAME.where(tuple_(Term.name, Term.id) > _AFTER)
TOPICS_BY_KEY = select(Term.id, Term.kind, Term.key, Term.name).where(
    Term.kind == TermKind.TOPIC.value, PUBLIC_TERM, in_list(Term.key, _KEYS)
)
TERMS_BY_PROJECT = (
    select(ProjectTerm.project_id, Term.id, Term.kind, Term.key, Term.name)
    .join(Term, Term.id == ProjectTerm.term_id)
    .where(in_list(ProjectTerm.project_id, _IDS))
    .order_by(ProjectTerm.project_id, Term.kind, Term.name, Term.id)
)


async def search_tools(
    database: Database, search: str | None, first: int, after: tuple[str, int] | None = None
) -> list[CatalogTool]:
    """Read up to `first` public tools whose name contains `search` (None or empty: all tools), sorted by name.

    `after` is the name and id of the last tool of the previous page.
    """
    statement = TOOLS_BY_NAME if after is None else TOOLS_BY_NAME_AFTER
    return [_tool(row) for row in await database.fetch(statement, _by_name(search, first, after))]


async def search_topics(
    database: Database, search: str | None, first: int, after: tuple[str, int] | None = None
) -> list[CatalogTerm]:
    """Read up to `first` public topics; arguments as in `search_tools`."""
    statement = TOPICS_BY_NAME if after is None else TOPICS_BY_NAME_AFTER
    return [_term(row) for row in await database.fetch(statement, _by_name(search, first, after))]


async def topics_by_key(database: Database, keys: Sequence[str]) -> dict[str, CatalogTerm]:
    """Read the public topics with these keys, by key."""
    return {row.key: _term(row) for row in await database.fetch(TOPICS_BY_KEY, {"keys": keys})}


def _by_name(search: str | None, first: int, after: tuple[str, int] | None) -> dict[str, Any]:
    parameters: dict[str, Any] = {"search": _escaped(search or ""), "first": first}
    return parameters if after is None else parameters | {"after_name": after[0], "after_id": after[1]}


def _term(row: Row[Any]) -> CatalogTerm:
    return CatalogTerm(row.id, TermKind(row.kind), row.key, row.name)


async def tools_by_key(
    database: Database, keys: Sequence[str], not_matching: str | None = None
) -> dict[str, CatalogTool]:
    """Read the public tools with these keys, by key.

    With the search text `not_matching`, leave out the tools that `search_tools` returns for that text.
    """
    if not_matching is None:
        rows = await database.fetch(TOOLS_BY_KEY, {"keys": keys})
    else:
        rows = await database.fetch(TOOLS_BY_KEY_NOT_MATCHING, {"keys": keys, "search": _escaped(not_matching)})
    return {row.key: _tool(row) for row in rows}


def _escaped(search: str) -> str:
    return search.replace("/", "//").replace("%", "/%").replace("_", "/_")


async def all_categories(database: Database) -> list[Category]:
    """Read the public categories, sorted by name."""
    return [Category(*row) for row in await database.fetch(CATEGORIES)]


async def terms_by_project(database: Database, project_ids: Sequence[int]) -> dict[int, list[CatalogTerm]]:
    """Read the terms of projects, sorted by kind and name. The list is empty for a project without terms."""
    terms: dict[int, list[CatalogTerm]] = {project_id: [] for project_id in project_ids}
    for row in await database.fetch(TERMS_BY_PROJECT, {"ids": project_ids}):
        terms[row.project_id].append(_term(row))
    return terms


def _tool(row: Row[Any]) -> CatalogTool:
    return CatalogTool(**{**row._mapping, "tags": tuple(row.tags or ())})


# --- projects ------------------------------------------------------------------------------------------------------

_PROJECT = (
    "title", "description", "type", "owner_id", "url", "image_url", "private", "archived", "source", "created_at",
)  # fmt: skip
# Owners are locked before projects (lock order: db/actors/users.py).
_OWNERS = select(User.id, User.key).where(in_list(User.key, _KEYS)).order_by(User.id)
_OWNERS = _OWNERS.with_for_update(read=True, key_share=True)
_STORED = select(Project.id, Project.key, *(getattr(Project, name) for name in _PROJECT))
_STORED = _STORED.where(in_list(Project.key, _KEYS)).order_by(Project.id).with_for_update(key_share=True)
_STORED_TERMS = select(ProjectTerm.project_id, ProjectTerm.term_id).where(in_list(ProjectTerm.project_id, _IDS))
_UPSERT = upsert_batch(Project, "key", *_PROJECT, "updated_at", key=["key"]).returning(Project.id, Project.key)
_UNLISTED_TOOLS = (
    select(Term.key).where(in_list(Term.id, _IDS), Term.kind == TermKind.TOOL.value, ~Term.listed).order_by(Term.key)
)
_DELETE_TERMS = delete_batch(ProjectTerm, "project_id", "term_id")
_INSERT_TERMS = insert_batch(ProjectTerm, "project_id", "term_id").on_conflict_do_nothing()
_TO_DELETE = select(Project.id, Project.key).where(in_list(Project.key, _KEYS)).order_by(Project.id).with_for_update()
_DELETE = delete(Project).where(in_list(Project.id, _IDS))


async def upsert_projects(connection: AsyncConnection, records: Sequence[ProjectRecord]) -> UpsertResult:
    """Add projects, and change existing projects that differ. A record replaces all attributes of its project.

    A missing `created_at` keeps the stored time. Unknown tools, categories and topics are created with the key as name.
    A record with an unknown owner is refused.
    """
    owners = await _owners(connection, records)
    refused = [
        Refusal(index, unknown_owner(record.owner))
        for index, record in enumerate(records)
        if record.owner is not None and record.owner not in owners
    ]
    latest_records = last_record_by_key(record for record in records if record.owner is None or record.owner in owners)
    if not latest_records:
        return upsert_result(len(records), refused=refused)
    keys = {"keys": [record.key for record in latest_records]}
    stored = {row.key: row for row in await connection.execute(_STORED, keys)}
    ids = {key: row.id for key, row in stored.items()}
    rows = {record.key: _row(record, owners, stored.get(record.key)) for record in latest_records}
    differing = [key for key, row in rows.items() if key not in stored or row != tuple(stored[key][2:])]
    ids |= await _write(connection, {key: rows[key] for key in differing})
    with_changed_terms, project_terms = await _replace_terms(
        connection, {ids[record.key]: record for record in latest_records}
    )
    await raise_project_versions(connection, ids=with_changed_terms - {ids[key] for key in differing})
    added = rows.keys() - stored.keys()
    changed = {key for key in rows if key in differing or ids[key] in with_changed_terms} - added
    await _enqueue_projects(
        [record for record in latest_records if record.key in added or record.key in changed], connection
    )
    written = {ids[key] for key in added | changed}
    await _enqueue_unlisted_tools(
        connection, {term_id for project_id, term_id in project_terms if project_id in written}
    )
    return upsert_result(len(records), added, changed, refused)


def unknown_owner(key: str) -> UnknownReference:
    """Return the error of a project whose owner does not exist."""
    return UnknownReference(f"there is no user {key!r} to own this project", ("owner",))


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
    return {row.key: row.id for row in written}


async def _replace_terms(
    connection: AsyncConnection, projects: Mapping[int, ProjectRecord]
) -> tuple[set[int], set[tuple[int, int]]]:
    """Replace the terms of each project by the terms of its record.

    Returns the ids of projects whose terms changed, and all pairs of project and term, old and new.
    """
    named = {project_id: _named_terms(record) for project_id, record in projects.items()}
    terms = await terms_by_key(connection, {name for names in named.values() for name in names})
    pairs = {(project_id, terms[name]) for project_id, names in named.items() for name in names}
    rows = await connection.execute(_STORED_TERMS, {"ids": sorted(projects)})
    stored = {(row.project_id, row.term_id) for row in rows}
    if gone := sorted(stored - pairs):
        await connection.execute(_DELETE_TERMS, {"rows": gone})
    if new := sorted(pairs - stored):
        await connection.execute(_INSERT_TERMS, {"rows": new})
    return {project_id for project_id, _ in stored ^ pairs}, stored | pairs


def _named_terms(record: ProjectRecord) -> set[TermName]:
    kinds = ((TermKind.TOOL, record.tools), (TermKind.CATEGORY, record.categories), (TermKind.TOPIC, record.topics))
    return {(kind, key) for kind, keys in kinds for key in keys}


async def _enqueue_projects(records: Sequence[ProjectRecord], connection: AsyncConnection) -> None:
    hidden = [record.key for record in records if record.private or record.archived]
    shown = [record.key for record in records if not (record.private or record.archived)]
    await enqueue(connection, OutboxKind.PROJECT, hidden, urgent=True)
    await enqueue(connection, OutboxKind.PROJECT, shown)


async def _enqueue_unlisted_tools(connection: AsyncConnection, term_ids: Iterable[int]) -> None:
    """Enqueue unlisted tools, whose index documents depend on the public projects that have them."""
    if ids := sorted(set(term_ids)):
        tools = await connection.scalars(_UNLISTED_TOOLS, {"ids": ids})
        await enqueue(connection, OutboxKind.TOOL, tools.all())


async def remove_projects(connection: AsyncConnection, keys: Sequence[str]) -> int:
    """Delete projects with their interactions, likes and dismissals; return the number of deleted projects."""
    deleted = (await connection.execute(_TO_DELETE, {"keys": list(keys)})).all()
    if deleted:
        ids = {"ids": [row.id for row in deleted]}
        project_terms = (await connection.execute(_STORED_TERMS, ids)).all()
        await connection.execute(_DELETE, ids)
        await enqueue(connection, OutboxKind.PROJECT, [row.key for row in deleted], urgent=True)
        await _enqueue_unlisted_tools(connection, (row.term_id for row in project_terms))
    return len(deleted)


# --- tools and categories ------------------------------------------------------------------------------------------

_STORED_TOOLS = (
    select(Term.id, Term.key, Term.name, Term.description, Tool.tagline, Tool.category, Tool.tags, Tool.use_cases)
    .outerjoin(Tool, Tool.term_id == Term.id)
    .where(Term.kind == TermKind.TOOL.value, in_list(Term.key, _KEYS))
    .order_by(Term.id)
    .with_for_update(key_share=True, of=Term)
)
_STORED_CATEGORIES = (
    select(Term.id, Term.key, Term.name, Term.description, Term.listed)
    .where(Term.kind == TermKind.CATEGORY.value, in_list(Term.key, _KEYS))
    .order_by(Term.id)
    .with_for_update(key_share=True)
)
_UPSERT_TERMS = upsert_batch(Term, "kind", "key", "name", "description", "listed", key=["kind", "key"]).returning(
    Term.id, Term.key
)
_UPSERT_TOOLS = upsert_batch(Tool, "term_id", "tagline", "category", "tags", "use_cases", key=["term_id"])
_PROJECTS_WITH_TERMS = (
    select(Project.key)
    .join(ProjectTerm, ProjectTerm.project_id == Project.id)
    .where(in_list(ProjectTerm.term_id, _IDS))
    .distinct()
)
_ACTORS_WITH_TERMS = select(UserTag.actor_id).where(in_list(UserTag.term_id, _IDS)).distinct()


async def upsert_tools(connection: AsyncConnection, records: Sequence[ToolRecord]) -> UpsertResult:
    """Add tools, and change existing tools that differ. A new name updates the index documents that contain it."""

    def values(record: ToolRecord) -> tuple[Any, ...]:
        return (
            record.name, record.description, record.tagline, record.category, list(record.tags), record.use_cases,
        )  # fmt: skip

    ids, result = await _upsert_terms(connection, TermKind.TOOL, records, _STORED_TOOLS, values)
    rows = [
        (ids[r.key], r.tagline, r.category, list(r.tags), r.use_cases)
        for r in last_record_by_key(records)
        if r.key in ids
    ]
    if rows:
        await connection.execute(_UPSERT_TOOLS, {"rows": rows})
    await enqueue(connection, OutboxKind.TOOL, sorted(ids))
    return result


async def upsert_categories(connection: AsyncConnection, records: Sequence[CategoryRecord]) -> UpsertResult:
    """Add categories, and change existing categories that differ, as `upsert_tools`."""

    def values(record: CategoryRecord) -> tuple[Any, ...]:
        return record.name, record.description, True

    _, result = await _upsert_terms(connection, TermKind.CATEGORY, records, _STORED_CATEGORIES, values)
    return result


async def _upsert_terms(
    connection: AsyncConnection,
    kind: TermKind,
    records: Sequence[R],
    stored_terms: Any,
    values: Callable[[R], tuple[Any, ...]],
) -> tuple[dict[str, int], UpsertResult]:
    """Write the terms whose `values` differ from the stored columns; return the ids of the written terms, by key."""
    latest_records = {record.key: record for record in last_record_by_key(records)}
    stored = {row.key: row for row in await connection.execute(stored_terms, {"keys": list(latest_records)})}
    differing = {
        key: record
        for key, record in latest_records.items()
        if key not in stored or tuple(stored[key][2:]) != values(record)
    }
    if not differing:
        return {}, upsert_result(len(records))
    rows = [(kind.value, key, record.name, record.description, True) for key, record in differing.items()]
    ids = {row.key: row.id for row in await connection.execute(_UPSERT_TERMS, {"rows": rows})}
    renamed = [ids[key] for key in differing if key in stored and stored[key].name != differing[key].name]
    await _enqueue_documents_with_terms(connection, renamed)
    return ids, upsert_result(len(records), differing.keys() - stored.keys(), differing.keys() & stored.keys())


async def _enqueue_documents_with_terms(connection: AsyncConnection, term_ids: Sequence[int]) -> None:
    """Enqueue the projects and profiles whose texts contain the names of these terms."""
    if term_ids:
        await raise_project_versions(connection, term_ids=term_ids)
        projects = await connection.scalars(_PROJECTS_WITH_TERMS, {"ids": term_ids})
        await enqueue(connection, OutboxKind.PROJECT, projects.all())
        actors = await connection.scalars(_ACTORS_WITH_TERMS, {"ids": term_ids})
        await enqueue(connection, OutboxKind.PROFILE, [str(actor_id) for actor_id in actors])
