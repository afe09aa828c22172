"""Recall of Weaviate's vector search, and the gateway's CPU for its calls beside the embedded index.

    python -m bench.weaviate DIR [--url http://127.0.0.1:8080 --grpc-url 127.0.0.1:50051] [--count 20000]
        [--ef 128 --ef-construction 256 --max-connections 32]

`DIR` is a folder in the import format. The texts of its projects are embedded with WordLlama, and texts mixed from them
are added up to `--count`. Without `--url` the test double runs, whose search is exact: then recall says nothing about a
server. If the folder has interactions, whole For You rankings are measured too. The collections have a prefix of their
own and are dropped at the end. CPU is that of all threads of this process.
"""

import argparse
import asyncio
import io
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from rich.console import Console
from sqlalchemy import func, select

from bench.vectors import LIMIT, fill_up, make_objects, measured, read_texts
from db.actors.users import find_viewer
from db.cache.embedded import EmbeddedCache
from db.catalog.project_cards import ProjectFilter
from db.columns.column_store import ColumnStore
from db.database.engine import Database
from db.embeddings.wordllama import WordLlamaEmbedder
from db.models import Actor, Engagement, User, now
from db.schema import migrate
from db.stores import Stores
from db.synchronization.reindex import Reindex
from db.vectors.base import PROJECT, ProjectDocument, Vector, VectorFilter, VectorStore, unit
from db.vectors.embedded import EmbeddedVectorStore
from db.vectors.weaviate import Address, Layout, WeaviateVectorStore
from gateway.commands.import_command import run_import
from scoring.deadlines import PATIENT
from scoring.models.model_presets import DEFAULT
from scoring.pipelines import for_you
from scoring.profiles.viewer_columns import view_columns
from scoring.profiles.viewer_profile import load_profile
from scoring.tunables import RELEASE_WINDOW_DAYS
from tests.doubles.weaviate import running_weaviate
from tests.doubles.weaviate.cleaning import drop_collections

PREFIX = f"Bench{os.getpid()}_"
BATCH = 100
QUERIES = 200
SEARCHES = 50
CANDIDATES = 1_000
"""Projects whose cosines a For You ranking asks for."""

SAME = 1e-6

VIEWERS = 20

PATIENT_S = 60.0
"""Deadline of each call, so that a busy machine does not end the measurement."""


def recalls(vectors: Vector, queries: Vector, found: list[np.ndarray]) -> list[float]:
    """Return, for each query, the share of its nearest projects that were found; equal cosines count as found."""
    shares = []
    for query, ids in zip(queries, found, strict=True):
        cosines = vectors @ query
        worst = np.partition(cosines, -LIMIT)[-LIMIT]
        shares.append(float(np.count_nonzero(cosines[ids - 1] >= worst - SAME) / LIMIT))
    return shares


async def fill(store: VectorStore, objects: list[ProjectDocument], name: str) -> None:
    """Write all projects, and print the rate."""
    started = time.perf_counter()
    for first in range(0, len(objects), BATCH):
        await store.upsert(objects[first : first + BATCH])
    print(f"{name}: {len(objects) / (time.perf_counter() - started):,.0f} projects/s written", flush=True)


async def measure_recall(store: VectorStore, vectors: Vector, queries: Vector, name: str) -> None:
    """Print the recall of the nearest projects, and the time of a search."""
    found, seconds = [], []
    for query in queries:
        started = time.perf_counter()
        found.append((await store.near(query, LIMIT, VectorFilter())).ids)
        seconds.append(time.perf_counter() - started)
    shares = recalls(vectors, queries, found)
    first_ten = np.mean(
        [
            len(np.intersect1d(ids[:10], np.argsort(-(vectors @ query))[:10] + 1)) / 10
            for ids, query in zip(found, queries, strict=True)
        ]
    )
    print(
        f"  recall of the nearest {LIMIT}, {name}: {np.mean(shares):.3f}, minimum {min(shares):.2f}; first ten "
        f"{first_ten:.3f}; {statistics.median(seconds) * 1_000:.1f} ms",
        flush=True,
    )


async def measure_costs(store: VectorStore, queries: Vector, count: int) -> dict[str, float]:
    """Return the median CPU milliseconds of the calls of a For You ranking and of a search."""
    seed = random.Random(3)
    seen = VectorFilter(7, frozenset(seed.sample(range(1, count + 1), 50)))
    ids = np.array(seed.sample(range(1, count + 1), min(CANDIDATES, count)), np.int64)
    calls: dict[str, Callable[[int], Awaitable[object]]] = {
        f"near {LIMIT}": lambda number: store.near(queries[number], LIMIT, seen),
        f"cosines of {len(ids):,}": lambda number: store.similarities(queries[number], ids),
        "vectors of 100": lambda number: store.project_vectors(ids[:100]),
        "hybrid 200": lambda number: store.hybrid("a fast web server", queries[number], 0.7, 200, seen),
    }
    return {name: (await measured(call, SEARCHES))[0] for name, call in calls.items()}


async def measure_for_you(address: Address, layout: Layout, folder: Path) -> None:
    """Import the folder, and print the CPU of whole For You rankings of its most active users on either engine."""
    with tempfile.TemporaryDirectory() as temporary:
        database = Database(f"sqlite:///{temporary}/explore.sqlite")
        await migrate(database)
        silent = Console(file=io.StringIO())
        await run_import(database, folder, output=silent, errors=silent)
        columns = ColumnStore(database, timedelta(days=RELEASE_WINDOW_DAYS), 1_000)
        embedder, cache = WordLlamaEmbedder(), EmbeddedCache(Path(temporary) / "cache.sqlite")
        engines: dict[str, VectorStore] = {
            "Weaviate": WeaviateVectorStore(
                address, layout, prefix=PREFIX, drop_after_s=0.0, read_deadline_s=PATIENT_S, write_deadline_s=PATIENT_S
            ),
            "embedded": EmbeddedVectorStore(Path(temporary) / "vectors.sqlite"),
        }
        stores = {name: Stores(database, engine, embedder, cache, columns) for name, engine in engines.items()}
        for made in stores.values():
            await Reindex(database, made.vectors, embedder).run(lambda *_: None)
        actors = (
            select(User.key).join(Actor, Actor.user_id == User.id).join(Engagement, Engagement.actor_id == Actor.id)
        )
        rows = await database.fetch(actors.group_by(User.key).order_by(func.count().desc()).limit(VIEWERS))
        await columns.load()
        cpu_ms: dict[str, list[float]] = {name: [] for name in stores}
        for row in [*rows, *rows]:
            viewer = await find_viewer(database, user_key=row.key)
            for name, made in stores.items():
                at, began = now(), time.process_time()
                profile = await load_profile(made, viewer, at, PATIENT, columns=await view_columns(made, viewer, at))
                ranking = await for_you.rank(made, profile, ProjectFilter(), DEFAULT, at, PATIENT)
                cpu_ms[name].append((time.process_time() - began) * 1e3)
                assert not ranking.degraded  # noqa: S101 (a measurement without vectors would be wrong)
        medians = {name: statistics.median(times) for name, times in cpu_ms.items()}
        print(
            f"For You of {len(rows)} users: {medians['Weaviate']:.1f} / {medians['embedded']:.1f} ms of CPU, ratio "
            f"{medians['Weaviate'] / medians['embedded']:.2f}"
        )
        for made in stores.values():
            await made.vectors.close()
        await cache.close()
        await database.close()


async def run(address: Address, layout: Layout, folder: Path, count: int) -> None:
    """Fill both engines, and print recall and costs."""
    seed = random.Random(1)
    embedder = WordLlamaEmbedder()
    texts = fill_up(await asyncio.to_thread(read_texts, folder), count, seed)
    vectors = await embedder.embed(texts)
    vectors = np.array([unit(vector) for vector in vectors])
    objects = make_objects(texts, vectors, seed)
    by_words = await embedder.embed([" ".join(seed.choice(texts).split()[:6]) for _ in range(QUERIES)])
    chosen = np.array([seed.sample(range(count), 5) for _ in range(QUERIES)])
    profiles = vectors[chosen].mean(axis=1)
    kinds = {"texts": by_words, "profiles of five projects": profiles}
    queries = {name: np.array([unit(query) for query in found]) for name, found in kinds.items()}
    costs: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        weaviate = WeaviateVectorStore(
            address, layout, prefix=PREFIX, drop_after_s=0.0, read_deadline_s=PATIENT_S, write_deadline_s=PATIENT_S
        )
        stores: dict[str, VectorStore] = {
            "Weaviate": weaviate,
            "embedded": EmbeddedVectorStore(Path(temporary) / "vectors.sqlite"),
        }
        for name, store in stores.items():
            await store.prepare("bench", vectors.shape[1])
            await fill(store, objects, name)
            if name == "Weaviate":
                lost = await store.unsearchable(PROJECT)
                print(f"  of the last 1,000, {len(lost)} are not found by their own vectors", flush=True)
            for kind, asked in queries.items():
                await measure_recall(store, vectors, asked, kind)
            costs[name] = await measure_costs(store, queries["profiles of five projects"], count)
            await store.close()
    await drop_collections(address, PREFIX)
    if (folder / "interactions.jsonl.gz").exists():
        await measure_for_you(address, layout, folder)
        await drop_collections(address, PREFIX)
    print("CPU ms of this process, Weaviate / embedded:")
    for call, cost in costs["Weaviate"].items():
        print(f"  {call:<20}{cost:6.1f} / {costs['embedded'][call]:.1f}")


def main() -> None:
    """Run on the server that the arguments name, or on the double."""
    parser = argparse.ArgumentParser(description="measure Weaviate's recall and the gateway's costs")
    parser.add_argument("folder", type=Path, help="a folder in the import format")
    parser.add_argument("--url", help="REST address of a Weaviate server; without it the test double runs")
    parser.add_argument("--grpc-url", default="", help="gRPC address of the server")
    parser.add_argument("--api-key", help="API key of the server")
    parser.add_argument("--count", type=int, default=20_000, help="projects in the index")
    default = Layout()
    for name in ("ef", "ef_construction", "max_connections"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(default, name))
    given = parser.parse_args()
    layout = replace(default, ef=given.ef, ef_construction=given.ef_construction, max_connections=given.max_connections)
    with ExitStack() as stack:
        if given.url:
            address = Address(given.url, given.grpc_url, given.api_key)
            print(f"a server at {given.url}; {layout}")
        else:
            double = stack.enter_context(running_weaviate())
            address = Address(double.url, double.grpc_url)
            print("ON THE TEST DOUBLE: its search is exact, so recall says nothing about a server")
        asyncio.run(run(address, layout, given.folder, given.count))


if __name__ == "__main__":
    main()
