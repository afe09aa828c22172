"""CPU, latency and memory of the gateway's pages, beside graphql-yoga, in one interleaved run.

    python -m bench.serving [--projects 10000] [--only card,trending] [--rounds 3] [--seconds 1]

Starts PostgreSQL, two Redis, the gateway on SQLite and on PostgreSQL with Redis, and graphql-yoga over the same
PostgreSQL and with the answers in memory (`bench/peers/`; Node.js 20.19). The data is made once per size in --folder.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.serving import report, targets
from bench.serving.data import data_set, users_of
from bench.serving.measure import measure
from bench.serving.processes import pss_mb
from bench.serving.scenarios import WARM, Known, Scenario, scenarios
from bench.serving.targets import Target, ask
from db.private_files import DataFile
from tests.node_packages import NodeMissing, NodePackages, installed
from tests.servers import RedisServer, running_redis

MAX_SQLITE = 100_000
"""Number of projects above which the gateway is measured on PostgreSQL only."""
REMOVABLE = 12
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def learn(target: Target, projects: int, viewers: Sequence[int] = WARM[:4]) -> Known:
    """Read what the variables of the scenarios refer to."""
    asked = ask(target.port, "{ onboardingQuestions { key options { key } } }", None)["data"]["onboardingQuestions"]
    answers = [{"question": one["key"], "options": [one["options"][0]["key"]]} for one in asked]
    ranked = {}
    for number in viewers:
        page = ask(target.port, f"{{ forYou(first: {REMOVABLE}) {{ nodes {{ key }} }} }}", f"u{number}")
        ranked[f"u{number}"] = [node["key"] for node in page["data"]["forYou"]["nodes"]]
    return Known(users_of(projects), projects, answers, ranked)


def answers_of(target: Target, asked: Sequence[Scenario]) -> dict[str, Any]:
    """Return the gateway's answers to the documents that peers answer from memory, by operation name."""
    answers = {}
    for scenario in asked:
        if "yoga-memory" in scenario.peers:
            operation = scenario.document.split(maxsplit=2)[1]
            sent = scenario.sent(0)
            answer = ask(target.port, scenario.document, sent.user, **(sent.variables or {}))
            assert "errors" not in answer, answer  # noqa: S101
            answers[operation] = answer["data"]
    return answers


def start_peers(
    stack: ExitStack,
    packages: NodePackages,
    folder: Path,
    gateway: Target,
    cache: RedisServer,
    asked: Sequence[Scenario],
    viewers: Sequence[int] = WARM,
) -> list[Target]:
    """Start graphql-yoga over the gateway's PostgreSQL, with the gateway's rankings, and with its answers in memory."""
    assert gateway.database is not None  # noqa: S101
    by_name = {scenario.name: scenario.document.replace("first: 30", "first: 100") for scenario in asked}
    for number in viewers:
        answer = ask(gateway.port, by_name["explanation"], f"u{number}")
        targets.fill_rankings(cache, f"u{number}", answer["data"]["forYou"])
    targets.fill_rankings(cache, "trending", ask(gateway.port, by_name["trending"], None)["data"]["trending"])
    answers = folder / "answers.json"
    answers.write_text(json.dumps(answers_of(gateway, asked)))
    url = gateway.database.url("bench").replace("postgres@", "peer@")
    logs = [folder / f"yoga-{name}.log" for name in ("postgresql", "memory")]
    over, memory = (
        stack.enter_context(
            targets.peer(log.stem, packages, log, DATABASE_URL=url, REDIS_URL=cache.url, ANSWERS=str(answers))
        )
        for log in logs
    )
    over.database, over.role, over.cache = gateway.database, "peer", cache
    return [over, memory]


def start_all(stack: ExitStack, folder: Path, data: Path, projects: int) -> tuple[list[Target], list[Scenario]]:
    """Start all servers over a data set; return them and the scenarios."""
    print("PostgreSQL ...", flush=True)
    server = stack.enter_context(targets.postgresql(data))
    cache, peer_cache = (stack.enter_context(running_redis()) for _ in range(2))
    first_page = scenarios(Known(users_of(projects), projects))[1].document
    running: list[Target] = []

    def start_gateway(name: str, files: Sequence[str], **settings: str) -> Target:
        print(f"{name} ...", flush=True)
        var = folder / name
        var.mkdir(mode=0o700)
        for file in files:
            shutil.copy(data / file, var / file)
        running.append(stack.enter_context(targets.gateway(name, var, first_page, "u1", **settings)))
        return running[-1]

    url = server.url("bench").replace("postgres@", "gateway@")
    gateway = start_gateway("postgresql", [DataFile.VECTORS], DATABASE_URL=url, REDIS_URL=cache.url)
    gateway.database, gateway.role, gateway.cache = server, "gateway", cache
    if projects <= MAX_SQLITE:
        start_gateway("sqlite", [DataFile.VECTORS, DataFile.DATABASE]).file = folder / "sqlite" / DataFile.DATABASE
    asked = scenarios(learn(gateway, projects))
    try:
        packages = installed(targets.PEERS)
    except NodeMissing as missing:
        print(f"without graphql-yoga: {missing}")
    else:
        running += start_peers(stack, packages, folder, gateway, peer_cache, asked)
    return running, asked


def main() -> None:
    """Start everything, measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--projects", type=int, default=10_000, choices=SIZES, help=f"{', '.join(map(str, SIZES))} [10000]"
    )
    parser.add_argument("--only", default="", help="names of scenarios, separated by commas [all]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement [1]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/bench"), help="of data and results [build/bench]")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds <= 0:
        parser.error("--rounds must be at least 1, and --seconds above 0")
    names = set(filter(None, given.only.split(",")))
    known_names = [scenario.name for scenario in scenarios(Known(users_of(given.projects), given.projects))]
    if unknown := sorted(names.difference(known_names)):
        parser.error(f"--only has unknown scenarios: {', '.join(unknown)}; choose from {', '.join(known_names)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end too
    print(f"data: {given.projects:,} projects ...", flush=True)
    data = asyncio.run(data_set(given.folder.absolute(), given.projects, given.seed))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="explore-bench-")))
        running, asked = start_all(stack, folder, data, given.projects)
        memory = {one.name: pss_mb(one.pid) for one in running}
        chosen = [one for one in asked if not names or one.name in names]
        cells = asyncio.run(measure(running, chosen, given.rounds, given.seconds))
        result = {
            "projects": given.projects,
            "rounds": given.rounds,
            "cores": os.cpu_count(),
            "load": os.getloadavg(),
            "settings": targets.LIFTED,
            "servers": {
                one.name: {
                    "start_s": one.start_s,
                    "start_cpu_s": one.start_cpu_s,
                    "pss_at_start_mb": memory[one.name],
                    "pss_mb": pss_mb(one.pid),
                }
                for one in running
            },
            "cells": [cell.as_json() for cell in cells],
        }
    report.write(result, given.folder / f"serving-{given.projects}.json")


if __name__ == "__main__":
    main()
