"""Models are kept for ever, and one of them serves."""

import pytest

from db.engine import Database
from db.errors import InvalidRecord
from db.ranking_models import all_models, keep_model, model_in_service, put_in_service


async def test_one_model_serves_and_an_earlier_one_can_be_put_back(database: Database):
    async with database.write() as connection:
        await keep_model(connection, "first", {"age": {"xs": [0], "ys": [1]}}, {"n": 1})
        await keep_model(connection, "second", {}, {})
    assert await model_in_service(database) is None
    for name in ("first", "second", "first"):
        async with database.write() as connection:
            await put_in_service(connection, name)
        serving = await model_in_service(database)
        assert serving is not None
        assert serving.name == name
    assert [one.name for one in await all_models(database)] == ["second", "first"]
    with pytest.raises(InvalidRecord, match="third"):
        async with database.write() as connection:
            await put_in_service(connection, "third")
    serving = await model_in_service(database)
    assert serving is not None
    assert serving.name == "first"
