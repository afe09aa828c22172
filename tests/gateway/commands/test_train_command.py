"""`explore train` and `explore models`: what they say, and that a broken model never comes into service."""

import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import InteractionType
from db.trained_models.registry import activate_model, active_model, all_models, store_model
from gateway.commands.train_commands import models_report, run_models, run_train
from scoring.errors import InsufficientData, InvalidModel
from scoring.models.model_presets import DEFAULT, as_data
from scoring.training.model_training import train_model
from tests.world import BEGIN, World, embedded_world

GOOD = {"age": {"xs": [0.0, 10.0], "ys": [0.0, -1.0]}, "stages": {"new": {"age": {"xs": [0.0, 10.0], "ys": [0, -1]}}}}


@pytest.fixture
async def world(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with embedded_world(sqlite_database, tmp_path) as made:
        yield made


def console() -> Console:
    return Console(file=io.StringIO(), width=400)


def printed(output: Console) -> str:
    assert isinstance(output.file, io.StringIO)
    return output.file.getvalue()


async def keep(database: Database, **models: dict[str, object]) -> None:
    async with database.write() as connection:
        for name, curves in models.items():
            await store_model(connection, name, curves, {})


async def serving(database: Database) -> str | None:
    stored = await active_model(database)
    return stored.name if stored else None


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        ({"age": {"xs": [0.0, 1.0], "ys": [0.0, None]}}, "finite"),
        ({"a_signal_of_old": {"xs": [0.0], "ys": [0.0]}}, "not served: a_signal_of_old"),
    ],
)
async def test_a_model_that_cannot_serve_is_refused_and_the_one_in_service_stays(
    database: Database, curves: dict[str, object], said: str
):
    await keep(database, good=GOOD, broken=curves)
    await run_models(database, console(), use="good")
    with pytest.raises(InvalidModel, match=said):
        await run_models(database, console(), use="broken")
    with pytest.raises(InvalidRecord, match="no model named 'unheard-of'"):
        await run_models(database, console(), use="unheard-of")
    assert await serving(database) == "good"


async def test_back_goes_to_the_model_that_served_before_and_at_last_to_the_preset(database: Database):
    await keep(database, first=GOOD, second=GOOD)
    with pytest.raises(InvalidRecord, match="no earlier model"):
        await run_models(database, console(), back=True)
    await run_models(database, console(), use="first")
    await run_models(database, console(), use="second")
    output = console()
    await run_models(database, output, back=True)
    assert printed(output) == "first is active\n"
    assert await serving(database) == "first"


async def test_back_from_the_first_model_is_the_preset_that_ships(database: Database):
    await keep(database, first=GOOD)
    await run_models(database, console(), use="first")
    await run_models(database, console(), back=True)
    assert await serving(database) == DEFAULT.name
    stored = await active_model(database)
    assert stored is not None
    assert stored.curves == as_data(DEFAULT)


async def test_a_name_is_taken_once(database: Database):
    await keep(database, first=GOOD)
    for name in ("first", "baseline"):
        with pytest.raises(InvalidRecord, match="already"):
            await train_model(database, name)
    with pytest.raises(InvalidRecord, match="already"):
        await keep(database, first=GOOD)


async def test_all_curves_are_drawn_on_a_page_that_loads_nothing(database: Database):
    await keep(database, good=GOOD, broken={"a_signal_of_old": {"xs": [0.0], "ys": [0.0]}})
    page = await models_report(database)
    assert page.count("<polyline") == 2  # for everybody and for the new
    assert "signals that are not served" in page
    assert "http" not in page
    assert "<script" not in page


async def test_too_little_to_learn_from_is_a_sentence_and_changes_nothing(world: World):
    database = world.stores.database
    with pytest.raises(InsufficientData, match="no interaction with any project"):
        await run_train(database, None, 1, 0, console())
    await world.add_projects(3)
    await world.add_users("only")
    await world.act("only", InteractionType.VIEW, "p0000", "p0001")
    with pytest.raises(InsufficientData, match="the active model stays"):
        await run_train(database, None, 1, 0, console())
    assert not await all_models(database)


async def test_a_trained_model_is_kept_with_its_report_whatever_is_in_service(world: World):
    """Twelve people read two projects a day of the newest for six weeks; the model in service is broken."""
    database = world.stores.database
    await keep(database, broken={"a_signal_of_old": {"xs": [0.0], "ys": [0.0]}})
    async with database.write() as connection:
        await activate_model(connection, "broken")
    await world.add_projects(44)
    names = [f"u{n:02}" for n in range(12)]
    await world.add_users(*names)
    ids = await world.ids(f"p{n:04}" for n in range(44))
    events = []
    for number, name in enumerate(names):
        viewer = await world.viewer(name)
        assert viewer.actor_id is not None
        for day in range(42):
            at = BEGIN - timedelta(days=day) + timedelta(minutes=number)
            if at < BEGIN:
                events += [
                    NewInteraction(viewer.actor_id, ids[day + more], InteractionType.VIEW, at) for more in (0, 1)
                ]
    async with database.write() as connection:
        await record_interactions(connection, events)
    output = console()
    code = await run_train(database, "mine", 1, 0, output)
    fault = "the model broken uses signals that are not served: a_signal_of_old"
    assert f"compared with default, for {fault}" in printed(output)
    assert code == (0 if await serving(database) == "mine" else 1)
    kept = next(one for one in await all_models(database) if one.name == "mine")
    assert kept.report["learned from"].startswith("a replay of interactions")
    assert kept.report["fitted"]["until_s"] < kept.report["judged"]["from_s"]
    assert kept.report["fault"]
    assert "mine" in await models_report(database)
