"""`explore evaluate` and `explore train` on logs that are too small, one-sided or wrong: a message or sane figures."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.commands.evaluate_command import Protocol, _evaluate
from scoring.errors import InsufficientData
from scoring.evaluation.protocols import Options, Windows
from scoring.evaluation.results import EvaluationResults
from scoring.evaluation.tables import as_markdown
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
    """Besides people, a bot sends 10,000 events, one every three minutes."""
    bot = [
        {
            "user": "bot",
            "project": f"p{n % 96}",
            "type": "view",
            "at": told(START + timedelta(minutes=3 * n)),
        }
        for n in range(10_000)
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
    (one_user, Protocol.FEED_REQUESTS): "",
    (one_day, Protocol.FEED_REQUESTS): "requests to fit on",
    (one_day, Protocol.LEAVE_LAST): "requests to fit on",
    (one_day, Protocol.COLD_START): "give other windows or more events",
    (one_day, Protocol.TRENDING): "trending needs at least 5",
    (one_day, Protocol.RANDOM): "no user of .* has 5 projects",
    **{(impressions_only, protocol): "holds no engagement .* are impressions or dismissals" for protocol in ALL},
    (all_new, Protocol.FEED_REQUESTS): "engages with an existing project",
    (all_new, Protocol.LEAVE_LAST): "engages with an existing project",
    (all_new, Protocol.COLD_START): "give other windows or more events",
    (all_new, Protocol.TRENDING): "no moment to test on",
}
MEASURED = [
    (log, protocol)
    for log in (no_likes, two_clocks, no_zones, one_bot)
    for protocol in (Protocol.FEED_REQUESTS, Protocol.TRENDING, Protocol.RANDOM)
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
