"""The gateway on the stores it runs on at scale, each behind a fault proxy: PostgreSQL, Weaviate, OpenAI and Redis.

PostgreSQL and Redis are real; Weaviate and OpenAI are doubles that speak the true protocol to the true client.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from db.models import Role
from gateway.app import build
from gateway.background.tasks import run_alongside, worker_tasks
from gateway.callers.token_authority import TokenAuthority, signing_secret
from gateway.runtime import open_runtime
from gateway.settings import Settings
from gateway.stores import open_stores
from resolvers.schema import schema
from tests.doubles.openai import KEY, OpenAIDouble
from tests.doubles.proxy import FaultProxy
from tests.doubles.weaviate import WeaviateDouble
from tests.servers import running_redis
from tests.world import World

FOR_YOU = "{ forYou(first: 10) { strategy degraded edges { node { key } explanation { summary } } } }"
SEARCH = '{ search(query: "robots", first: 10) { strategy degraded edges { node { key } } } }'


@dataclass
class AtScale:
    """A running gateway and what it stands on; a proxy for each store is where its faults are switched."""

    client: httpx.AsyncClient
    authority: TokenAuthority
    weaviate: WeaviateDouble
    openai: OpenAIDouble
    proxies: dict[str, FaultProxy]

    async def ask(self, query: str, user: str = "ada", role: Role | None = None, **variables: Any) -> dict[str, Any]:
        """Ask as a user; what must work, must."""
        return await self._ask(query, variables, {"Authorization": f"Bearer {self.authority.issue(user, role)}"})

    async def ask_as_nobody(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask without a token."""
        return await self._ask(query, variables, {})

    async def _ask(self, query: str, variables: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        answer = await self.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        body: dict[str, Any] = answer.json()
        return body

    async def fill(self, projects: int) -> None:
        """Write a catalog and a viewer who likes some of it, as the platform does, and wait until it is indexed."""
        records = [World.project(number) for number in range(projects)]
        written = await self.ask(
            "mutation ($projects: [ProjectInput!]!) "
            "{ upsertProjects(projects: $projects) { added userErrors { message } } }",
            "platform",
            Role.SERVICE,
            projects=[
                {
                    "key": one.key,
                    "title": one.title,
                    "description": one.description,
                    "type": one.type,
                    "tools": list(one.tools),
                    "categories": list(one.categories),
                    "createdAt": one.created_at.isoformat() if one.created_at else None,
                }
                for one in records
            ],
        )
        assert written["data"]["upsertProjects"] == {"added": projects, "userErrors": []}, written
        for number in (2, 8):
            liked = await self.ask(
                "mutation ($key: String!) { likeProject(key: $key) { changed } }", key=f"p{number:04}"
            )
            assert liked["data"]["likeProject"]["changed"], liked
        await self.until(lambda: self.held() >= projects)

    @asynccontextmanager
    async def faulty(self, fault: str, *names: str) -> AsyncIterator[None]:
        """Let these stores' proxies be at fault for a while: ``black_hole``, ``refuse`` or ``reset``."""
        try:
            for name in names:
                switched = getattr(self.proxies[name], fault)()
                if isawaitable(switched):
                    await switched
                if fault == "refuse":  # or connections that are open would go on
                    self.proxies[name].reset_open()
            yield
        finally:
            for name in names:
                await self.proxies[name].forward()

    def held(self) -> int:
        """Count the projects that Weaviate holds."""
        return max(
            (len(c.objects) for name, c in self.weaviate.state.collections.items() if name.startswith("Project")),
            default=0,
        )

    async def until(self, true: Any, within_s: float = 120.0) -> float:
        """Wait until something is so; gives how long that took."""
        start = time.perf_counter()
        while not (await true() if asyncio.iscoroutinefunction(true) else true()):
            assert time.perf_counter() - start < within_s, "waited too long"
            await asyncio.sleep(0.05)
        return time.perf_counter() - start


@asynccontextmanager
async def running_at_scale(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[AtScale]:
    """Run a gateway in this process on a migrated PostgreSQL and on everything else started here."""
    async with AsyncExitStack() as stack:
        openai = await stack.enter_async_context(OpenAIDouble())
        redis = stack.enter_context(running_redis())
        weaviate = WeaviateDouble("a key of the tests")
        weaviate.start()
        stack.callback(weaviate.stop)
        ports = {
            "database": urlsplit(database_url).port,
            "weaviate": weaviate.http_port,
            "weaviate_grpc": weaviate.grpc_port,
            "openai": openai.port,
            "redis": redis.port,
        }
        proxies = {
            name: await stack.enter_async_context(FaultProxy("127.0.0.1", port or 0)) for name, port in ports.items()
        }
        at = {name: f"127.0.0.1:{proxy.port}" for name, proxy in proxies.items()}
        parts = urlsplit(database_url)
        chosen = Settings(
            _env_file=None,  # type: ignore[call-arg]
            var_dir=folder,
            database_url=parts._replace(netloc=f"{parts.username}@{at['database']}").geturl(),
            weaviate_url=f"http://{at['weaviate']}",
            weaviate_grpc_url=f"http://{at['weaviate_grpc']}",
            weaviate_api_key="a key of the tests",  # type: ignore[arg-type]
            openai_api_key=KEY,  # type: ignore[arg-type]
            openai_base_url=f"http://{at['openai']}/v1",
            embedding_dimension=256,
            redis_url=f"redis://{at['redis']}/0",  # type: ignore[arg-type]
            **{"rate_limit": 0, "rate_limit_address": 0} | settings,  # a test asks as fast as it can
        )
        app = build(chosen, schema, partial(open_runtime, chosen))
        await stack.enter_async_context(app.router.lifespan_context(app))
        stores = await stack.enter_async_context(open_stores(chosen))
        await stack.enter_async_context(run_alongside(worker_tasks(stores, chosen)))
        transport = httpx.ASGITransport(app)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://localhost"))
        authority = TokenAuthority(signing_secret(chosen), chosen.token_issuer, chosen.token_audience)
        yield AtScale(client, authority, weaviate, openai, proxies)
