"""What Prometheus is told of requests, of calls to the stores and of money."""

import subprocess
import sys

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from db.errors import Store
from db.resilience import CallOutcome, CircuitState
from gateway.telemetry import (
    _add_up,
    _process_metrics,
    count_embedding_cost,
    observe_request,
    observe_store_call,
    record_circuit_state,
    share_metrics,
)


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


def test_metrics_of_one_name_are_added_up_and_of_gauges_the_largest_counts():
    registries = []
    for amount in (1.0, 2.0):
        registry = CollectorRegistry()
        Counter("a", "A counter", ("x",), registry=registry).labels("both").inc(amount)
        Counter("b", "A counter", ("x",), registry=registry).labels(str(amount)).inc(amount)
        Gauge("c", "A gauge", registry=registry).set(amount)
        Histogram("d", "A histogram", buckets=(1.5,), registry=registry).observe(amount)
        registries.append(registry)
    merged = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in _add_up(metric for registry in registries for metric in registry.collect())
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }
    assert merged == {
        ("a_total", "both"): 3,
        ("b_total", "1.0"): 1,
        ("b_total", "2.0"): 2,
        ("c",): 2,
        ("d_bucket", "1.5"): 1,
        ("d_bucket", "+Inf"): 2,
        ("d_count",): 2,
        ("d_sum",): 3,
    }


OTHER_PROCESS = """
from db.errors import Store
from db.resilience import CircuitState
from gateway import telemetry
telemetry.count_embedding_cost(1_000, 0.02)
telemetry.record_circuit_state(Store.EMBEDDINGS, CircuitState.OPEN, "as the test asked")
print(telemetry._WRITES_FILES)
"""


def test_what_another_process_counted_stays_and_its_circuit_ends_with_it():
    def read(name, **labels):
        samples = [sample for metric in _process_metrics() for sample in metric.samples if sample.name == name]
        return sum(sample.value for sample in samples if sample.labels == labels)

    before = read("explore_embedding_tokens_total")
    with share_metrics():
        done = subprocess.run([sys.executable, "-c", OTHER_PROCESS], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "True"
        assert read("explore_embedding_tokens_total") == before + 1_000
        assert read("explore_store_circuit_open", store="embeddings") == 0
