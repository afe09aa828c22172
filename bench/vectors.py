"""Cost of searching, refreshing, writing and loading the embedded index, with real and with random vectors.

    python -m bench.vectors DIR [--count 100000]

`DIR` is a folder in the import format. The texts of its projects are embedded with WordLlama. Texts mixed from them are
added up to `--count`.
"""
# ruff: noqa: E402 (the number of BLAS threads has to stand before NumPy is loaded)

import argparse
import asyncio
import gzip
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

import numpy as np
import orjson

from db.embeddings.wordllama import WordLlamaEmbedder
from db.vectors.base import ProjectDocument, Vector, VectorFilter
from db.vectors.embedded import EmbeddedVectorStore
from db.vectors.embedded.matrix import Matrix
from db.vectors.fusion import WINDOW

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = ("article", "github_repo", "reddit_thread", "prompt")
BATCH = 100
SEARCHES = 50
LIMIT = 200
HYBRID_LIMIT = 50
REBUILD_BATCH = 500


def read_texts(folder: Path) -> list[str]:
    """Return the titles and descriptions of the projects of a data set."""
    with gzip.open(folder / "projects.jsonl.gz") as lines:
        records = (orjson.loads(line) for line in lines)
        return [f"{record['title']} {record.get('description', '')}".strip() for record in records]


def fill_up(texts: list[str], count: int, seed: random.Random) -> list[str]:
    """Add texts mixed from the words of two real texts, up to a number."""
    mixed = texts[:count]
    while len(mixed) < count:
        words = f"{seed.choice(texts)} {seed.choice(texts)}".split()
        mixed.append(" ".join(seed.sample(words, min(len(words), 30))))
    return mixed


def make_objects(texts: list[str], vectors: Vector, seed: random.Random) -> list[ProjectDocument]:
    """Return documents with eight of 2,000 terms each, 5,000 owners, four types, and dates of five years."""
    return [
        ProjectDocument(
            id=number + 1,
            key=f"p{number + 1}",
            title=text[:80],
            description=text,
            combined_text=text,
            tool_names=("hammer", "saw"),
            category_names=("craft",),
            topics=("wood",),
            username=f"user{number % 5_000}",
            type=TYPES[number % 4],
            created_at=NOW - timedelta(minutes=seed.randrange(5 * 365 * 1_440)),
            owner_id=number % 5_000 + 1,
            term_ids=tuple(seed.sample(range(1, 2_001), 8)),
            vector=vector,
        )
        for number, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]


async def measured(work: Callable[[int], Awaitable[object]], times: int) -> tuple[float, float]:
    """Return median and 95th percentile of the CPU milliseconds of `work`, all threads together."""
    costs = []
    for number in range(times):
        before = time.process_time()
        await work(number)
        costs.append((time.process_time() - before) * 1_000)
    return statistics.median(costs), sorted(costs)[int(times * 0.95)]


def recall(matrix: Matrix, query: Vector, found: np.ndarray, where: VectorFilter) -> float:
    """Return the share of hits that an exact search in double precision also finds."""
    passing = np.flatnonzero(matrix.filter_mask(where))
    scores = matrix.vectors[passing].astype(float) @ query.astype(float)
    exact = matrix.ids[passing][np.argsort(-scores, kind="stable")[: len(found)]]
    return len(np.intersect1d(exact, found)) / max(len(exact), 1)


async def search(store: EmbeddedVectorStore, queries: Vector, name: str, where: VectorFilter) -> None:
    """Print the cost of vector search with a filter."""

    async def near(number: int) -> None:
        await store.near(queries[number % len(queries)], LIMIT, where)

    median, worst = await measured(near, SEARCHES)
    hits = [(await store.near(query, LIMIT, where)).ids for query in queries[:20]]
    recalls = [
        recall(store._current_matrix(), query, found, where) for query, found in zip(queries, hits, strict=False)
    ]
    print(f"  near {LIMIT}, {name:<44} {median:6.1f} ms CPU (p95 {worst:5.1f}), recall {np.mean(recalls):.4f}")


async def search_words(
    store: EmbeddedVectorStore, texts: list[str], queries: Vector, name: str, where: VectorFilter
) -> None:
    """Print the cost of keyword and hybrid search; a query is six consecutive words of a text."""
    seed = random.Random(5)
    asked: list[str] = []
    while len(asked) < SEARCHES:
        words = seed.choice(texts).split()
        first = seed.randrange(max(len(words) - 6, 1))
        asked.append(" ".join(words[first : first + 6]))

    async def by_words(number: int) -> None:
        await store.hybrid(asked[number], None, 0.0, WINDOW, where)

    async def by_both(number: int) -> None:
        await store.hybrid(asked[number], queries[number % len(queries)], 0.7, HYBRID_LIMIT, where)

    for label, work in ((f"keyword {WINDOW}", by_words), (f"hybrid {HYBRID_LIMIT}", by_both)):
        median, worst = await measured(work, SEARCHES)
        print(f"  {label}, {name:<41} {median:6.1f} ms CPU (p95 {worst:5.1f})")


async def rebuild(texts: list[str], seed: random.Random) -> None:
    """Print the rate of filling a staged generation, including embedding, and the time to activate it."""
    embedder = WordLlamaEmbedder()
    await embedder.embed(["warm up"])
    nothing = np.zeros(embedder.dimension, np.float32)
    objects = make_objects(texts, np.broadcast_to(nothing, (len(texts), embedder.dimension)), seed)
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedVectorStore(Path(folder) / "vectors.sqlite")
        await store.prepare(embedder.model, embedder.dimension)
        for turn in ("first", "second"):
            started, cpu = time.perf_counter(), time.process_time()
            generation = await store.stage()
            for start in range(0, len(objects), REBUILD_BATCH):
                batch = objects[start : start + REBUILD_BATCH]
                vectors = await embedder.embed([item.combined_text for item in batch])
                made = [replace(item, vector=vector) for item, vector in zip(batch, vectors, strict=True)]
                await store.upsert(made, generation=generation)
            filled, cpu = time.perf_counter() - started, time.process_time() - cpu
            started = time.perf_counter()
            await store.publish(generation)
            published = time.perf_counter() - started
            print(
                f"{turn} rebuild of {len(objects):,}, WordLlama included: {len(objects) / filled:,.0f} projects/s, "
                f"{len(objects) / cpu:,.0f} per CPU second; publish {published * 1_000:,.0f} ms; "
                f"{_size_mb(Path(folder) / 'vectors.sqlite'):,.0f} MB on disk"
            )
        await store.close()
    await embedder.close()


async def run(name: str, objects: list[ProjectDocument], queries: Vector) -> None:
    """Write, load, search and refresh one index, and print the costs."""
    dimension = len(objects[0].vector)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.sqlite"
        store = EmbeddedVectorStore(path)
        await store.prepare("bench", dimension)
        started = time.perf_counter()
        for first in range(0, len(objects), BATCH):
            await store.upsert(objects[first : first + BATCH])
        seconds = time.perf_counter() - started
        print(f"{name}: {len(objects):,} x {dimension}")
        print(
            f"  upsert, batches of {BATCH}: {len(objects) / seconds:,.0f} projects/s; {_size_mb(path):,.0f} MB on disk"
        )
        started = time.perf_counter()
        await store.near(queries[0], LIMIT, VectorFilter())
        print(f"  first search, which loads the matrix: {time.perf_counter() - started:.2f} s")

        seed = random.Random(3)
        seen = frozenset(seed.sample(range(1, len(objects) + 1), 50))
        terms = frozenset(seed.sample(range(1, 2_001), 5))
        for label, where in (
            ("no filter", VectorFilter()),
            ("own and 50 seen left out", VectorFilter(exclude_owner=7, exclude_ids=seen)),
            ("the same, 1 of 4 types", VectorFilter(7, seen, frozenset({"article"}))),
            ("the same, any of 5 terms (2 %)", VectorFilter(7, seen, any_terms=(terms,))),
            ("the same, last month (1.6 %)", VectorFilter(7, seen, created_after=NOW - timedelta(days=30))),
        ):
            await search(store, queries, label, where)

        for label, where in (
            ("no filter", VectorFilter()),
            ("own and 50 seen left out", VectorFilter(exclude_owner=7, exclude_ids=seen)),
            ("the same, any of 5 terms (2 %)", VectorFilter(7, seen, any_terms=(terms,))),
        ):
            await search_words(store, [item.description for item in objects], queries, label, where)

        async def change_and_search(number: int) -> None:
            await store.upsert(objects[number : number + 1])
            await store.near(queries[0], LIMIT, VectorFilter())

        median, worst = await measured(change_and_search, SEARCHES)
        print(f"  one project written, then near {LIMIT}: {median:.1f} ms CPU (p95 {worst:.1f})")
        ids = np.array(seed.sample(range(1, len(objects) + 1), 2_000))
        median, _ = await measured(lambda _number: store.similarities(queries[0], ids), SEARCHES)
        print(f"  similarities of 2,000: {median:.1f} ms CPU")
        await store.close()


def _size_mb(path: Path) -> float:
    return sum(file.stat().st_size for file in path.parent.iterdir()) / 2**20


async def main(folder: Path, count: int) -> None:
    """Run with real texts, then with random vectors."""
    seed = random.Random(1)
    embedder = WordLlamaEmbedder()
    texts = fill_up(await asyncio.to_thread(read_texts, folder), count, seed)
    await embedder.embed(["warm up"])
    before = time.process_time()
    vectors = await embedder.embed(texts)
    print(f"WordLlama: {count / (time.process_time() - before):,.0f} texts per CPU second")
    queries = await embedder.embed([seed.choice(texts)[:60] for _ in range(SEARCHES)])
    await run("real texts", make_objects(texts, vectors, seed), queries)
    await embedder.close()

    await rebuild(texts, seed)

    generator = np.random.default_rng(2)
    noise = generator.standard_normal((count + SEARCHES, vectors.shape[1])).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    await run("random vectors", make_objects(texts, noise[:count], seed), noise[count:])
    print(f"peak resident memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="measure the embedded vector index")
    parser.add_argument("folder", type=Path, help="a folder in the import format")
    parser.add_argument("--count", type=int, default=100_000, help="projects in the index")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.folder, arguments.count))
