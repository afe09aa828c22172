"""Prometheus metrics: requests, store calls, circuits, the cost of embeddings, the outbox's lag and the last jobs.

Several server processes and the worker process keep their metrics in files of one folder (`share_metrics`).
The process that answers a scrape adds them up. A server process without others of its kind keeps its own in memory.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from hmac import compare_digest
from pathlib import Path

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from db.database.engine import Database
from db.errors import Store, StoreUnavailable
from db.jobs import JobStatus, job_statuses
from db.outbox import Backlog, backlog
from db.resilience import CallOutcome, CircuitState, log_circuit_change
from gateway.client_addresses import is_local
from gateway.json_responses import error_response
from gateway.refreshed import CHECK_TIMEOUT_S, Refreshed
from gateway.sharing.processes import is_running, process_folder

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's environment variable for the folder."""

_WRITES_FILES = FOLDER_VARIABLE in os.environ
"""Whether this process keeps its metrics in files: prometheus_client decides this when the metrics are created."""

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

log = structlog.get_logger(__name__)

_requests = Histogram(
    "explore_request_seconds", "HTTP requests, by path and status", ("path", "status"), buckets=BUCKETS_S
)
_calls = Counter("explore_store_calls_total", "Calls to a store, by outcome", ("store", "operation", "outcome"))
_call_seconds = Counter("explore_store_seconds_total", "Time spent in calls to a store", ("store", "operation"))
_circuits = Gauge(
    "explore_store_circuit_open",
    "1 while the circuit breaker of a store is open",
    ("store",),
    multiprocess_mode="livemax",
)
_embedding_tokens = Counter("explore_embedding_tokens_total", "Tokens that a paid model has embedded")
_embedding_dollars = Counter("explore_embedding_dollars_total", "Cost of these tokens, at the price of the settings")
_refused = Counter("explore_refused_requests_total", "Refused requests, by code", ("code",))
_shed = Counter("explore_shed_requests_total", "Operations refused in an overload, by class of the caller", ("caller",))
_concurrency_limit = Gauge(
    "explore_concurrency_limit", "Operations that may run at once, of all processes", multiprocess_mode="livesum"
)
_loop_delay = Gauge(
    "explore_event_loop_delay_seconds",
    "Smallest delay of the event loop within the last 0.1 s, of the slowest process",
    multiprocess_mode="livemax",
)
_operations = Counter(
    "explore_operations_total",
    "Operations over HTTP, by execution: compiled, or mixed if graphql-core resolved fields below a root field",
    ("execution",),
)
local_charges = Counter(
    "explore_local_charges_total", "Charges that one server counted on its own while Redis was unavailable"
)
_untrusted_headers = Counter(
    "explore_untrusted_forwarding_total",
    "Requests with X-Forwarded-For from an address that TRUSTED_PROXIES does not name",
    ("address",),
)


def count_untrusted_forwarding(is_public: bool) -> None:
    """Count an untrusted forwarding header. A private address is most likely a proxy."""
    _untrusted_headers.labels("public" if is_public else "private").inc()


def count_refused_request(code: str) -> None:
    """Count a request that was refused."""
    _refused.labels(code).inc()


def count_shed_request(caller: str) -> None:
    """Count an operation that was refused in an overload."""
    _shed.labels(caller).inc()


def record_load(limit: float, delay_s: float) -> None:
    """Record the limit of concurrent operations, and the delay from which it follows."""
    _concurrency_limit.set(int(limit))
    _loop_delay.set(delay_s)


def count_operation(*, is_compiled: bool) -> None:
    """Count an operation that ran; the label states whether all fields below its root fields were read directly."""
    _operations.labels("compiled" if is_compiled else "mixed").inc()


def observe_request(path: str, status: int, seconds: float) -> None:
    """Record the duration of a request. Unknown paths are recorded as `other`."""
    _requests.labels(path, status).observe(seconds)


def observe_store_call(store: Store, operation: str, outcome: CallOutcome, seconds: float) -> None:
    """Record a call to a store (see `db.resilience.Guard`)."""
    _calls.labels(store.value, operation, outcome.value).inc()
    _call_seconds.labels(store.value, operation).inc(seconds)


def record_circuit_state(store: Store, state: CircuitState, reason: str) -> None:
    """Record and log the state of a store's circuit breaker."""
    _circuits.labels(store.value).set(float(state is not CircuitState.CLOSED))
    log_circuit_change(store, state, reason)


@cache
def _columns() -> Gauge:
    # Made at the first time: a process without columns would count with the time 0.
    return Gauge(
        "explore_columns_read_timestamp_seconds",
        "Time at which a process last read the changes of projects and interactions into memory, the oldest of all",
        multiprocess_mode="livemin",
    )


def record_columns_read(at: datetime) -> None:
    """Record the time at which the columns in memory were read."""
    _columns().set(at.timestamp())


def count_embedding_cost(tokens: int, dollars: float) -> None:
    """Count tokens and cost of embeddings."""
    _embedding_tokens.inc(tokens)
    _embedding_dollars.inc(dollars)


class Metrics:
    """The endpoint `/metrics`. Without a token only direct connections from this machine are answered."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = None if token is None else token.get_secret_value().encode()
        self._database_metrics: Refreshed[list[Metric]] = Refreshed()

    async def answer(self, request: Request) -> Response:
        """Answer a scrape, without the metrics of outbox and jobs while the database is unavailable."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        metrics = _process_metrics()
        database = request.app.state.runtime.stores.database
        metrics += await self._database_metrics.get(lambda: _read_database_metrics(database))
        return Response(generate_latest(_Collected(metrics)), media_type=CONTENT_TYPE_LATEST)

    def _refusal(self, request: Request) -> Response | None:
        if self._token is not None:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer" and compare_digest(token.strip().encode(), self._token):
                return None
            return error_response(
                401, "UNAUTHENTICATED", "Send the token of METRICS_TOKEN.", headers={"WWW-Authenticate": "Bearer"}
            )
        if is_local(request):
            return None
        message = "Metrics are for this machine only: set METRICS_TOKEN to scrape them from another one."
        return error_response(403, "FORBIDDEN", message)


@contextmanager
def share_metrics() -> Iterator[None]:
    """Share metrics between this process and those that start within the block."""
    with process_folder("explore-metrics") as folder:
        os.environ[FOLDER_VARIABLE] = str(folder)
        try:
            yield
        finally:
            del os.environ[FOLDER_VARIABLE]


class _Collected(CollectorRegistry):
    """Metrics that have been read already, for `generate_latest`."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Sequence[Metric]:
        """Return the metrics."""
        return self._metrics


def _process_metrics() -> list[Metric]:
    """Read the metrics of this process and of those that share theirs with it."""
    folder = os.environ.get(FOLDER_VARIABLE)
    own = [] if _WRITES_FILES else list(REGISTRY.collect())
    if folder is None:
        return own
    _forget_ended_processes(Path(folder))
    shared = MultiProcessCollector(None, folder).collect()  # type: ignore[no-untyped-call]
    return _add_up([*own, *shared])


def _forget_ended_processes(folder: Path) -> None:
    """Remove the gauges of processes that have ended: the circuit of a worker that was killed would stay open."""
    for file in folder.glob("gauge_live*.db"):
        process = int(file.stem.rpartition("_")[2])
        if not is_running(process):
            mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]


def _add_up(metrics: Iterable[Metric]) -> list[Metric]:
    """Merge metrics of the same name: the sum of each sample, or for a gauge the maximum."""
    merged: dict[str, Metric] = {}
    for metric in metrics:
        if (earlier := merged.get(metric.name)) is None:
            merged[metric.name] = metric
            continue
        values = {(sample.name, *sorted(sample.labels.items())): sample for sample in earlier.samples}
        for sample in metric.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            if (other := values.get(key)) is not None:
                total = max(other.value, sample.value) if metric.type == "gauge" else other.value + sample.value
                values[key] = sample._replace(value=total)
            else:
                values[key] = sample
        earlier.samples = list(values.values())
    return list(merged.values())


async def _read_database_metrics(database: Database) -> list[Metric]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return [*_describe_backlog(await backlog(database)), *_describe_jobs(await job_statuses(database))]
    except (StoreUnavailable, TimeoutError) as unavailable:
        reason = getattr(unavailable, "reason", f"no answer within {CHECK_TIMEOUT_S:g} s")
        log.warning("metrics of outbox and jobs unavailable", reason=reason)
        return []


def _describe_backlog(waiting: Backlog) -> list[Metric]:
    return [
        GaugeMetricFamily(name, description, value)
        for name, description, value in (
            ("explore_outbox_rows", "Changes that wait for the vector index", waiting.rows),
            ("explore_outbox_lag_seconds", "Age of the oldest waiting change", waiting.lag_s),
            ("explore_outbox_dead_rows", "Changes that the vector index has rejected too often", waiting.dead),
        )
    ]


def _describe_jobs(statuses: Mapping[str, JobStatus]) -> list[Metric]:
    ended = GaugeMetricFamily("explore_job_end_seconds", "Time of a job's last end, since 1970 UTC", labels=["job"])
    failed = GaugeMetricFamily("explore_job_failed", "1 if the last run of a job failed", labels=["job"])
    for status in statuses.values():
        if status.finished_at is not None:
            ended.add_metric([status.name], status.finished_at.timestamp())
            failed.add_metric([status.name], float(status.error is not None))
    return [ended, failed]
