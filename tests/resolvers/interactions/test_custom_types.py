"""A platform's own types of interactions, and its embeddings of projects, through the graph."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from db.catalog.project_embeddings import stored_vector
from db.custom_types import CustomType, synchronize_custom_types
from db.models import Engagement, Interaction, ProjectEmbedding
from db.platform_inputs import EmbeddingSpace, PlatformInputs
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import SERVICE, Graph, all_errors, user
from tests.resolvers.interactions.test_interaction_mutations import RECORD

TYPES = (
    CustomType("watched", "watched", 2.5, minimum=0, maximum=1000, positive_from=30),
    CustomType("shared", "shared", 0.5, is_deliberate=True),
    CustomType("reported", "reported", positive_from=None, negative_to=0.0),
)
EXPLAINED = """query ($keys: [String!]!) { projects(keys: $keys) { explanation { reasons {
  text ... on SimilarToProject { project { key } viewerAction viewerCustomAction } } } } }"""


@pytest.fixture
async def with_types(graph: Graph) -> Graph:
    types = await synchronize_custom_types(graph.database, TYPES)
    graph.world.stores = replace(graph.world.stores, platform=PlatformInputs(types))
    graph.restart()
    return graph


async def record(graph: Graph, *events: dict[str, Any], caller: Caller | None = None) -> dict[str, Any]:
    events_with_project = [{"project": "p0006"} | event for event in events]
    payload = (await graph.data(RECORD, caller or user("ada"), events=events_with_project))["recordInteractions"]
    all_errors(payload)
    return payload


async def test_a_custom_type_is_recorded_with_its_value(with_types: Graph) -> None:
    payload = await record(with_types, {"customType": "watched", "value": 31}, {"customType": "shared"})
    assert payload["recorded"] == 2
    rows = await with_types.database.fetch(select(Interaction.type, Interaction.value).where(Interaction.value > 0))
    assert [tuple(row) for row in rows] == [("watched", 31.0)]
    (row,) = await with_types.database.fetch(select(Engagement).where(Engagement.kinds > 63))
    assert row.kinds == 1 << 6 | 1 << 18


async def test_each_fault_has_the_path_of_its_field_and_stops_no_other_event(with_types: Graph) -> None:
    faults: list[tuple[dict[str, Any], str, str | None]] = [
        ({}, "Give either `type` or `customType`.", None),
        ({"type": "VIEW", "customType": "watched", "value": 1}, "Give either `type` or `customType`.", None),
        ({"customType": "wached"}, "the known ones are: watched, shared, reported.", "customType"),
        ({"customType": "view"}, "the known ones are: watched, shared, reported.", "customType"),
        ({"customType": ""}, "the known ones are: watched, shared, reported.", "customType"),
        ({"customType": "watched"}, "`value` is missing; it must be a number from 0 to 1000", "value"),
        ({"customType": "watched", "value": -1}, "`value` is -1; it must be a number from 0 to 1000", "value"),
        ({"customType": "watched", "value": 1e300}, "it must be a number from 0 to 1000", "value"),
        ({"customType": "shared", "value": 1}, "`value` must be omitted, because 'shared' has no value.", "value"),
        ({"type": "VIEW", "value": 1}, "`value` must be omitted, because 'view' has no value.", "value"),
    ]
    payload = await record(with_types, *(event for event, _, _ in faults), {"customType": "watched", "value": 5})
    assert payload["recorded"] == 1
    for result, (_, message, field) in zip(payload["results"], faults, strict=False):
        (error,) = result["userErrors"]
        assert message in error["message"]
        assert error["path"] == ["events", str(result["index"]), *([field] if field else [])]


async def test_without_a_configuration_the_error_says_what_to_set(graph: Graph) -> None:
    payload = await record(graph, {"customType": "watched", "value": 5})
    (error,) = payload["results"][0]["userErrors"]
    assert "INTERACTION_TYPES configures them" in error["message"]


async def test_an_opt_out_keeps_only_deliberate_types(with_types: Graph) -> None:
    caller = replace(user("ada"), opted_out=True)
    payload = await record(with_types, {"customType": "watched", "value": 31}, {"customType": "shared"}, caller=caller)
    assert [result["status"] for result in payload["results"]] == ["REFUSED", "RECORDED"]


async def test_an_explanation_names_the_type_by_its_label(with_types: Graph) -> None:
    async def reasons() -> list[dict[str, Any]]:
        data = await with_types.data(EXPLAINED, user("ada"), keys=["p0012"])
        with_project = [r for r in data["projects"][0]["explanation"]["reasons"] if "project" in r]
        return [r for r in with_project if r["text"].startswith("Similar to")]

    (before,) = await reasons()
    assert (before["viewerAction"], before["viewerCustomAction"]) == ("LIKE", None)
    await record(with_types, {"project": before["project"]["key"], "customType": "shared"})
    (after,) = await reasons()
    assert (after["viewerAction"], after["viewerCustomAction"]) == ("LIKE", None), "a like weighs more"
    await record(with_types, {"project": before["project"]["key"], "customType": "watched", "value": 500})
    (after,) = await reasons()
    assert (after["viewerAction"], after["viewerCustomAction"]) == (None, "watched")
    assert after["text"].endswith("which you watched")


async def test_a_project_brings_its_embedding_and_a_wrong_one_is_refused_alone(graph: Graph) -> None:
    space = EmbeddingSpace("their-model", 2)
    graph.world.stores = replace(graph.world.stores, platform=PlatformInputs(embedding_space=space))
    upsert = """mutation ($given: [ProjectInput!]!) { upsertProjects(projects: $given) {
        added changed refused userErrors { code message path }
        results { status userErrors { code message path } } } }"""
    embeddings: list[Any] = [[3.0, 4.0], [1.0], [0.0, 0.0], None]
    given = [{"key": f"n{n}", "title": "N", "type": "a", "embedding": e} for n, e in enumerate(embeddings)]
    payload = (await graph.data(upsert, SERVICE, given=given))["upsertProjects"]
    assert [result["status"] for result in payload["results"]] == ["ADDED", "REFUSED", "REFUSED", "ADDED"]
    errors = all_errors(payload)
    assert [error["path"] for error in errors] == [["projects", str(n), "embedding"] for n in (1, 2)]
    assert "1 numbers, not 2" in errors[0]["message"]
    (row,) = await graph.database.fetch(select(ProjectEmbedding.vector))
    np.testing.assert_allclose(stored_vector(row.vector), [0.6, 0.8], atol=1e-6)
    payload = (await graph.data(upsert, SERVICE, given=[given[0] | {"embedding": [4.0, 3.0]}]))["upsertProjects"]
    assert payload["changed"] == 1
