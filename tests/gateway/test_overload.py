"""An overloaded gateway refuses operations as GraphQL over HTTP prescribes, and answers health checks."""

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway import load_shedding
from gateway.load_shedding import LoadShedder
from tests.gateway.conftest import Gateway

GRAPHQL = "application/graphql-response+json"
QUESTION = {"query": "{ caller }"}


@pytest.fixture(autouse=True)
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every operation find that all turns are taken, and wait for none."""
    monkeypatch.setattr(load_shedding, "FIRST_LIMIT", 0)
    monkeypatch.setattr(load_shedding, "BURST_WAIT_S", 0.0)
    monkeypatch.setattr(load_shedding, "OVERLOAD_WAIT_S", 0.0)
    monkeypatch.setattr(LoadShedder, "_adapt", lambda *_: None)


@pytest.fixture
async def overloaded(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway() as client:
        yield client


@pytest.mark.parametrize("accepted", ["application/json", GRAPHQL])
async def test_an_operation_is_refused_with_503_and_told_when_to_come_back(
    overloaded: httpx.AsyncClient, accepted: str
) -> None:
    answer = await overloaded.post("/graphql", json=QUESTION, headers={"Accept": accepted})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"].partition(";")[0] == accepted
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "OVERLOADED"}
    assert "data" not in answer.json()


async def test_health_checks_need_no_turn(overloaded: httpx.AsyncClient) -> None:
    await overloaded.post("/graphql", json=QUESTION)
    assert (await overloaded.get("/healthz")).status_code == 200


async def test_a_malformed_request_is_told_what_is_wrong_and_not_to_come_back(overloaded: httpx.AsyncClient) -> None:
    answer = await overloaded.post("/graphql", json={"query": "{"}, headers={"Accept": GRAPHQL})
    assert answer.status_code == 400
