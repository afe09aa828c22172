"""`explore reindex` says what was written, what still waits, and how far it came when a store went away."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway.commands.import_command import run_import
from gateway.commands.reindex_command import compare, rebuild
from gateway.errors import CannotStart
from gateway.settings import Settings
from gateway.stores import open_migrated
from tests.doubles.openai import KEY, Fault, OpenAIDouble

pytestmark = pytest.mark.servers


def errors() -> Console:
    return Console(file=io.StringIO(), width=1_000)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(_env_file=None, **{"var_dir": folder / "var", **given})


async def filled(made: Settings, folder: Path, projects: int) -> Settings:
    """Import projects and two users of whom nothing is known; all rows wait in the outbox."""
    records = [{"key": f"p{n}", "title": f"Title {n}", "type": "article"} for n in range(projects)]
    (folder / "projects.jsonl").write_text("\n".join(map(json.dumps, records)))
    (folder / "users.jsonl").write_text("\n".join(json.dumps({"key": key, "username": key}) for key in "ab"))
    async with open_migrated(made) as stores:
        await run_import(stores.database, folder, output=errors(), errors=errors())
    return made


async def test_rows_that_waited_are_counted_as_written_and_the_people_without_a_profile_explained(tmp_path: Path):
    made, console = await filled(settings(tmp_path), tmp_path, 3), errors()
    whole, holds = await rebuild(made, console)
    assert re.fullmatch(r"index complete: 3 written, 0 kept, 0 rejected, in \d+ s", whole)
    assert holds.startswith(
        "it holds 3 projects, 0 user profiles, 0 tools; 2 of 2 users and sessions have no profile yet: it requires"
    )
    assert "projects: done, 3 written, " in said(console)


async def test_an_index_that_lags_is_no_match_until_the_rows_are_written(tmp_path: Path):
    made = await filled(settings(tmp_path), tmp_path, 3)
    found = await compare(made, repair=False)
    assert not found.is_clean
    assert found.summary(repaired=False).startswith("5 rows wait in the outbox; ")
    found = await compare(made, repair=True)
    assert found.is_clean
    assert found.summary(repaired=True) == "the index matches the database"


async def test_a_store_that_goes_away_leaves_word_of_how_far_it_came(tmp_path: Path):
    async with OpenAIDouble() as double:
        made = settings(tmp_path, openai_api_key=KEY, openai_base_url=double.url)
        await filled(made, tmp_path, 120)
        double.always = Fault(status=401)
        with pytest.raises(CannotStart, match=r"0 objects are written; .* To continue: explore reindex"):
            await rebuild(made, errors())
