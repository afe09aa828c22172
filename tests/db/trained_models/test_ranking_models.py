"""Models are kept for ever, and one of them serves."""

import pytest

from db.database.engine import Database
from db.errors import InvalidRecord
from db.trained_models.registry import activate_model, active_model, all_models, store_model


async def test_one_model_serves_and_an_earlier_one_can_be_put_back(database: Database):
    async with database.write() as connection:
        await store_model(connection, "first", {"age": {"xs": [0], "ys": [1]}}, {"n": 1})
        await store_model(connection, "second", {}, {})
    assert await active_model(database) is None
    for name in ("first", "second", "first"):
        async with database.write() as connection:
            await activate_model(connection, name)
        serving = await active_model(database)
        assert serving is not None
        assert serving.name == name
    assert [one.name for one in await all_models(database)] == ["second", "first"]
    with pytest.raises(InvalidRecord, match="third"):
        async with database.write() as connection:
            await activate_model(connection, "third")
    serving = await active_model(database)
    assert serving is not None
    assert serving.name == "first"
