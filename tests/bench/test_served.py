"""The page that is served over GraphQL is the page that the replay ranks, signal by signal."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bench.served import requests as bench_requests
from bench.served.__main__ import main, without_signals
from bench.served.requests import RANKS, morning_requests, replayed_pages, requests_between
from bench.served.stepped_gateway import Log, stepped_gateway
from db.embeddings.wordllama import WordLlamaEmbedder
from scoring.mathematics.additive_model import Curve, Model
from scoring.mathematics.signals import Signal
from scoring.models.model_presets import DEFAULT
from scoring.replay.dataset import load_dataset
from scoring.replay.measurements import SERVED_SIGNALS
from scoring.replay.replayed_requests import feed_requests
from tests.scoring.evaluation.test_replay import a_dataset, quiet

REQUESTS = 3
MODELS = {signal: Model(signal, {signal: Curve.linear(1.0, -1_000.0, 1_000.0)}) for signal in SERVED_SIGNALS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in the import format: two tastes, and people who come back to what they have read."""
    made, rng = a_dataset(days=14, people=24), np.random.default_rng(1)
    log = made.log

    def iso(at_s: float) -> str:
        return datetime.fromtimestamp(at_s, UTC).isoformat()

    def write(kind: str, records: list[dict[str, str]]) -> None:
        (tmp_path / f"{kind}.jsonl").write_text("\n".join(map(json.dumps, records)))

    write("users", [{"key": f"u{n:02}", "username": f"Reader {n}"} for n in range(log.n_actors)])
    write(
        "projects",
        [
            {"key": f"p{n:04}", "title": f"Article {n}", "type": "article", "created_at": iso(at_s)}
            for n, at_s in enumerate(made.created_s.tolist())
        ],
    )
    events = [
        {"user": f"u{actor:02}", "project": f"p{project:04}", "type": type_, "at": iso(at_s + later)}
        for actor, project, at_s in zip(log.actors.tolist(), log.projects.tolist(), log.at_s.tolist(), strict=True)
        for type_, later in (("view", 0.0), ("like", rng.exponential(86_400.0)))
        if type_ == "view" or rng.random() < 0.4
    ]
    write("interactions", events)
    return tmp_path


@pytest.mark.servers
async def test_each_signal_ranks_a_served_page_as_it_ranks_the_replayed_one(folder: Path, tmp_path_factory):
    dataset = await load_dataset(folder).with_vectors(WordLlamaEmbedder())
    log, requests = Log(folder, dataset.created_s), feed_requests(dataset)
    requests = requests.select(np.arange(requests.n - REQUESTS, requests.n))
    index_of = {key: index for index, key in enumerate(log.project_keys)}
    served: dict[Signal, list[list[int]]] = {signal: [] for signal in MODELS}
    async with stepped_gateway(log, tmp_path_factory.mktemp("var"), exploration=0.0) as gateway:
        gateway.is_trained = True
        for actor, at_s in zip(requests.actors.tolist(), requests.at_s.tolist(), strict=True):
            await gateway.step(datetime.fromtimestamp(at_s, UTC))
            read = dataset.log.projects[(dataset.log.actors == actor) & (dataset.log.at_s < at_s)]
            for signal, gateway.model in MODELS.items():
                page = [index_of[key] for key in await gateway.page(log.users[actor].key, 100)]
                served[signal].append([project for project in page if project not in read][:RANKS])
    for signal, model in MODELS.items():
        replayed = replayed_pages(dataset, requests, model, 0.0, quiet)
        assert served[signal] == [page.tolist() for page in replayed], signal


def test_morning_requests_are_those_of_known_users_who_read_something_new_in_the_next_day(folder: Path):
    dataset = load_dataset(folder)
    moment = datetime.fromtimestamp(float(dataset.log.at_s[dataset.log.at_s.size // 2]), UTC)
    requests = morning_requests(dataset, [moment])
    assert requests.n > 5
    log, end_s = dataset.log, moment.timestamp() + bench_requests.HORIZON_S
    for actor, relevant in zip(requests.actors.tolist(), requests.relevant, strict=True):
        times = log.at_s[log.actors == actor]
        assert times.min() < moment.timestamp()
        assert (dataset.created_s[relevant] < moment.timestamp()).all()
        chosen = (log.actors == actor) & np.isin(log.projects, relevant)
        assert ((log.at_s[chosen] >= moment.timestamp()) & (log.at_s[chosen] < end_s)).all()


def test_requests_of_a_period_are_evenly_spaced(folder: Path):
    dataset = load_dataset(folder)
    since, until = (datetime.fromtimestamp(float(dataset.log.at_s[index]), UTC) for index in (0, -1))
    every, some = requests_between(dataset, since, until, None), requests_between(dataset, since, until, 10)
    assert some.n == 10 < every.n
    assert set(some.at_s.tolist()) <= set(every.at_s.tolist())


def test_a_model_without_a_signal_has_another_name_and_keeps_the_other_curves():
    reduced = without_signals(DEFAULT, (Signal.VECTOR_SIMILARITY,))
    assert reduced.name != DEFAULT.name
    assert set(reduced.curves) == set(DEFAULT.curves) - {Signal.VECTOR_SIMILARITY}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}/none"], "is not a folder"),
        (["{folder}", "--since", "2031-01-01"], "no requests in this period"),
        (["{folder}", "--requests", "0"], "at least 1"),
        (["{folder}", "--without", "nothing"], "invalid Signal value"),
        (["{folder}", "--since", "yesterday"], "invalid moment value"),
    ],
)
def test_a_wrong_command_line_says_how_to_correct_it(folder: Path, arguments, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["served", *(argument.format(folder=folder) for argument in arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert message in f"{stopped.value}{capsys.readouterr().err}"
