"""The search protocol: queries with known answers, run by the search pipeline on a temporary installation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson

from db import schema
from db.cache.embedded import EmbeddedCache
from db.catalog.project_cards import ProjectFilter, cards_by_key
from db.database.engine import Database
from db.embeddings.wordllama import WordLlamaEmbedder
from db.imports.importer import import_directory
from db.models import now
from db.stores import Stores
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.embedded import EmbeddedVectorStore
from scoring import tunables
from scoring.deadlines import PATIENT
from scoring.errors import InsufficientData
from scoring.evaluation.results import EvaluationResults, mean_with_error
from scoring.mathematics.signals import Floats, Integers
from scoring.pipelines import search
from scoring.pipelines.search import SearchQuery
from scoring.replay.measurements import RankingMetrics
from scoring.replay.replayed_requests import Progress

SERVED = "as served"
ALPHAS = {
    SERVED: tunables.SEARCH_ALPHA,
    "keywords alone": 0.0,
    "vectors alone": 1.0,
    "half keywords, half vectors": 0.5,
}
"""The weight of vector similarity in the fused score, by the name of the ranking."""
QUERIES = "queries.json"


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and the keys of the projects that answer it."""

    text: str
    relevant: tuple[str, ...]


def read_queries(directory: Path) -> list[Query]:
    """Read the queries of a folder: a JSON list of ``{"query": text, "relevant": [keys]}``.

    Raises `InsufficientData` if there are no queries, or the file cannot be read.
    """
    file = directory / QUERIES
    file_format = 'a list of {"query": "…", "relevant": ["key", …]}'
    try:
        records = orjson.loads(file.read_bytes())
        queries = [Query(str(record["query"]), tuple(map(str, record["relevant"]))) for record in records]
    except FileNotFoundError:
        raise InsufficientData(
            f"{directory} holds no {QUERIES}; the protocol search needs one, {file_format}"
        ) from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InsufficientData(f"{file} cannot be read ({error}); it has to be {file_format}") from error
    if not queries:
        raise InsufficientData(f"{file} holds no queries; it has to be {file_format}")
    return queries


async def evaluate_search(directory: Path, progress: Progress) -> EvaluationResults:
    """Import a folder into a temporary installation, and measure the results of each query by each of `ALPHAS`."""
    queries = read_queries(directory)
    async with _installation(directory, progress) as stores:
        cards = await cards_by_key(stores.database, sorted({key for query in queries for key in query.relevant}), None)
        ids = {key: card.id for key, card in cards.items()}
        answerable = [query for query in queries if any(key in ids for key in query.relevant)]
        if not answerable:
            raise InsufficientData(f"no query of {directory / QUERIES} has a relevant project that the folder holds")
        measured = {name: RankingMetrics() for name in ALPHAS}
        reciprocal_ranks: dict[str, list[float]] = {name: [] for name in ALPHAS}
        for number, query in enumerate(answerable):
            relevant = np.array([ids[key] for key in query.relevant if key in ids], dtype=np.int64)
            for name, alpha in ALPHAS.items():
                search_query = SearchQuery.checked(query.text, alpha)
                results = (await search.rank(stores, search_query, ProjectFilter(), None, now(), PATIENT)).ids
                scores, projects = _as_scores(results, relevant)
                rows = np.flatnonzero(np.isin(projects, relevant))
                measured[name].add(scores, rows, projects, np.zeros(projects.size))
                relevant_ranks = np.flatnonzero(np.isin(results, relevant))
                reciprocal_ranks[name].append(1.0 / (relevant_ranks[0] + 1.0) if relevant_ranks.size else 0.0)
            progress("queries", (number + 1) / len(answerable))
        n_projects = sum((await stores.vectors.counts()).values())
    clusters = np.arange(len(answerable))
    facts: dict[str, object] = {
        "alpha as served": f"{tunables.SEARCH_ALPHA:g}, adapted to each query (half and half too)",
        "queries": len(answerable),
        "queries without an answer in the folder": len(queries) - len(answerable),
        "reciprocal rank, first 100": {
            name: mean_with_error(np.array(values), clusters) for name, values in reciprocal_ranks.items()
        },
        "an answer in the first 10": {
            name: mean_with_error((np.array(values) >= 0.1).astype(np.float64), clusters)
            for name, values in reciprocal_ranks.items()
        },
    }
    return EvaluationResults("search", directory.name, measured, SERVED, clusters, n_projects, facts)


@asynccontextmanager
async def _installation(directory: Path, progress: Progress) -> AsyncIterator[Stores]:
    """Import a folder into empty embedded stores, and index it. The stores are deleted at the end."""
    with TemporaryDirectory(prefix="explore-evaluate-") as name:
        folder = Path(name)
        stores = Stores(
            Database(f"sqlite:///{folder / 'database.sqlite'}"),
            EmbeddedVectorStore(folder / "vectors.sqlite"),
            WordLlamaEmbedder(),
            EmbeddedCache(folder / "cache.sqlite"),
        )
        try:
            await schema.migrate(stores.database)
            await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
            await import_directory(stores.database, directory, progress=lambda step: progress(step.file, step.fraction))
            synchronizer = IndexSynchronizer(stores.database, stores.vectors, stores.embedder)
            await synchronizer.drain_all(lambda share, _: progress("index", share))
            yield stores
        finally:
            await stores.close()


def _as_scores(results: Integers, relevant: Integers) -> tuple[Floats, Integers]:
    """Return descending scores and the projects: results, then padding, then relevant projects that were not found.

    The padding keeps the projects that were not found out of the first 20 ranks.
    """
    not_found = relevant[~np.isin(relevant, results)]
    projects = np.concatenate([results, np.full(tunables.SEARCH_HITS, -1), not_found])
    return -np.arange(projects.size, dtype=np.float64), projects
