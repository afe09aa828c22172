"""The double's filters, as the real client writes them."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from weaviate.classes.query import Filter
from weaviate.collections.filters import _FilterToGRPC

from tests.doubles.weaviate.filters import predicate
from tests.doubles.weaviate.state import Collection, Refused, State

PROPERTIES = {
    "name": "text", "words": "text", "age": "int", "price": "number", "open": "boolean", "made": "date", "ids": "int[]",
    "hidden": "text",
}  # fmt: skip


@pytest.fixture
def collection() -> Collection:
    state = State()
    made = [{"name": name, "dataType": [kind]} for name, kind in PROPERTIES.items()]
    made[0] |= {"tokenization": "field"}
    made[-1] |= {"indexFilterable": False}
    state.create({"class": "Thing", "properties": made})
    return state.find("Thing")


@pytest.fixture
def item(collection: Collection) -> Any:
    properties = {
        "name": "Ann Lee", "words": "The Red fox", "age": 7, "price": 1.5, "open": True, "ids": [1, 2],
        "made": "2026-01-02T00:00:00+00:00",
    }  # fmt: skip
    collection.put("0b0a7f7c-8a3b-5a43-9d3c-0c2a1b0f2f10", properties, {"default": np.ones(2, np.float32)})
    return next(iter(collection.objects.values()))


NAME, AGE, IDS = Filter.by_property("name"), Filter.by_property("age"), Filter.by_property("ids")
DAY = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (NAME.equal("Ann Lee"), True),
        (NAME.equal("ann lee"), False),
        (NAME.not_equal("Bob"), True),
        (NAME.contains_any(["Bob", "Ann Lee"]), True),
        (NAME.contains_none(["Bob", "Ann Lee"]), False),
        (NAME.greater_than("Ann"), True),
        (Filter.by_property("words").equal("RED"), True),
        (Filter.by_property("words").equal("blue"), False),
        (AGE.equal(7), True),
        (AGE.less_than(7), False),
        (AGE.less_or_equal(7), True),
        (Filter.by_property("price").greater_or_equal(1.5), True),
        (Filter.by_property("open").equal(False), False),
        (Filter.by_property("made").greater_or_equal(DAY), True),
        (Filter.by_property("made").greater_than(DAY), False),
        (IDS.contains_any([2, 9]), True),
        (IDS.contains_all([2, 9]), False),
        (IDS.contains_all([1, 2]), True),
        (IDS.contains_none([9]), True),
        (AGE.equal(7) & NAME.equal("Bob"), False),
        (AGE.equal(7) | NAME.equal("Bob"), True),
        (Filter.not_(AGE.equal(7)), False),
        (Filter.by_id().contains_any(["0b0a7f7c-8a3b-5a43-9d3c-0c2a1b0f2f10"]), True),
        (Filter.by_id().not_equal("0b0a7f7c-8a3b-5a43-9d3c-0c2a1b0f2f10"), False),
    ],
)
def test_a_filter_passes_what_it_says(collection: Collection, item: Any, condition: Any, expected: bool):
    assert predicate(_FilterToGRPC.convert(condition), collection)(item) is expected


@pytest.mark.parametrize("name", ["hidden", "unheard"])
def test_a_filter_on_what_has_no_index_is_refused(collection: Collection, name: str):
    with pytest.raises(Refused):
        predicate(_FilterToGRPC.convert(Filter.by_property(name).equal("x")), collection)


@pytest.mark.parametrize(
    "properties", [{"age": "seven"}, {"age": 7.5}, {"made": "yesterday"}, {"ids": 3}, {"open": 1}, {"unheard": 1}]
)
def test_a_value_of_another_type_is_refused(collection: Collection, properties: dict[str, Any]):
    with pytest.raises(Refused):
        collection.put("0b0a7f7c-8a3b-5a43-9d3c-0c2a1b0f2f10", properties, {})
