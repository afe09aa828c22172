"""The web application: its endpoints and the middleware around them."""

import asyncio
import gc
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import strawberry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from gateway.admission import Admission
from gateway.assets import FRONTEND, GraphiqlOrEndpoint, StaticFiles, read_explore_page, read_graphiql
from gateway.background.tasks import STOP_TIMEOUT_S, run_alongside
from gateway.callers.authentication import Authenticator
from gateway.callers.clock import Clock
from gateway.callers.demo_viewers import DemoViewers
from gateway.callers.network_hash import NetworkHash
from gateway.callers.session_ids import SessionIds
from gateway.callers.token_authority import TokenAuthority, previous_secret, signing_secret, token_authority
from gateway.client_addresses import ClientAddresses
from gateway.compat import graphql_schema
from gateway.connections.connection_caps import ClientLimit
from gateway.cross_origin import cross_origin_middleware
from gateway.documents.document_cache import DocumentCache
from gateway.documents.resolution import document_resolver
from gateway.endpoint import Endpoint
from gateway.graphql_http.public_caching import PublicCaching
from gateway.limits.budget import Budgets
from gateway.limits.limits import Limits
from gateway.load_shedding import LoadShedder
from gateway.logs import configure_logs
from gateway.pages import Readiness, answer_alive, answer_http_exception, answer_start_page
from gateway.path_prefix import PathPrefix
from gateway.request_log import RequestLog
from gateway.runtime import OpenRuntime, open_runtime
from gateway.server import SHUTDOWN_GRACE_S
from gateway.settings import Settings, load_settings
from gateway.sharing.open_counts import OpenCounts
from gateway.sharing.processes import stop_with_parent
from gateway.sharing.shared_folder import open_counts
from gateway.subscriptions.allowed_origins import AllowedOrigins
from gateway.subscriptions.event_streams import EventStreams
from gateway.subscriptions.shutdown import set_on_shutdown_signal
from gateway.subscriptions.stream_limits import StreamLimits
from gateway.subscriptions.websockets import WebSocketEndpoint
from gateway.telemetry import Metrics, count_untrusted_forwarding
from resolvers.schema import schema

MIN_COMPRESSED_BYTES = 1_000
"""Minimum size of an answer that is compressed. A smaller answer fits into one packet anyway."""

COMPRESSION_LEVEL = 3
"""Level of gzip. Level 3 compresses a page of 30 projects from 33 KB to 9.3 KB in 0.18 ms. Level 9 compresses it to
8.6 KB in 0.75 ms."""


def create() -> Starlette:
    """Create the application of one server process from the environment. uvicorn calls this."""
    if (parent := multiprocessing.parent_process()) is not None:  # one of several server processes
        stop_with_parent(parent.join, SHUTDOWN_GRACE_S + STOP_TIMEOUT_S)
    settings = load_settings()
    configure_logs(settings)
    app = build(settings, schema, partial(open_runtime, settings))
    # Modules and the schema are 220,000 objects that live as long as the process. Without `freeze`, each full garbage
    # collection traverses them, which pauses all requests for 0.2 s (once per 20 large pages). With `freeze`, a
    # collection takes 5 ms.
    gc.collect()
    gc.freeze()
    return app


def build(
    settings: Settings,
    graph: strawberry.Schema,
    runtime: OpenRuntime,
    frontend: Path = FRONTEND,
    clock: Clock = Clock(),  # noqa: B008 (it has no state)
) -> Starlette:
    """Create the application, which serves `graph` and the builds in the folder `frontend`.

    `runtime` opens the runtime when the server starts, and closes it when the server stops. `clock` gives the time for
    tokens.
    """
    secret, graph_schema = signing_secret(settings), graphql_schema(graph)
    authority = token_authority(settings, clock)
    addresses = ClientAddresses(settings.trusted_proxies, count_untrusted_forwarding)
    sessions = SessionIds(secret, previous_secret(settings), clock)
    networks = NetworkHash(secret) if settings.network_cap else None
    authenticator = Authenticator(authority, sessions, networks, addresses)

    limits = Limits(graph_schema, settings)
    documents = DocumentCache(graph_schema, introspection=settings.introspection, parse=limits.parse)
    resolver = document_resolver(settings)
    admission = Admission(graph, authenticator, resolver, documents, limits, Budgets(settings, secret))

    shedder = LoadShedder()
    shutting_down = asyncio.Event()
    counts = open_counts()
    stream_limits = StreamLimits(
        settings.max_streams, settings.max_streams_viewer, settings.max_streams_address, counts
    )
    streams = EventStreams(authenticator, stream_limits, shutting_down, clock) if settings.subscriptions else None
    origins = AllowedOrigins(settings.allow_origins)
    websockets = WebSocketEndpoint(admission, shedder, stream_limits, origins, settings.stream_idle_s, clock)

    explore_page = read_explore_page(frontend) if settings.explore_page else {}
    graphiql = read_graphiql(frontend) if settings.graphiql else {}
    caching = PublicCaching(graph_schema, settings.public_cache_s)
    endpoint: ASGIApp = Endpoint(admission, shedder, caching, streams)
    if settings.graphiql:
        endpoint = GraphiqlOrEndpoint(endpoint, graphiql)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with runtime() as opened:
            app.state.runtime = opened
            app.state.issuer_keys = authority.keys
            app.state.addresses = addresses
            shedder.connection_wait = opened.connection_wait
            with set_on_shutdown_signal(shutting_down):
                async with run_alongside({"load measurement": shedder.run}):
                    yield
        await resolver.close()
        if authority.keys is not None:
            await authority.keys.close()

    app = Starlette(
        routes=[
            *([] if explore_page else [Route("/", answer_start_page)]),
            Route("/graphql", endpoint),
            *([WebSocketRoute("/graphql", websockets)] if settings.subscriptions else []),
            *_other_routes(settings, authority),
        ],
        middleware=_middleware(settings, addresses, counts),
        exception_handlers={HTTPException: answer_http_exception},
        lifespan=lifespan,
    )
    app.router.default = StaticFiles(explore_page, graphiql)
    app.router.redirect_slashes = False  # Starlette would build the address from the Host header
    return app


def _other_routes(settings: Settings, authority: TokenAuthority) -> list[Route]:
    return [
        Route("/healthz", answer_alive),
        Route("/readyz", Readiness().answer),
        Route("/demo/viewers", DemoViewers(authority, enabled=settings.demo_viewers).answer),
        *([Route("/metrics", Metrics(settings.metrics_token).answer)] if settings.metrics else []),
    ]


def _middleware(settings: Settings, addresses: ClientAddresses, counts: OpenCounts) -> list[Middleware]:
    middleware = [Middleware(RequestLog)]
    if settings.path_prefix or settings.trusted_proxies:
        middleware.append(Middleware(PathPrefix, prefix=settings.path_prefix, trusted=settings.trusted_proxies))
    if settings.allow_origins:  # outside of the limits, so that pages can read refusals
        middleware.append(cross_origin_middleware(settings))
    if settings.trusted_proxies:  # the server itself caps the connections of all other clients
        limit = settings.max_connections_address
        middleware.append(Middleware(ClientLimit, addresses=addresses, limit=limit, counts=counts))
    compression = Middleware(GZipMiddleware, minimum_size=MIN_COMPRESSED_BYTES, compresslevel=COMPRESSION_LEVEL)
    return [*middleware, compression]
