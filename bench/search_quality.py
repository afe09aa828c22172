"""Quality of search for written queries with known answers, and for queries made of words of one project.

    python -m bench.search_quality DIR

DIR holds `projects.jsonl.gz` in the import format and `queries.json`, a list of {"query", "relevant": [keys]}. Queries
of the second kind are generated: words of a project's description that are not in its title; the project is the only
correct answer. They favor keyword search by construction. A change should improve one kind and not degrade the other.
"""
# ruff: noqa: E402 (the number of BLAS threads has to stand before NumPy is loaded)

import argparse
import asyncio
import gzip
import os
import random
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

import orjson

from db.embeddings.wordllama import WordLlamaEmbedder
from db.synchronization.embedding_texts import project_text
from db.vectors.base import HybridHits, ProjectDocument, Vector, VectorFilter
from db.vectors.embedded import EmbeddedVectorStore
from db.vectors.fusion import WINDOW, adapt_alpha, reweight
from db.vectors.text_analysis import matched_words, query_words

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = VectorFilter()
BATCH = 500
KNOWN_ITEMS = 500
TOP = 10
DEFAULT_ALPHA = 0.7

Ranking = list[str]
Search = Callable[[str, Vector], Awaitable[Ranking]]


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and the keys of the relevant projects."""

    text: str
    relevant: frozenset[str]


def read_projects(folder: Path) -> list[dict[str, Any]]:
    """Return the projects of a data set."""
    with gzip.open(folder / "projects.jsonl.gz") as lines:
        return [orjson.loads(line) for line in lines]


def written(folder: Path) -> list[Query]:
    """Return the written queries."""
    records = orjson.loads((folder / "queries.json").read_bytes())
    return [Query(record["query"], frozenset(record["relevant"])) for record in records]


def known_items(
    projects: Sequence[dict[str, Any]], choose: Callable[[list[str], random.Random], list[str]]
) -> list[Query]:
    """Generate queries from the descriptions of random projects, without words of their titles."""
    seed = random.Random(1)
    queries: list[Query] = []
    for record in seed.sample(projects, len(projects)):
        title = set(query_words(record["title"]))
        words = [word for word in query_words(record.get("description", "")) if word not in title]
        if len(words) >= 4:
            queries.append(Query(" ".join(choose(words, seed)), frozenset({record["key"]})))
        if len(queries) == KNOWN_ITEMS:
            break
    return queries


def some(words: list[str], count: int, seed: random.Random) -> list[str]:
    """Draw words, and return them in their original order."""
    return [words[place] for place in sorted(seed.sample(range(len(words)), min(count, len(words))))]


async def fill(store: EmbeddedVectorStore, embedder: WordLlamaEmbedder, projects: Sequence[dict[str, Any]]) -> None:
    """Write the projects to the index, with the texts and vectors that the worker computes."""
    await store.prepare(embedder.model, embedder.dimension)
    for first in range(0, len(projects), BATCH):
        batch = projects[first : first + BATCH]
        texts = [_text(record) for record in batch]
        vectors = await embedder.embed(texts)
        await store.upsert(
            [
                _object(first + place, record, text, vector)
                for place, (record, text, vector) in enumerate(zip(batch, texts, vectors, strict=True), start=1)
            ]
        )


def _text(record: dict[str, Any]) -> str:
    return project_text(
        record["title"],
        record.get("description", ""),
        topics=record["topics"],
        tools=record["tools"],
        categories=record["categories"],
    )


def _object(id_: int, record: dict[str, Any], text: str, vector: Vector) -> ProjectDocument:
    return ProjectDocument(
        id=id_,
        key=record["key"],
        title=record["title"],
        description=record.get("description", ""),
        combined_text=text,
        tool_names=tuple(record["tools"]),
        category_names=tuple(record["categories"]),
        topics=tuple(record["topics"]),
        username="",
        type=record["type"],
        created_at=NOW,
        owner_id=None,
        term_ids=(),
        vector=vector,
    )


def ways(store: EmbeddedVectorStore, texts: dict[str, str]) -> dict[str, Search]:
    """Return the search methods by name. `texts` maps the keys of all projects, in the order of their ids, to texts."""
    keys = list(texts)

    def ranking(hits: HybridHits) -> Ranking:
        return [keys[id_ - 1] for id_ in hits.ids.tolist()]

    def at(alpha: float) -> Search:
        async def search(query: str, vector: Vector) -> Ranking:
            return ranking(await store.hybrid(query, vector, alpha, 2 * WINDOW, EVERYTHING))

        return search

    async def adapted(query: str, vector: Vector) -> Ranking:
        hits = await store.hybrid(query, vector, DEFAULT_ALPHA, 2 * WINDOW, EVERYTHING)
        by_words = sorted(range(len(hits.ids)), key=lambda place: -hits.keyword_parts[place])[:TOP]
        words = len(query_words(query)) or 1
        best_texts = (texts[keys[hits.ids[place] - 1]] for place in by_words)
        covered = max((len(matched_words(query, text)) / words for text in best_texts), default=0.0)
        return ranking(reweight(hits, DEFAULT_ALPHA, adapt_alpha(DEFAULT_ALPHA, covered)))

    return {
        "keywords": at(0.0),
        "vectors": at(1.0),
        "hybrid, alpha 0.5": at(0.5),
        "hybrid, alpha 0.7": at(0.7),
        "hybrid, alpha 0.7 adapted": adapted,
    }


def measures(rankings: Sequence[Ranking], queries: Sequence[Query]) -> tuple[float, float, float]:
    """Return Recall@10, the mean reciprocal rank, and the share of queries with a hit in the first ten."""
    recall = reciprocal = hit = 0.0
    for ranking, query in zip(rankings, queries, strict=True):
        places = [place for place, key in enumerate(ranking, start=1) if key in query.relevant]
        inside = sum(place <= TOP for place in places)
        recall += inside / len(query.relevant)
        reciprocal += 1 / places[0] if places else 0.0
        hit += inside > 0
    return recall / len(queries), reciprocal / len(queries), hit / len(queries)


async def main(folder: Path) -> None:
    """Print the three measures of each search method and set of queries."""
    projects = read_projects(folder)
    queries = written(folder)
    sets = {
        f"{len(queries)} written": queries,
        "their even half": queries[::2],
        "their odd half": queries[1::2],
        "known item, all words": known_items(projects, lambda words, _: words),
        "known item, half of them": known_items(
            projects, lambda words, seed: some(words, max(len(words) // 2, 3), seed)
        ),
        "known item, three": known_items(projects, lambda words, seed: some(words, 3, seed)),
    }
    embedder = WordLlamaEmbedder()
    with tempfile.TemporaryDirectory() as temporary:
        store = EmbeddedVectorStore(Path(temporary) / "vectors.sqlite")
        await fill(store, embedder, projects)
        texts = {record["key"]: f"{record['title']} {record.get('description', '')}" for record in projects}
        for name, asked in sets.items():
            vectors = await embedder.embed([query.text for query in asked])
            print(f"{name} ({len(asked)})")
            for way, search in ways(store, texts).items():
                rankings = [await search(query.text, vector) for query, vector in zip(asked, vectors, strict=True)]
                print(f"  {way:<26}" + " / ".join(f"{value:.3f}" for value in measures(rankings, asked)))
        await store.close()
    await embedder.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="measure the quality of search: Recall@10 / MRR / hit@10")
    parser.add_argument("folder", type=Path, help="a folder with projects.jsonl.gz and queries.json")
    asyncio.run(main(parser.parse_args().folder))
