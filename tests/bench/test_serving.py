"""The serving bench: its documents are valid, and graphql-yoga answers them in the gateway's shape."""

import asyncio
import json
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from bench.serving import targets
from bench.serving.__main__ import learn, start_peers
from bench.serving.data import data_set, users_of
from bench.serving.scenarios import Known, scenarios
from bench.serving.targets import Target, ask
from db.private_files import DataFile
from tests.node_packages import NodeMissing, installed
from tests.running import address_in, serving
from tests.servers import running_redis

PROJECTS = 200
SCHEMA = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text())
UNKNOWN = Known(users_of(PROJECTS), PROJECTS)


def shape(value):
    """Replace each scalar by its type; 1 and 1.0 are the same number of JSON."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return "number" if type(value) in (int, float) else type(value).__name__


@pytest.mark.parametrize("scenario", scenarios(UNKNOWN), ids=lambda scenario: scenario.name)
def test_each_document_is_valid(scenario):
    assert validate(SCHEMA, parse(scenario.document)) == []


@pytest.mark.servers
def test_the_peers_answer_in_the_shape_of_the_gateway(tmp_path):
    try:
        packages = installed(targets.PEERS)
    except NodeMissing as missing:
        pytest.skip(f"left out: {missing}")
    data = asyncio.run(data_set(tmp_path, PROJECTS, 1, trains=False))
    (tmp_path / "var").mkdir(mode=0o700)
    shutil.copy(data / DataFile.VECTORS, tmp_path / "var")
    with ExitStack() as stack:
        server = stack.enter_context(targets.postgresql(data))
        cache, peer_cache = (stack.enter_context(running_redis()) for _ in range(2))
        stores = {"DATABASE_URL": server.url("bench"), "REDIS_URL": cache.url}
        settings = {**targets.LIFTED, "TOKEN_SECRET": targets.SECRET, **stores}
        process, welcome = stack.enter_context(serving(tmp_path, **settings))
        port = int(address_in(welcome).rpartition(":")[2])
        gateway = Target("postgresql", process.pid, port, database=server)
        asked = scenarios(learn(gateway, PROJECTS, [1]))
        peers = {peer.name: peer for peer in start_peers(stack, packages, tmp_path, gateway, peer_cache, asked, [1])}
        for scenario in asked:
            sent = scenario.sent(0)
            ours = ask(gateway.port, scenario.document, sent.user, **(sent.variables or {}))
            assert "errors" not in ours, scenario.name
            for name in scenario.peers:
                theirs = ask(peers[name].port, scenario.document, sent.user, **(sent.variables or {}))
                assert json.dumps(shape(theirs["data"])) == json.dumps(shape(ours["data"])), (scenario.name, name)
