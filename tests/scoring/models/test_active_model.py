"""What was put in service ranks from the next look on; what cannot serve never does."""

from db.database.engine import Database
from db.errors import Store
from db.trained_models.registry import activate_model, store_model
from scoring.mathematics.additive_model import BASELINE
from scoring.models.active_model import ActiveModel
from scoring.models.model_presets import DEFAULT, as_data
from tests.scoring.test_feeds import Away


async def appoint(database: Database, name: str | None, **curves: object) -> None:
    async with database.write() as connection:
        if name is not None and curves:
            await store_model(connection, name, curves, {})
        await activate_model(connection, name)


async def test_what_ships_ranks_until_a_model_is_put_in_service_and_a_rollback_needs_no_restart(database: Database):
    clock = [0.0]
    now = ActiveModel(database, refresh_s=30, clock=lambda: clock[0])
    assert await now() == DEFAULT
    await appoint(database, "mine", **as_data(BASELINE))
    assert (await now()).name == "default"
    clock[0] = 31
    assert (await now()).name == "mine"
    assert (await now()).curves == BASELINE.curves
    await appoint(database, None)
    clock[0] = 62
    assert await now() == DEFAULT


async def test_a_model_that_cannot_serve_leaves_the_last_good_one_in_place(database: Database):
    clock = [0.0]
    now = ActiveModel(database, refresh_s=30, clock=lambda: clock[0])
    await appoint(database, "good", **as_data(BASELINE))
    assert (await now()).name == "good"
    await appoint(database, "of another version", moon_phase={"xs": [0, 1], "ys": [0, 1]})
    clock[0] = 31
    assert (await now()).name == "good"


async def test_without_the_truth_the_last_model_ranks_on():
    now = ActiveModel(Away(Store.DATABASE))  # type: ignore[arg-type]
    assert await now() == DEFAULT
