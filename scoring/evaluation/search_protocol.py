"""The search protocol: written queries with known answers, asked of the product's own search."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from db.catalog.project_cards import ProjectFilter, cards_by_key
from db.models import now
from db.stores import Stores
from scoring import weights
from scoring.deadlines import PATIENT
from scoring.errors import InsufficientData
from scoring.evaluation.results import EvaluationResults, RankingMetrics
from scoring.evaluation.temporary_installation import temporary_installation
from scoring.mathematics.ranking_metrics import clustered_standard_error
from scoring.mathematics.signals import Floats, Integers
from scoring.pipelines import search
from scoring.pipelines.search import SearchQuery
from scoring.replay.replayed_requests import Progress

OURS = "ours: as served"
WAYS = {
    OURS: weights.SEARCH_ALPHA,
    "words alone": 0.0,
    "meaning alone": 1.0,
    "half words, half meaning": 0.5,
}
QUERIES = "queries.json"


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and the keys of the projects that answer it."""

    text: str
    relevant: tuple[str, ...]


def read_queries(directory: Path) -> list[Query]:
    """Read the queries of a folder: a JSON list of ``{"query": text, "relevant": [keys]}``.

    Raises
    ------
    InsufficientData
        If there are none, or they cannot be read.
    """
    file = directory / QUERIES
    wanted = 'a list of {"query": "…", "relevant": ["key", …]}'
    try:
        records = orjson.loads(file.read_bytes())
        queries = [Query(str(one["query"]), tuple(map(str, one["relevant"]))) for one in records]
    except FileNotFoundError:
        raise InsufficientData(f"{directory} holds no {QUERIES}; the protocol search needs one, {wanted}") from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InsufficientData(f"{file} cannot be read ({error}); it has to be {wanted}") from error
    if not queries:
        raise InsufficientData(f"{file} holds no queries; it has to be {wanted}")
    return queries


async def evaluate_search(directory: Path, progress: Progress) -> EvaluationResults:
    """Import a folder into stores of its own, ask every query in every way, and see where the answers stand."""
    queries = read_queries(directory)
    async with temporary_installation(directory, progress) as stores:
        cards = await cards_by_key(stores.database, sorted({key for one in queries for key in one.relevant}), None)
        ids = {key: card.id for key, card in cards.items()}
        asked = [one for one in queries if any(key in ids for key in one.relevant)]
        if not asked:
            raise InsufficientData(f"no query of {directory / QUERIES} has a relevant project that the folder holds")
        measured = {name: RankingMetrics() for name in WAYS}
        reciprocal: dict[str, list[float]] = {name: [] for name in WAYS}
        for number, query in enumerate(asked):
            relevant = np.array([ids[key] for key in query.relevant if key in ids], dtype=np.int64)
            for name, alpha in WAYS.items():
                found = await _found(stores, query.text, alpha)
                scores, projects = _as_scores(found, relevant)
                rows = np.flatnonzero(np.isin(projects, relevant))
                measured[name].add(scores, rows, projects, np.zeros(projects.size))
                places = np.flatnonzero(np.isin(found, relevant))
                reciprocal[name].append(1.0 / (places[0] + 1.0) if places.size else 0.0)
            progress("queries", (number + 1) / len(asked))
        catalogue = sum((await stores.vectors.counts()).values())
    facts: dict[str, object] = {
        "alpha as served": f"{weights.SEARCH_ALPHA:g}, weighed anew for each query (half and half too)",
        "queries": len(asked),
        "queries without an answer in the folder": len(queries) - len(asked),
        "reciprocal rank, first 100": {name: _told(values) for name, values in reciprocal.items()},
        "an answer in the first 10": {
            name: _told([float(value >= 0.1) for value in values]) for name, values in reciprocal.items()
        },
    }
    return EvaluationResults("search", directory.name, measured, OURS, np.arange(len(asked)), catalogue, facts)


async def _found(stores: Stores, text: str, alpha: float) -> Integers:
    ranking = await search.rank(stores, SearchQuery.checked(text, alpha), ProjectFilter(), None, now(), PATIENT)
    return ranking.ids


def _as_scores(found: Integers, relevant: Integers) -> tuple[Floats, Integers]:
    """Write an order as scores, with what was not found behind it."""
    missed = relevant[~np.isin(relevant, found)]
    behind = np.full(weights.SEARCH_HITS, -1)  # so that what was missed has no rank among the first 20
    projects = np.concatenate([found, behind, missed])
    return -np.arange(projects.size, dtype=np.float64), projects


def _told(values: list[float]) -> str:
    array = np.array(values)
    return f"{array.mean():.4f} ± {clustered_standard_error(array, np.arange(array.size)):.4f}"
