"""The statements of a request use their indexes, on both engines, in a database that is not tiny."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, event, insert, select, text

from db import outbox
from db.actors import profiles
from db.actors.users import ANONYMOUS_VIEWER
from db.catalog import candidate_queries
from db.catalog.project_cards import ProjectFilter
from db.catalog.visibility import PUBLIC
from db.database.column_types import IntegerList, TextList, in_list
from db.database.engine import Database
from db.models import (
    Actor,
    ActorInterest,
    Base,
    Engagement,
    Interaction,
    Like,
    OutboxRow,
    Project,
    ProjectTerm,
    Term,
)
from db.page_projects import PageProjects
from db.partitions import ensure_partitions
from tests.conftest import ENGINES
from tests.templates import Template

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
ACTOR, PROJECT, TERM = 7, 11, 3
VIEWER = replace(ANONYMOUS_VIEWER, actor_id=ACTOR, verified_by=("user", "u7"))


@dataclass(frozen=True, slots=True)
class HotQuery:
    """What a request asks, and how the engines must answer it.

    `index` and `on_postgresql` are patterns of the index's name (a partition's index has a name of its own);
    `in_order` says that the index gives the order too, so that nothing is sorted.
    """

    name: str
    ask: Callable[[Database], Awaitable[Any]]
    index: str
    on_postgresql: str = ""
    in_order: bool = True


def _statement(statement: Any, **parameters: Any) -> Callable[[Database], Awaitable[Any]]:
    return lambda database: database.fetch(statement, parameters)


LATEST = (Project.created_at.desc(), Project.id.desc())
ANY = ProjectFilter()
VIEWER = replace(ANONYMOUS_VIEWER, actor_id=ACTOR)

HOT_QUERIES = [
    HotQuery(
        "the newest public projects",
        lambda database: PageProjects(database).read_newest(30, VIEWER, after=None, where=ANY),
        "ix_projects_newest",
    ),
    HotQuery(
        "the most popular public projects",
        _statement(select(Project.id).where(PUBLIC).order_by(Project.like_count.desc(), *LATEST).limit(500)),
        "ix_projects_popular",
    ),
    HotQuery(
        "the public projects that are trending",
        _statement(select(Project.id).where(PUBLIC).order_by(Project.engagement_velocity.desc(), *LATEST).limit(30)),
        "ix_projects_trending",
    ),
    HotQuery(
        "the projects of an owner",
        _statement(select(Project.id).where(Project.owner_id == 5)),
        "ix_projects_owner_id",
        in_order=False,
    ),
    HotQuery(
        "projects by their keys",
        _statement(
            select(Project.id).where(in_list(Project.key, bindparam("keys", type_=TextList()))), keys=["p-1", "p-2"]
        ),
        "sqlite_autoindex_projects_1",
        "uq_projects_key",
    ),
    HotQuery(
        "what an actor engaged with last",
        lambda database: profiles.recent_engagements(database, ACTOR, 200),
        "ix_engagement_actor_last",
        in_order=False,  # sorted further by project among equal times
    ),
    HotQuery(
        "who engaged with a project last",
        _statement(
            select(Engagement.actor_id)
            .where(Engagement.project_id == PROJECT)
            .order_by(Engagement.last_at.desc())
            .limit(30)
        ),
        "ix_engagement_project_last",
    ),
    HotQuery(
        "an actor's latest interactions of one type",
        _statement(
            select(Interaction.project_id)
            .where(Interaction.actor_id == ACTOR, Interaction.type == "view")
            .order_by(Interaction.at.desc())
            .limit(30)
        ),
        "ix_interactions_actor_type_at",
        r"interactions_\w+_actor_id_type_at_idx",
    ),
    HotQuery(
        "the latest interactions with a project",
        _statement(
            select(Interaction.actor_id)
            .where(Interaction.project_id == PROJECT, Interaction.at >= NOW - timedelta(days=14))
            .order_by(Interaction.at.desc())
        ),
        "ix_interactions_project_at",
        r"interactions_\w+_project_id_at_idx",
        in_order=False,  # PostgreSQL may find a bitmap cheaper, and sort the few rows
    ),
    HotQuery(
        "the latest likes of a project",
        _statement(select(Like.actor_id).where(Like.project_id == PROJECT).order_by(Like.created_at.desc()).limit(30)),
        "ix_likes_project_created",
    ),
    HotQuery(
        "an actor's latest likes",
        _statement(select(Like.project_id).where(Like.actor_id == ACTOR).order_by(Like.created_at.desc()).limit(30)),
        "ix_likes_actor_created",
    ),
    HotQuery(
        "which of some projects an actor likes",
        _statement(
            select(Like.project_id).where(
                Like.actor_id == ACTOR, in_list(Like.project_id, bindparam("ids", type_=IntegerList()))
            ),
            ids=[1, 2, 3],
        ),
        "sqlite_autoindex_likes_1",
        "pk_likes",
        in_order=False,
    ),
    HotQuery(
        "an actor's tags",
        lambda database: profiles.interests_of(database, ACTOR),
        "ix_user_tags_actor_term_confidence|sqlite_autoindex_user_tags_1",
        "ix_user_tags_actor_term_confidence|pk_user_tags",
        in_order=False,
    ),
    HotQuery(
        "the actors who carry a term",
        _statement(select(ActorInterest.actor_id).where(ActorInterest.term_id == TERM)),
        "ix_user_tags_term_actor",
        in_order=False,
    ),
    HotQuery(
        "the projects that carry a term",
        _statement(select(ProjectTerm.project_id).where(ProjectTerm.term_id == TERM)),
        "ix_project_terms_term_id_project_id",
        in_order=False,
    ),
    HotQuery(
        "a term by its kind and key",
        _statement(select(Term.id).where(Term.kind == "topic", Term.key == "t-3")),
        "sqlite_autoindex_terms_1",
        "uq_terms_kind_key",
    ),
    HotQuery(
        "the actor of a session",
        _statement(select(Actor.id).where(Actor.session_key == "s-7")),
        r"sqlite_autoindex_actors_\d",
        "uq_actors_session_key",
    ),
    HotQuery(
        "likes of people who share an actor's tags",
        lambda database: candidate_queries.liked_by_neighbors(
            database, ACTOR, None, neighbors=30, min_shared=2, min_actors=2, batch=datetime.now(UTC)
        ),
        "ix_user_tags_term_actor",
        in_order=False,
    ),
    HotQuery(
        "the next rows of the outbox",
        lambda database: outbox.take(database, 32, 60),
        "ix_outbox_next",
        in_order=False,
    ),
]

PROJECTS, ACTORS, TERMS, EVENTS = 5_000, 1_000, 600, 20_000


def _rows() -> dict[type[Base], list[dict[str, Any]]]:
    """Make rows whose values are scattered, by multiplication with primes."""
    ids = range(1, PROJECTS + 1)
    pairs = [(1 + i * 7919 % ACTORS, 1 + i * 104_729 // 3 % PROJECTS) for i in range(EVENTS)]
    distinct = list(dict.fromkeys(pairs))
    ago = {pair: NOW - timedelta(minutes=number * 31 % 90_000) for number, pair in enumerate(distinct)}
    tagged = dict.fromkeys((1 + i * 17 % ACTORS, 1 + i * 31 % TERMS) for i in range(8_000))
    carried = dict.fromkeys((1 + i % PROJECTS, 1 + i * 13 % TERMS) for i in range(15_000))
    return {
        Actor: [{"id": i, "session_key": f"s-{i}"} for i in range(1, ACTORS + 1)],
        Term: [{"id": i, "kind": "topic", "key": f"t-{i}", "name": f"t-{i}"} for i in range(1, TERMS + 1)],
        Project: [
            {
                "id": i,
                "key": f"p-{i}",
                "title": f"Project {i}",
                "type": "article",
                "private": i % 20 == 0,
                "like_count": i * 7919 % 300,
                "engagement_velocity": (i * 104_729 % 1_000) / 10,
                "created_at": NOW - timedelta(minutes=i * 7919 % 500_000),
            }
            for i in ids
        ],
        ProjectTerm: [{"project_id": project, "term_id": term} for project, term in carried],
        ActorInterest: [{"actor_id": a, "term_id": t, "confidence": 0.5, "source": "manual"} for a, t in tagged],
        Engagement: [
            {"actor_id": a, "project_id": p, "first_at": at, "last_at": at, "kinds": 3} for (a, p), at in ago.items()
        ],
        Like: [{"actor_id": a, "project_id": p, "created_at": at} for (a, p), at in ago.items()],
        Interaction: [
            {"actor_id": a, "project_id": p, "type": type_, "at": at}
            for (a, p), at in ago.items()
            for type_ in ("view", "like")
        ],
        OutboxRow: [{"kind": "project", "key": f"p-{i}", "available_at": NOW, "dead": i % 50 != 0} for i in ids],
    }


async def _fill(database: Database) -> None:
    rows = _rows()
    async with database.write() as connection:
        await ensure_partitions(connection, [row["at"] for row in rows[Interaction]])
        for model, values in rows.items():
            await connection.execute(insert(model), values)
    async with database.write() as connection:
        await connection.execute(text("ANALYZE"))


@pytest.fixture(scope="module", params=ENGINES)
async def filled(
    request: pytest.FixtureRequest,
    sqlite_template: Template,
    postgresql_template: Template,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Database]:
    """Fill one database of each engine for all queries: they read only, or are explained and not run."""
    templates = {"sqlite": sqlite_template, "postgresql": postgresql_template}
    async with templates[request.param].copy(tmp_path_factory.mktemp("hot")) as database:
        await _fill(database)
        yield database


CHEAPER_WHEN_SMALL = ("seqscan", "bitmapscan", "sort")
"""What PostgreSQL rightly prefers for the 10 rows of an actor here; an actor with 10,000 needs the index's order."""


class _Explained(Exception):
    """Stops a statement before it runs."""


async def _plan(database: Database, ask: Callable[[Database], Awaitable[Any]], discouraged: Sequence[str] = ()) -> str:
    """Let the code ask, catch its first statement on the way to the driver, and have that explained instead."""
    caught: list[tuple[str, Any]] = []

    def catch(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            caught.append((statement, parameters))
            raise _Explained

    def catch_short(statement: str, values: Any) -> None:
        caught.append((statement, tuple(values)))
        raise _Explained

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", catch)
    database.short_reads.listeners.append(catch_short)
    try:
        with pytest.raises(_Explained):
            await ask(database)
    finally:
        database.short_reads.listeners.remove(catch_short)
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", catch)
    statement, parameters = caught[0]
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN (COSTS OFF) "
    async with database.write() as connection:
        for setting in () if database.is_sqlite else discouraged:
            await connection.exec_driver_sql(f"SET LOCAL enable_{setting} = off")
        found = await connection.exec_driver_sql(explain + statement, parameters)
        return "\n".join(str(row[-1]) for row in found)


@pytest.mark.parametrize("query", HOT_QUERIES, ids=[query.name for query in HOT_QUERIES])
async def test_an_index_serves(query: HotQuery, filled: Database) -> None:
    plan = await _plan(filled, query.ask, CHEAPER_WHEN_SMALL if query.in_order else ())
    index = query.index if filled.is_sqlite else query.on_postgresql or query.index
    assert re.search(rf"\b({index})\b", plan), f"{index} is not in\n{plan}"
    if query.in_order:
        assert not re.search(r"TEMP B-TREE FOR ORDER BY|(?m:(?:^|->)\s*(?:Incremental )?Sort$)", plan), plan


async def test_the_months_that_a_query_does_not_need_are_not_opened(
    postgresql_template: Template, tmp_path: Path
) -> None:
    statement = select(Interaction.actor_id).where(Interaction.at >= NOW - timedelta(days=3), Interaction.at < NOW)
    async with postgresql_template.copy(tmp_path) as database:
        async with database.write() as connection:
            await ensure_partitions(connection, [NOW - timedelta(days=31 * n) for n in range(6)])
        plan = await _plan(database, _statement(statement))
    assert "interactions_2026_06" in plan
    assert "interactions_2026_05" not in plan
