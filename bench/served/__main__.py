"""NDCG@10 of the served For You page, and of the replay for the same requests.

    python -m bench.served FOLDER [--since TIME --until TIME] [--requests N] [--mornings TIME ...]

A folder in the import format is imported request by request: each request is served over GraphQL with the clock at its
moment and all earlier events in the database. `explore train` fits the model before the first request; nightly training
and the hourly velocities run at their times. Both sides rank by the same model. The relevant projects are those of the
replay (`scoring.replay.replayed_requests`); with `--mornings`, those of the next 24 hours.

The served page is measured as it is, and without the projects that the viewer had engaged with, which are no candidates
of the replay. Standard errors are clustered by viewer.
"""

# ruff: noqa: E402 (the number of BLAS threads has to stand before NumPy is loaded)

import argparse
import asyncio
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # as the gateway serves

import numpy as np

from bench.served.requests import RANKS, morning_requests, replayed_pages, requests_between
from bench.served.stepped_gateway import Log, SteppedGateway, stepped_gateway
from db.embeddings.wordllama import WordLlamaEmbedder
from db.errors import InvalidRecord
from db.time_units import parse_time
from scoring import tunables
from scoring.errors import InsufficientData
from scoring.mathematics.additive_model import Model
from scoring.mathematics.behavior_evidence import GroupedEvents
from scoring.mathematics.ranking_metrics import clustered_standard_error, ndcg
from scoring.mathematics.signals import Floats, Integers, Signal
from scoring.models.model_presets import DEFAULT, as_data, from_data
from scoring.replay.dataset import Dataset, load_dataset
from scoring.replay.replayed_requests import FeedRequests
from scoring.training.model_training import train_model

UNREAD, REPLAY = ", unread projects only", "replay"
Pages = dict[str, list[list[int]]]
"""Pages by the name of the ranking, one for each request: projects (dense indexes), best first."""
PAGE = tunables.MAX_PAGE_SIZE
"""Ranks that are requested, so that ten remain without what the viewer has read."""


def report(what: str, share: float) -> None:
    """Print the progress on one line."""
    print(f"\r{what}: {share:.0%}   ", end="", file=sys.stderr, flush=True)


def page_ndcg(ranked: list[int], relevant: set[int]) -> float:
    """Return the NDCG@10 of a page of projects, best first."""
    ranks = np.array([rank for rank, project in enumerate(ranked[:RANKS]) if project in relevant], dtype=np.int64)
    return ndcg(ranks, len(relevant), RANKS)


async def model_for(gateway: SteppedGateway, at: datetime, options: argparse.Namespace) -> Model:
    """Return the model of `--model`, or train on everything before the first request."""
    if options.untrained:
        return DEFAULT
    gateway.is_trained = True
    await gateway.step(at)
    if options.model is not None and options.model.exists():
        return from_data("trained", json.loads(options.model.read_text()))
    verdict = await train_model(gateway.stores.database, "trained", progress=report, vectors=gateway.stores.vectors)
    print(f"\ntrained before {at:%Y-%m-%d %H:%M}: {verdict.because}", file=sys.stderr)
    if options.model is not None:
        options.model.write_text(json.dumps(as_data(verdict.model)))
    return verdict.model


async def serve(
    gateway: SteppedGateway, dataset: Dataset, log: Log, requests: FeedRequests, without: tuple[Signal, ...]
) -> Pages:
    """Serve the requests in the order of time; return the pages as served, and without what the viewers had read.

    With signals in `without`, each request is also served by the model without these.
    """
    index_of = {key: index for index, key in enumerate(log.project_keys)}
    by_actor = GroupedEvents.from_groups(dataset.log.actors, dataset.log.n_actors)
    models = {"served": gateway.model}
    if without:
        models[f"served without {', '.join(without)}"] = without_signals(gateway.model, without)
    pages: Pages = {f"{name}{part}": [] for name in models for part in ("", UNREAD)}
    for index in range(requests.n):
        actor, at_s = int(requests.actors[index]), float(requests.at_s[index])
        await gateway.step(datetime.fromtimestamp(at_s, UTC))
        read = set(dataset.log.projects[by_actor.events_before(actor, dataset.log.count_before(at_s))].tolist())
        for name, gateway.model in models.items():
            page = [index_of[key] for key in await gateway.page(log.users[actor].key, PAGE)]
            pages[name].append(page)
            pages[f"{name}{UNREAD}"].append([project for project in page if project not in read])
        if index % 20 == 0 or index == requests.n - 1:
            report("served", (index + 1) / requests.n)
    return pages


def without_signals(model: Model, signals: tuple[Signal, ...]) -> Model:
    """Return the model without the curves of some signals, under another name."""
    name = f"{model.name} without {', '.join(signals)}"
    curves = {signal: curve for signal, curve in model.curves.items() if signal not in signals}
    offsets = {
        stage: {signal: curve for signal, curve in offset.items() if signal in curves}
        for stage, offset in model.offsets.items()
    }
    return Model(name, curves, offsets)


async def run(options: argparse.Namespace) -> None:
    """Serve and replay the requests, and print the table."""
    dataset = await load_dataset(options.folder).with_vectors(WordLlamaEmbedder())
    log = Log(options.folder, dataset.created_s)
    if options.mornings:
        requests = morning_requests(dataset, options.mornings)
    else:
        requests = requests_between(dataset, options.since, options.until, options.requests)
    if not requests.n:
        raise SystemExit(f"{options.folder} has no requests in this period; give other times")
    begin = datetime.fromtimestamp(float(requests.at_s[0]), UTC)
    with tempfile.TemporaryDirectory() as folder:
        async with stepped_gateway(log, Path(folder), options.exploration) as gateway:
            model = gateway.model = await model_for(gateway, begin, options)
            pages = await serve(gateway, dataset, log, requests, tuple(options.without))
    replayed = replayed_pages(dataset, requests, model, options.exploration, report)
    pages[REPLAY] = [page.tolist() for page in replayed]
    relevant = [set(projects.tolist()) for projects in requests.relevant]
    values = {
        name: np.array([page_ndcg(page, wanted) for page, wanted in zip(ranked, relevant, strict=True)])
        for name, ranked in pages.items()
    }
    print_table(values, requests.actors)


def print_table(values: dict[str, Floats], viewers: Integers) -> None:
    """Print the mean of each ranking, and its difference from the replay."""
    print(f"\n{viewers.size} requests of {np.unique(viewers).size} viewers")
    for name, ndcgs in values.items():
        error, difference = clustered_standard_error(ndcgs, viewers), ndcgs - values[REPLAY]
        row = f"{name:<60} NDCG@10 {ndcgs.mean():.4f} ± {error:.4f}"
        print(f"{row}   difference {difference.mean():+.4f} ± {clustered_standard_error(difference, viewers):.4f}")


def moment(text: str) -> datetime:
    """Parse a time; without an offset it is UTC."""
    return parse_time(text, assume_utc=True)


def main() -> None:
    """Parse the command line, and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--since", type=moment, default=moment("1970-01-02"), help="first moment of a request")
    parser.add_argument("--until", type=moment, default=moment("9000-01-01"), help="last moment of a request")
    parser.add_argument("--requests", type=int, help="maximum number of requests, evenly spaced")
    parser.add_argument("--mornings", type=moment, nargs="+", help="moments at which all known users request a page")
    parser.add_argument(
        "--exploration", type=float, default=tunables.EXPLORATION_SHARE, help="EXPLORATION_SHARE of both sides"
    )
    parser.add_argument("--without", type=Signal, nargs="+", default=[], help="serve without these signals, too")
    parser.add_argument(
        "--untrained",
        action="store_true",
        help="serve by the shipped weights before any training (the replay has factors)",
    )
    parser.add_argument("--model", type=Path, help="read the trained model from this file, or write it there")
    options = parser.parse_args()
    if options.requests is not None and options.requests < 1:
        parser.error("--requests must be at least 1")
    try:
        asyncio.run(run(options))
    except (InvalidRecord, InsufficientData) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
