"""Rows that an earlier version wrote get folded texts, in batches."""

from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from db.catalog import search_texts
from db.catalog.catalog_entries import search_tools, upsert_projects, upsert_tools
from db.catalog.keyword_search import title_matches
from db.catalog.project_cards import ProjectFilter
from db.catalog.search_texts import fill_search_texts
from db.database.engine import Database
from db.models import ProjectSearchText, Term
from db.records import ProjectRecord, ToolRecord


async def test_rows_of_an_earlier_version_are_filled_in_batches(
    database: Database, statements: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = [ProjectRecord(key=f"p{n}", title=f"Überblick {n}", type="article") for n in range(5)]
    tools = [ToolRecord(key="t", name="Élan"), ToolRecord(key="accent", name="\u0301")]
    async with database.write() as connection:
        await upsert_projects(connection, projects)
        await upsert_tools(connection, tools)
        await connection.execute(delete(ProjectSearchText).where(text("project_id <> 2")))
        await connection.execute(update(ProjectSearchText).values(title="written by a newer server"))
        await connection.execute(update(Term).values(folded_name=""))
    assert len(await title_matches(database, "uberblick", 9, ProjectFilter())) == 0
    for name in ("_PROJECTS_WITHOUT", "_TERMS_WITHOUT"):
        monkeypatch.setattr(search_texts, name, getattr(search_texts, name).limit(3))
    with statements(database) as issued:
        assert await fill_search_texts(database) == 5

    written = [statement for statement in issued if statement.startswith(("INSERT", "UPDATE"))]
    assert len(written) == 3  # two batches of projects, one of terms
    assert len(await title_matches(database, "uberblick", 9, ProjectFilter())) == 4
    assert [tool.key for tool in await search_tools(database, "elan", 9)] == ["t"]
    assert len(await database.fetch(select(ProjectSearchText.title).where(text("title LIKE 'written%'")))) == 1
    assert await fill_search_texts(database) == 0
