"""Migration 0020 stores keys in Unicode's NFC."""

import logging
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, insert, select

from db.database.engine import Database
from db.models import OnboardingQuestion, OutboxRow, Project, Term, User
from db.schema import configuration, migrate
from tests.conftest import ENGINES, MakeUrl

OLD, NEW = "cafe\u0301", "caf\u00e9"
TAKEN = {"key": "e\u0301", "title": "Taken"}
PROJECTS = [{"key": OLD, "title": "Renamed"}, TAKEN, {"key": "\u00e9", "title": "Holder", "private": True}]


def _fill(connection: Connection) -> None:
    command.upgrade(configuration(connection), "0019")
    connection.execute(insert(User), [{"key": OLD, "username": "Ada"}])
    rows = [{"type": "article", "private": False, **row} for row in PROJECTS]
    connection.execute(insert(Project), rows)
    connection.execute(insert(Term), [{"kind": kind, "key": key, "name": "T"} for kind, key in TERMS])
    term = {"kind": "tool", "key": OLD}
    question = {"key": "q", "type": "tool_select", "text": "?", "options": [{"id": "a", "term": term}, {"id": "b"}]}
    connection.execute(insert(OnboardingQuestion), [question])


TERMS = [("tool", OLD), ("topic", NEW), ("topic", OLD)]


@pytest.mark.parametrize("engine", ENGINES)
async def test_keys_are_normalized_where_the_normal_form_is_free(
    engine: str, make_url: MakeUrl, caplog: pytest.LogCaptureFixture
) -> None:
    async def keys(*columns: Any) -> set[Any]:
        return {tuple(row) for row in await database.fetch(select(*columns))}

    async with make_url(engine) as url:
        database = Database(url)
        async with database.write() as connection:
            await connection.run_sync(_fill)
        with caplog.at_level(logging.WARNING, "db.migrations"):
            assert (await migrate(database))[0] == "0020"
        assert await keys(User.key) == {(NEW,)}
        assert await keys(Project.key, Project.title) == {(NEW, "Renamed"), ("e\u0301", "Taken"), ("\u00e9", "Holder")}
        assert await keys(Term.kind, Term.key) == {("tool", NEW), ("topic", NEW), ("topic", OLD)}
        assert await keys(OutboxRow.kind, OutboxRow.key) == {
            (kind, key) for kind in ("project", "tool") for key in (OLD, NEW)
        }
        [options] = [row.options for row in await database.fetch(select(OnboardingQuestion.options))]
        await database.close()
    assert options == [{"id": "a", "term": {"kind": "tool", "key": NEW}}, {"id": "b"}]
    assert [record.args for record in caplog.records] == [("projects", "e\u0301"), ("terms", OLD)]
