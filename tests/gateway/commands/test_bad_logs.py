"""`explore evaluate` and `explore train` on logs that are too small, one-sided or wrong: a message or sane figures."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.database.engine import Database
from db.imports.importer import import_directory
from db.interactions.activity_time import UNIFORM_CLOCK
from db.trained_models.registry import (
    activate_constants,
    activate_model,
    all_constants,
    all_models,
    store_constants,
    store_model,
)
from gateway.commands.evaluate_command import Protocol, _evaluate
from scoring.errors import InsufficientData
from scoring.evaluation.protocols import Options, Windows
from scoring.evaluation.results import EvaluationResults
from scoring.evaluation.tables import as_markdown
from scoring.models.active_model import SHIPPED_TRENDS, read_active_trends
from scoring.training.model_training import train_model
from scoring.training.trend_training import train_trends
from tests.scoring.evaluation.test_replay import quiet

Event = dict[str, Any]
START = datetime(2025, 3, 3, tzinfo=UTC)
PEOPLE, DAYS, A_DAY = 10, 24, 4
OF_TIME = (Protocol.FEED_REQUESTS, Protocol.LEAVE_LAST, Protocol.COLD_START, Protocol.TRENDING)
ALL = (*OF_TIME, Protocol.RANDOM)


def told(at: datetime) -> str:
    return at.isoformat()


def usual_events(people: int = PEOPLE, days: int = DAYS) -> Iterator[Event]:
    """Yield what people read: each day two of the day's four projects, and sometimes one of the day before."""
    rng = np.random.default_rng(4)
    for day in range(days):
        for person in range(people):
            for number in rng.choice(A_DAY, 2, replace=False).tolist():
                day_of_project = max(day - int(rng.random() < 0.3), 0)
                at = START + timedelta(days=day, hours=8 + 0.7 * person, minutes=number)
                key, kind = f"p{A_DAY * day_of_project + number}", "like" if rng.random() < 0.1 else "view"
                yield {"user": f"u{person}", "project": key, "type": kind, "at": told(at)}


def write(
    folder: Path, events: list[Event], created: Callable[[int], datetime] = lambda n: START + timedelta(days=n // A_DAY)
) -> Path:
    projects = [{"key": f"p{n}", "title": f"p{n}", "type": "x", "created_at": told(created(n))} for n in range(96)]
    users = [{"key": key, "username": key} for key in sorted({event["user"] for event in events})]
    for name, records in (("users", users), ("projects", projects), ("interactions", events)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def one_user(folder: Path) -> Path:
    return write(folder, list(usual_events(1)))


def one_day(folder: Path) -> Path:
    return write(folder, list(usual_events(days=1)))


def no_likes(folder: Path) -> Path:
    return write(folder, [event | {"type": "view"} for event in usual_events()])


def impressions_only(folder: Path) -> Path:
    return write(folder, [event | {"type": "impression"} for event in usual_events()])


def two_clocks(folder: Path) -> Path:
    """Every second user's device is seven hours slow, so that its events come before the project exists."""

    def slow(event: Event) -> Event:
        is_slow = int(event["user"][1:]) % 2
        return event | {"at": told(datetime.fromisoformat(event["at"]) - timedelta(hours=9 * is_slow))}

    return write(folder, [slow(event) for event in usual_events()])


def no_zones(folder: Path) -> Path:
    """Every second user's times have no zone."""
    return write(
        folder, [e | {"at": e["at"].removesuffix("+00:00" if int(e["user"][1:]) % 2 else "")} for e in usual_events()]
    )


def one_bot(folder: Path) -> Path:
    """Besides people, a bot sends 10,000 events, one every 3.4 minutes, to all projects in turn."""
    times = [timedelta(minutes=3.4 * n) for n in range(10_000)]
    bot = [
        {"user": "bot", "project": f"p{n % (A_DAY * (at.days + 1))}", "type": "view", "at": told(START + at)}
        for n, at in enumerate(times)
    ]
    return write(folder, [*usual_events(), *bot])


def all_new(folder: Path) -> Path:
    return write(folder, list(usual_events()), lambda _: START + timedelta(days=DAYS + 1))


def evaluated(folder: Path, protocol: Protocol, windows: Windows | None = None) -> EvaluationResults:
    return _evaluate(folder, protocol, Options(floor=1, windows=windows, with_single_signals=False), 1, quiet)


def assert_sane(results: EvaluationResults) -> None:
    """Assert that each figure is a share, or said to be not computed."""
    for row in results.summary():
        assert row["ndcg@10"] is None or 0.0 <= row["ndcg@10"] <= 1.0, row
    assert "nan" not in as_markdown(results, 0)


REFUSED = {
    (one_user, Protocol.TRENDING): "no moment to test on with 7 actors",
    (one_day, Protocol.FEED_REQUESTS): "requests to fit on",
    (one_day, Protocol.LEAVE_LAST): "requests to fit on",
    (one_day, Protocol.COLD_START): "give other windows or more events",
    (one_day, Protocol.TRENDING): "trending needs at least 5",
    (one_day, Protocol.RANDOM): "no user of .* has 5 projects",
    **{
        (impressions_only, protocol): "holds no engagement .* are impressions, dismissals or negative"
        for protocol in ALL
    },
    (all_new, Protocol.FEED_REQUESTS): "engages with an existing project",
    (all_new, Protocol.LEAVE_LAST): "engages with an existing project",
    (all_new, Protocol.COLD_START): "give other windows or more events",
    (all_new, Protocol.TRENDING): "no moment to test on",
}
MEASURED = [
    (log, protocol)
    for log in (one_user, no_likes, two_clocks, no_zones, one_bot)
    for protocol in (Protocol.FEED_REQUESTS, Protocol.TRENDING, Protocol.RANDOM)
    if (log, protocol) not in REFUSED
]


@pytest.mark.parametrize(("log", "protocol"), REFUSED)
def test_a_log_that_cannot_be_evaluated_is_refused_with_advice(
    log: Callable[[Path], Path], protocol: Protocol, tmp_path: Path
):
    with pytest.raises(InsufficientData, match=REFUSED[log, protocol]):
        evaluated(log(tmp_path), protocol)


@pytest.mark.parametrize(("log", "protocol"), MEASURED)
def test_a_one_sided_log_gives_sane_figures(log: Callable[[Path], Path], protocol: Protocol, tmp_path: Path):
    assert_sane(evaluated(log(tmp_path), protocol))


def test_one_viewer_gives_no_errors_and_proves_nothing(tmp_path: Path):
    results = evaluated(one_user(tmp_path), Protocol.FEED_REQUESTS)
    rows = [row for row in results.summary() if row["ndcg@10"] is not None]
    assert rows
    assert {row["ndcg@10 error"] for row in rows} == {None}
    assert {row["chance reference is better"] for row in rows} == {0.5}


@pytest.mark.parametrize("protocol", OF_TIME)
def test_a_window_without_requests_is_refused(protocol: Protocol, tmp_path: Path):
    day = 86_400.0
    since_s = (START + timedelta(days=DAYS + 30)).timestamp()
    windows = Windows(since_s, since_s + day, since_s + 2 * day)
    with pytest.raises(InsufficientData, match="give other windows"):
        evaluated(write(tmp_path, list(usual_events())), protocol, windows)


def test_lines_without_a_time_zone_are_left_out_and_counted(tmp_path: Path):
    results = evaluated(no_zones(tmp_path), Protocol.RANDOM)
    said = str(results.facts["lines left out"])
    assert said.startswith(f"{len(list(usual_events())) // 2:,}, the first: interactions.jsonl:")
    assert "has no time zone" in said


def test_a_bot_is_one_viewer_of_many(tmp_path: Path):
    results = evaluated(one_bot(tmp_path), Protocol.FEED_REQUESTS)
    assert results.facts["viewers"] == PEOPLE + 1
    assert int((results.viewers == 0).sum()) <= DAYS, "the bot's requests, at most one a day"


@pytest.mark.parametrize("log", [one_user, one_day, no_likes, impressions_only, two_clocks, one_bot, all_new])
async def test_training_on_such_a_log_is_refused_or_judged(
    log: Callable[[Path], Path], tmp_path: Path, sqlite_database: Database
):
    await import_directory(sqlite_database, log(tmp_path))
    refused = []
    for train in (train_trends, train_model):
        try:
            verdict = await train(sqlite_database)
        except InsufficientData as error:
            refused.append(str(error))
        else:
            assert "NDCG@10" in verdict.because
    assert len(refused) + len(await all_models(sqlite_database)) + len(await all_constants(sqlite_database)) == 2
    assert all("stay" in message or "nothing to train on" in message for message in refused)


async def test_training_replaces_a_model_and_constants_of_an_older_version(tmp_path: Path, sqlite_database: Database):
    """What an older version stored cannot be read: the new model is compared with the default, and says so."""
    await import_directory(sqlite_database, write(tmp_path, list(usual_events())))
    old = {"a_signal_of_old": {"xs": [0.0, 1.0], "ys": [0.0, 1.0]}}
    async with sqlite_database.write() as connection:
        await store_model(connection, "old", old, {})
        await activate_model(connection, "old")
        await activate_constants(connection, await store_constants(connection, {"day": {}}, {}), UNIFORM_CLOCK)
    assert await read_active_trends(sqlite_database) == SHIPPED_TRENDS
    verdict = await train_model(sqlite_database, "new", floor=1)
    assert verdict.report["against"] == "default"
    stored = next(model for model in await all_models(sqlite_database) if model.name == "new")
    assert "a_signal_of_old" in stored.report["fault"]
