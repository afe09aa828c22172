"""Records whose values databases change: both databases return what was imported."""

from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from db.database.engine import Database
from db.imports.importer import import_directory
from db.models import Project, User
from tests.db.imports.test_importer import counts, fill, told

NUMBERS = [
    1e23, 1.2345678901234568e29, 1.7976931348623157e308, -1e19, 1e16, 1e22, 5e-324, 0.1 + 0.2, 1 / 3, -0.0, 1.0, 2.5,
    2**63, 2**64 - 1, -(2**63), float(2**64),
]  # fmt: skip
OWNER = {"key": "own\u00e9r", "username": "O"}
PROJECT = {"key": "p", "title": "P", "type": "article", "owner": "owne\u0301r", "source": {"n": NUMBERS}}


async def test_numbers_come_back_exactly_and_a_second_import_changes_nothing(
    database: Database, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "in", users=[OWNER], projects=[PROJECT])
    assert counts(await import_directory(database, folder))["projects.jsonl"] == (1, 1, 0, 0, 0)
    assert counts(await import_directory(database, folder))["projects.jsonl"] == (1, 0, 0, 1, 0)
    [row] = await database.fetch(select(Project.source))
    assert row.source["n"] == NUMBERS
    assert orjson.loads(orjson.dumps(row.source)) == row.source


async def test_keys_are_compared_in_one_normalization(database: Database, tmp_path: Path) -> None:
    like = {"user": "owne\u0301r", "project": "p", "type": "like"}
    folder = fill(
        tmp_path / "in", users=[OWNER, OWNER | {"key": "owne\u0301r"}], projects=[PROJECT], interactions=[like]
    )
    assert (await import_directory(database, folder, strict=True)).refused == 0
    assert [row.key for row in await database.fetch(select(User.key))] == ["own\u00e9r"]


@pytest.mark.parametrize("strict", [False, True])
async def test_a_line_with_nul_is_refused_and_the_rest_goes_in(
    database: Database, tmp_path: Path, strict: bool
) -> None:
    lines = [
        {"key": f"p{n}", "title": "P", "type": "a", "url": "https://e.com/\0" if n == 1 else None} for n in range(3)
    ]
    report = await import_directory(database, fill(tmp_path / "in", projects=lines), strict=strict)
    assert told(report) == ["projects.jsonl:2: url: must not contain the character U+0000 (NUL); remove it"]
    keys = [row.key for row in await database.fetch(select(Project.key).order_by(Project.key))]
    assert keys == ([] if strict else ["p0", "p2"])
