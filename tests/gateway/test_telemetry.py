"""What Prometheus is told of requests, of calls to the stores and of money."""

import pytest
from prometheus_client import REGISTRY

from db.errors import Store
from db.resilience import CallOutcome, CircuitState
from gateway.telemetry import count_embedding_cost, observe_request, observe_store_call, record_circuit_state


@pytest.mark.parametrize(
    ("note", "name", "labels", "more"),
    [
        (
            lambda: observe_store_call(Store.VECTORS, "near", CallOutcome.TIMEOUT, 0.25),
            "explore_store_calls_total",
            {"store": "vectors", "operation": "near", "outcome": "timeout"},
            1,
        ),
        (
            lambda: observe_store_call(Store.VECTORS, "near", CallOutcome.OK, 0.25),
            "explore_store_seconds_total",
            {"store": "vectors", "operation": "near"},
            0.25,
        ),
        (lambda: count_embedding_cost(1_000, 0.02), "explore_embedding_tokens_total", {}, 1_000),
        (lambda: count_embedding_cost(1_000, 0.02), "explore_embedding_dollars_total", {}, 0.02),
        (
            lambda: observe_request("/graphql", 200, 0.02),
            "explore_request_seconds_count",
            {"path": "/graphql", "status": "200"},
            1,
        ),
    ],
)
def test_what_is_noted_is_added_up(note, name, labels, more):
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    note()
    assert REGISTRY.get_sample_value(name, labels) == pytest.approx(before + more)


def test_a_circuit_shows_while_it_is_open():
    for state, shown in ((CircuitState.OPEN, 1.0), (CircuitState.CLOSED, 0.0)):
        record_circuit_state(Store.CACHE, state, "as the test asked")
        assert REGISTRY.get_sample_value("explore_store_circuit_open", {"store": "cache"}) == shown
