"""The migrated schema equals the models, refuses invalid rows, and has monthly partitions."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, MetaData, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from db import schema
from db.database.column_types import UNKNOWN_TIME
from db.database.engine import Database
from db.errors import MigrationPending
from db.models import (
    Actor,
    ActorInterest,
    Base,
    CustomInteractionType,
    DecayedCounters,
    Dismissal,
    Engagement,
    Interaction,
    ItemFactors,
    ItemNeighbors,
    Job,
    Like,
    NetworkCount,
    OnboardingQuestion,
    OnboardingResponse,
    OutboxRow,
    Project,
    ProjectTerm,
    RankingModel,
    Save,
    ServedPage,
    TasteCluster,
    Term,
    User,
    UserFactors,
    VelocityConstants,
    now,
)
from db.partitions import ensure_partitions
from db.schema import configuration, migrate, require_current, revisions
from tests.conftest import ENGINES, MakeDatabase, MakeUrl
from tests.preloaded import Program
from tests.running import environment

PAIR = {"actor_id": 1, "project_id": 1}
TIME = datetime(2025, 3, 14, 15, 9, tzinfo=UTC)


# --- the same as the models ----------------------------------------------------------------------------------------


def _is_ours(_item: Any, name: str | None, kind: str, reflected: bool, _compared: Any) -> bool:
    return not (kind == "table" and reflected and str(name).startswith("interactions_"))


def _differences(connection: Connection) -> list[Any]:
    # On SQLite Alembic takes '' and "no default" for different defaults; the next test compares them to the letter.
    defaults = connection.dialect.name == "postgresql"
    options = {"compare_type": True, "compare_server_default": defaults, "include_object": _is_ours}
    context = MigrationContext.configure(connection, opts=options)
    return compare_metadata(context, Base.metadata)


async def test_alembic_finds_no_difference_between_the_migrated_schema_and_the_models(database: Database) -> None:
    async with database.write() as connection:
        assert await connection.run_sync(_differences) == []


SQLITE_CATALOGUE = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'")
POSTGRESQL_CATALOGUE = [
    text(
        """SELECT conrelid::regclass::text || '.' || conname AS name, pg_get_constraintdef(oid) AS sql
           FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text !~ :partitions"""
    ),
    text(
        """SELECT indexname AS name, indexdef AS sql FROM pg_indexes
           WHERE schemaname = 'public' AND tablename !~ :partitions"""
    ),
    text(
        """SELECT table_name || '.' || column_name AS name,
                  concat_ws(' ', data_type, is_nullable, regexp_replace(column_default, '::.*', ''),
                            is_identity, character_maximum_length) AS sql
           FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ :partitions"""
    ),
    text(
        """SELECT relname AS name, pg_get_partkeydef(oid) AS sql FROM pg_class
           WHERE relnamespace = 'public'::regnamespace AND relkind = 'p' AND relname !~ :partitions"""
    ),
]
NOT_OF_THE_MODELS = "^(interactions_.*|alembic_version.*)$"


async def _catalogue(database: Database) -> dict[str, Any]:
    """Everything the database says of its tables: columns, defaults, constraints and indexes, as it wrote them down."""
    if database.is_sqlite:
        rows = await database.fetch(SQLITE_CATALOGUE)
        # A column that was added stands on the line of the one before it.
        return {row.name: sorted(part.strip(" \t\n,)") for part in row.sql.split(", ")) for row in rows}
    found: dict[str, Any] = {}
    for statement in POSTGRESQL_CATALOGUE:
        rows = await database.fetch(statement, {"partitions": NOT_OF_THE_MODELS})
        found |= {row.name: row.sql for row in rows}
    return found


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_migrated_schema_is_to_the_letter_what_the_models_would_create(
    engine: str, make_database: MakeDatabase, make_url: MakeUrl
) -> None:
    async with make_database(engine) as migrated, make_url(engine) as url:
        created = Database(url)
        async with created.write() as connection:
            await connection.run_sync(Base.metadata.create_all)
        ours, models = await _catalogue(migrated), await _catalogue(created)
        await created.close()
    assert len(models) >= 40
    assert ours == models


async def test_every_check_constraint_has_the_name_that_the_models_give_it(database: Database) -> None:
    def named(connection: Connection) -> dict[str, set[Any]]:
        inspector = inspect(connection)
        return {
            table: {check["name"] for check in inspector.get_check_constraints(table)} for table in Base.metadata.tables
        }

    async with database.write() as connection:
        found = await connection.run_sync(named)
    for table in Base.metadata.sorted_tables:
        expected = {c.name for c in table.constraints if isinstance(c, CheckConstraint)}
        assert found[table.name] == expected, table.name
    assert "ck_users_role_known" in found["users"]


# --- going there ---------------------------------------------------------------------------------------------------


def test_the_files_name_the_revisions_in_their_order() -> None:
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    assert revisions() == [script.revision for script in scripts.walk_revisions()][::-1]


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_empty_store_is_migrated_once(engine: str, make_url: MakeUrl) -> None:
    async with make_url(engine) as url:
        database = Database(url)
        try:
            with pytest.raises(MigrationPending, match="explore migrate"):
                await require_current(database)

            assert await migrate(database) == revisions()
            await require_current(database)

            assert await migrate(database) == []
        finally:
            await database.close()


async def test_revisions_are_numbered_in_order() -> None:
    assert revisions()[0] == "0013"
    assert revisions() == sorted(revisions())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("revision", "advice"),
    [("9999", "9999.*newer version"), ("0012", "0012.*upgrades from 0013.*version before.*import"), ("0001", "0001")],
)
async def test_a_database_at_an_unknown_revision_is_refused_and_left_alone(
    engine: str, revision: str, advice: str, make_database: MakeDatabase
) -> None:
    async with make_database(engine) as database:
        async with database.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        before = await _catalogue(database)
        for attempt in (migrate, require_current):
            with pytest.raises(MigrationPending, match=advice):
                await attempt(database)
        assert await _catalogue(database) == before
        assert [row.version_num for row in await database.fetch(text("SELECT * FROM alembic_version"))] == [revision]


FIRST_ROWS: Mapping[str, Mapping[str, Any]] = {
    "users": {"id": 1, "key": "u1", "username": "Ada", "created_at": TIME, "updated_at": TIME},
    "projects": {"id": 1, "key": "p1", "title": "One", "type": "article", "created_at": TIME, "updated_at": TIME},
    "actors": {"id": 1, "user_id": 1, "settings": {"quiz": {}}, "created_at": TIME},
    "interactions": {**PAIR, "type": "bookmark", "at": TIME, "recorded_at": TIME},
    "saves": {**PAIR, "created_at": TIME},
    "dismissals": {**PAIR, "because": "signal:topic", "created_at": TIME},
    "project_pulses": {
        "project_id": 1, "people_1h": 1.0, "people_6h": 2.0, "people_3d": 3.0, "people_14d": 4.0, "last_s": 5.0,
        "busy_1h": 6.0, "busy_6h": 7.0, "busy_36h": 8.0, "busy_7d": 9.0, "last_h": 10.0,
    },
    "crowds": {"project_id": 1, "network": "n", "people": 2.5, "last_s": 7.0},
    "actor_tastes": {"actor_id": 1, "vector": b"v", "neighbours": b"n", "likeness": b"l", "circle": 3},
    "taste_circles": {"id": 3, "vector": b"c"},
    "project_tastes": {"project_id": 1, "vector": b"w"},
    "project_neighbours": {"project_id": 1, "kind": "cosine", "neighbours": b"m", "likeness": b"k"},
    "ranking_models": {
        "id": 1, "name": "mine", "curves": {"taste_of_crowd": {"xs": [0]}, "stages": {"quiz": {"neighbours": {}}}},
        "in_service": True, "created_at": TIME,
    },
    "served_pages": {
        "id": 1, "snapshot_id": "s", "feed_kind": "for_you", "strategy": "personalized", "model": "plan", "at": TIME,
        "first_rank": 1, "projects": [1], "signals": ["people_1h", "company", "age"], "contributions": b"c",
    },
    "jobs": {"name": "prepare months", "holder": "h", "started_at": TIME},
    "velocity_constants": {"id": 1, "constants": {}, "in_service": True, "created_at": TIME},
}  # fmt: skip
"""A row for each table that a later revision touches, as revision 0013 has it."""


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_database_of_the_version_before_keeps_its_rows(engine: str, make_url: MakeUrl) -> None:
    async with make_url(engine) as url:
        database = Database(url)
        async with database.write() as connection:
            await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "0013"))
            await connection.run_sync(_insert_first_rows)
        assert await migrate(database) == revisions()[1:]
        async with database.write() as connection:
            assert await connection.run_sync(_differences) == []
        rows = {model: (await database.fetch(select(*model.__table__.c)))[0] for model in KEPT}
        hours = (await database.fetch(text("SELECT count(*) AS n FROM activity_rates")))[0].n
        await database.close()
    assert {model: row._mapping for model, row in rows.items() if not KEPT[model].items() <= row._mapping.items()} == {}
    assert hours == 168


def _insert_first_rows(connection: Connection) -> None:
    tables = MetaData()
    tables.reflect(connection, only=list(FIRST_ROWS))
    for name, row in FIRST_ROWS.items():
        stored = {
            key: value.replace(tzinfo=None)
            if isinstance(value, datetime) and connection.dialect.name == "sqlite"
            else value
            for key, value in row.items()
        }
        connection.execute(insert(tables.tables[name]), [stored])


KEPT: Mapping[type[Base], Mapping[str, Any]] = {
    User: {"key": "u1", "username": "Ada"},
    Actor: {"id": 1, "user_id": 1, "settings": {"quiz": {}}, "created_at": TIME},
    Interaction: {**PAIR, "type": "save", "at": TIME, "recorded_at": TIME},
    Save: {**PAIR, "created_at": TIME},
    Dismissal: {**PAIR, "reason_id": "signal:topic", "created_at": TIME},
    DecayedCounters: {
        "project_id": 1, "actors_1h": 1.0, "actors_6h": 2.0, "actors_3d": 3.0, "actors_14d": 4.0, "as_of_s": 5.0,
        "active_1h": 6.0, "active_6h": 7.0, "active_36h": 8.0, "active_7d": 9.0, "as_of_active_h": 10.0,
    },
    NetworkCount: {"project_id": 1, "network": "n", "actors": 2.5, "as_of_s": 7.0},
    UserFactors: {"actor_id": 1, "vector": b"v", "cluster": 3},
    TasteCluster: {"id": 3, "vector": b"c"},
    ItemFactors: {"project_id": 1, "vector": b"w"},
    ItemNeighbors: {"project_id": 1, "neighbors": b"m", "similarity": b"k"},
    RankingModel: {
        "name": "mine", "is_active": True, "created_at": TIME,
        "curves": {"user_factors_sum": {"xs": [0]}, "stages": {"quiz": {"item_neighbors": {}}}},
    },
    ServedPage: {"model": "baseline", "signals": ["actors_1h", "session_neighbors", "age"], "contributions": b"c"},
    Job: {"name": "create partitions", "started_at": TIME},
    VelocityConstants: {"id": 1, "is_active": True},
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
async def test_processes_that_migrate_at_once_share_the_work_and_none_fails(
    engine: str, make_url: MakeUrl, tmp_path: Path
) -> None:
    said = [tmp_path / f"process_{number}" for number in range(3)]
    async with make_url(engine) as url:
        processes = []
        for path in said:
            with path.open("w") as output:
                settings = environment(tmp_path, DATABASE_URL=url)
                processes.append(Program(["migrate"], tmp_path, settings, output, output))
        for process in processes:
            assert await asyncio.to_thread(process.wait, 60) == 0
    # One transaction a revision: each was applied once, by whichever process came first.
    applied = [
        revision
        for path in said
        for line in re.findall(r"^applied (.+)$", path.read_text(), re.MULTILINE)
        for revision in line.split(", ")
    ]
    assert sorted(applied) == revisions()


# --- what must hold ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows that the schema refuses, and a word of the constraint that does."""

    says: str
    model: type[Base]
    rows: Sequence[Mapping[str, Any]]
    constraint: str


async def _seed(connection: AsyncConnection) -> None:
    await connection.execute(insert(User), [{"id": 1, "key": "u1", "username": "Ada"}])
    await connection.execute(insert(Actor), [{"id": 1, "user_id": 1}])
    await connection.execute(insert(Actor), [{"id": 2, "session_key": "s2"}])
    await connection.execute(insert(Project), [{"id": 1, "key": "p1", "title": "One", "type": "article"}])
    await connection.execute(insert(Term), [{"id": 1, "kind": "tool", "key": "t1", "name": "Tool"}])
    question = {"id": 1, "key": "q1", "type": "use_case", "text": "What for?"}
    await connection.execute(insert(OnboardingQuestion), [question])


EVENT = {**PAIR, "type": "view", "at": TIME}
TAG = {"actor_id": 1, "term_id": 1, "confidence": 0.5, "source": "manual"}
SERVED = {"snapshot_id": "s", "strategy": "x", "model": "m", "first_rank": 1, "projects": []}
PROJECT = {"key": "p2", "title": "Two", "type": "article"}
MODEL = {"curves": {}, "is_active": True}
ANSWER = {"actor_id": 1, "question_id": 1, "selected_options": []}

RULES = [
    Rule("a role is known", User, [{"key": "x", "username": "x", "role": "king"}], "ck_users_role_known"),
    Rule("a user's key is its own", User, [{"key": "u1", "username": "x"}], "users.key|uq_users_key"),
    Rule("an actor is not both user and session", Actor, [{"user_id": 1, "session_key": "s"}], "ck_actors_user_or_"),
    Rule("an actor is a user or a session", Actor, [{}], "ck_actors_user_or_session"),
    Rule("a user has one actor", Actor, [{"user_id": 1}], "actors.user_id|uq_actors_user_id"),
    Rule("a session has one actor", Actor, [{"session_key": "s2"}], "actors.session_key|uq_actors_session_key"),
    Rule("an actor's user exists", Actor, [{"user_id": 9}], "FOREIGN KEY|fk_actors_user_id_users"),
    Rule("likes are not negative", Project, [{**PROJECT, "like_count": -1}], "ck_projects_like_count_not_negative"),
    Rule("views are not negative", Project, [{**PROJECT, "view_count": -1}], "ck_projects_view_count_not_negative"),
    Rule("a project's key is its own", Project, [{**PROJECT, "key": "p1"}], "projects.key|uq_projects_key"),
    Rule("a project's owner exists", Project, [{**PROJECT, "owner_id": 9}], "FOREIGN KEY|fk_projects_owner_id"),
    Rule("a term's kind is known", Term, [{"kind": "x", "key": "k", "name": "n"}], "ck_terms_kind_known"),
    Rule("a term is there once", Term, [{"kind": "tool", "key": "t1", "name": "n"}], "terms.kind|uq_terms_kind_key"),
    Rule("a project carries a term once", ProjectTerm, [{"project_id": 1, "term_id": 1}] * 2, "project_terms"),
    Rule("a confidence is at most 1", ActorInterest, [{**TAG, "confidence": 1.1}], "ck_user_tags_confidence_in_range"),
    Rule(
        "a confidence is at least 0", ActorInterest, [{**TAG, "confidence": -0.1}], "ck_user_tags_confidence_in_range"
    ),
    Rule("a tag's source is known", ActorInterest, [{**TAG, "source": "guessed"}], "ck_user_tags_source_known"),
    Rule("an interaction is there once", Interaction, [EVENT, EVENT], "interactions"),
    Rule(
        "a custom type's bit is its own",
        CustomInteractionType,
        [{"name": name, "bit": 6, "is_active": True, "weight": 1.0} for name in ("a", "b")],
        "custom_interaction_types.bit|uq_custom_interaction_types_bit",
    ),
    Rule("an interaction's feed is known", Interaction, [{**EVENT, "feed_kind": "x"}], "ck_interactions_feed_kind_kn"),
    Rule("a position is not negative", Interaction, [{**EVENT, "position": -1}], "ck_interactions_position_not_neg"),
    Rule("an interaction's project exists", Interaction, [{**EVENT, "project_id": 9}], "FOREIGN KEY|fk_interactions"),
    Rule("an interaction's actor exists", Interaction, [{**EVENT, "actor_id": 9}], "FOREIGN KEY|fk_interactions_act"),
    Rule("a project is liked once", Like, [PAIR, PAIR], "likes"),
    Rule("a project is saved once", Save, [PAIR, PAIR], "saves"),
    Rule("a project is dismissed once", Dismissal, [PAIR, PAIR], "dismissals"),
    Rule(
        "engagement is one row", Engagement, [{**PAIR, "first_at": TIME, "last_at": TIME, "kinds": 1}] * 2, "engagement"
    ),
    Rule("a question's type is known", OnboardingQuestion, [{"key": "k", "type": "x", "text": "t"}], "type_known"),
    Rule("a question is answered once", OnboardingResponse, [ANSWER, ANSWER], "onboarding_responses"),
    Rule("an outbox row's kind is known", OutboxRow, [{"kind": "x", "key": "k"}], "ck_outbox_kind_known"),
    Rule("an outbox row is one per key", OutboxRow, [{"kind": "tool", "key": "k"}] * 2, "outbox"),
    Rule(
        "one model is in service",
        RankingModel,
        [{**MODEL, "name": "a"}, {**MODEL, "name": "b"}],
        "ranking_models.is_active|uq_ranking_models_is_active",
    ),
    Rule("a served page's feed is known", ServedPage, [{**SERVED, "feed_kind": "x"}], "ck_served_pages_feed_kind_kn"),
]


@pytest.mark.parametrize("rule", RULES, ids=[rule.says for rule in RULES])
async def test_the_schema_holds_that(rule: Rule, database: Database) -> None:
    async with database.write() as connection:
        await _seed_past_sequences(connection, database)
    with pytest.raises(IntegrityError, match=rule.constraint):
        await _insert(database, rule)


async def _insert(database: Database, rule: Rule) -> None:
    async with database.write() as connection:
        for row in rule.rows:
            await connection.execute(insert(rule.model), [row])


async def _seed_past_sequences(connection: AsyncConnection, database: Database) -> None:
    """Seed, and let PostgreSQL's own counters go on after the ids that were given."""
    await _seed(connection)
    if not database.is_sqlite:
        for table in ("users", "actors", "projects", "terms", "onboarding_questions"):
            await connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)"))


async def test_two_models_may_stand_by(database: Database) -> None:
    async with database.write() as connection:
        for name, is_active in (("a", False), ("b", False), ("c", True)):
            await connection.execute(insert(RankingModel), [{"name": name, "curves": {}, "is_active": is_active}])
    assert len(await database.fetch(text("SELECT 1 FROM ranking_models"))) == 3


async def test_a_deleted_user_takes_all_that_hangs_on_the_actor_along_and_leaves_the_projects(
    database: Database,
) -> None:
    async with database.write() as connection:
        await _seed(connection)
        await connection.execute(text("UPDATE projects SET owner_id = 1"))
        await connection.execute(insert(Interaction), [EVENT])
        await connection.execute(insert(Engagement), [{**PAIR, "first_at": TIME, "last_at": TIME, "kinds": 1}])
        for model in (Like, Save, Dismissal):
            await connection.execute(insert(model), [PAIR])
        await connection.execute(insert(ActorInterest), [TAG])
        await connection.execute(insert(OnboardingResponse), [ANSWER])
        await connection.execute(insert(ServedPage), [{**SERVED, "feed_kind": "for_you", "actor_id": 1}])
        await connection.execute(insert(Actor), [{"id": 3, "session_key": "s3", "merged_into": 1}])
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM users WHERE id = 1"))
    personal = ("interactions", "engagement", "likes", "saves", "dismissals", "user_tags", "onboarding_responses")
    for table in (*personal, "served_pages"):
        assert not await database.fetch(text(f"SELECT 1 FROM {table}")), table  # noqa: S608
    assert [row.id for row in await database.fetch(text("SELECT id FROM actors"))] == [2]
    assert [row.owner_id for row in await database.fetch(text("SELECT owner_id FROM projects"))] == [None]


# --- the months of interactions ------------------------------------------------------------------------------------

WHERE = text("SELECT tableoid::regclass::text AS partition, at FROM interactions ORDER BY at")


async def _record(connection: AsyncConnection, *times: datetime) -> None:
    await connection.execute(insert(Interaction), [{**PAIR, "type": "view", "at": time} for time in times])


async def test_rows_land_in_the_partition_of_their_month(postgresql_database: Database) -> None:
    edges = [
        datetime(2025, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2025, 2, 1, tzinfo=UTC),
        datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    ]
    async with postgresql_database.write() as connection:
        await _seed(connection)
        await ensure_partitions(connection, edges)
        await _record(connection, *edges)
    found = [row.partition for row in await postgresql_database.fetch(WHERE)]
    assert found == [f"interactions_{month}" for month in ("2025_01", "2025_02", "2025_12", "2026_01")]


async def test_an_unknown_time_needs_no_new_partition(postgresql_database: Database) -> None:
    async with postgresql_database.write() as connection:
        await _seed(connection)
        await ensure_partitions(connection, [UNKNOWN_TIME])
        await _record(connection, UNKNOWN_TIME)
    assert [row.partition for row in await postgresql_database.fetch(WHERE)] == ["interactions_1970_01"]


async def test_the_months_to_come_are_ready_after_a_migration(postgresql_database: Database) -> None:
    async with postgresql_database.write() as connection:
        await _seed(connection)
        await _record(connection, now())
    assert [row.partition for row in await postgresql_database.fetch(WHERE)] == [f"interactions_{now():%Y_%m}"]


async def test_rows_that_stand_in_the_default_partition_move_to_their_month(postgresql_database: Database) -> None:
    early, late = datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 6, 30, 23, 59, 59, tzinfo=UTC)
    other = datetime(2024, 7, 1, tzinfo=UTC)
    async with postgresql_database.write() as connection:
        await _seed(connection)
        await _record(connection, early, late, other)
    assert {row.partition for row in await postgresql_database.fetch(WHERE)} == {"interactions_default"}
    async with postgresql_database.write() as connection:
        await ensure_partitions(connection, [early])
    assert [(row.partition, row.at) for row in await postgresql_database.fetch(WHERE)] == [
        ("interactions_2024_06", early),
        ("interactions_2024_06", late),
        ("interactions_default", other),
    ]


async def test_a_partition_has_the_constraints_and_indexes_of_its_parent(postgresql_database: Database) -> None:
    indexes = text("SELECT count(*) AS n FROM pg_indexes WHERE tablename = :table")
    constraints = text(
        """SELECT replace(conname, :table, '') AS name, contype::text, convalidated,
                  CASE contype WHEN 'c' THEN pg_get_constraintdef(oid) END AS sql
           FROM pg_constraint WHERE conrelid = cast(:table AS text)::regclass"""
    )
    async with postgresql_database.write() as connection:
        await ensure_partitions(connection, [TIME])
    fetch = postgresql_database.fetch
    name = "interactions_2025_03"
    assert (await fetch(indexes, {"table": name}))[0].n == (await fetch(indexes, {"table": "interactions"}))[0].n == 3
    kinds = [
        sorted((row.contype, row.convalidated, row.sql or "") for row in await fetch(constraints, {"table": table}))
        for table in (name, "interactions")
    ]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) == 5


async def test_making_partitions_twice_is_one_statement(postgresql_database: Database, statements: Any) -> None:
    async with postgresql_database.write() as connection:
        await ensure_partitions(connection, [TIME])
        with statements(postgresql_database) as issued:
            await ensure_partitions(connection, [TIME, TIME])
            await ensure_partitions(connection, [])
    assert len(issued) == 1


async def test_writers_that_need_the_same_new_months_at_once_all_succeed(postgresql_database: Database) -> None:
    months = [datetime(2023, month, 15, tzinfo=UTC) for month in range(1, 7)]
    async with postgresql_database.write() as connection:
        await _seed(connection)
        await _record(connection, months[0].replace(minute=59))

    async def write(minute: int) -> None:
        times = [month.replace(minute=minute) for month in (months if minute % 2 else reversed(months))]
        async with postgresql_database.write() as connection:
            await ensure_partitions(connection, times)
            await _record(connection, *times)

    await asyncio.gather(*(write(minute) for minute in range(8)))
    found = [row.partition for row in await postgresql_database.fetch(WHERE)]
    assert len(found) == 8 * 6 + 1
    assert set(found) == {f"interactions_2023_{month:02}" for month in range(1, 7)}


async def test_partitions_are_no_business_of_sqlite(sqlite_database: Database, statements: Any) -> None:
    with statements(sqlite_database) as issued:
        async with sqlite_database.write() as connection:
            await ensure_partitions(connection, [TIME])
    assert issued == []
