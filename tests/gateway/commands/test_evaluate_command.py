"""`explore evaluate` at the terminal: a table that fits, and files that can be read."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from db.errors import InvalidRecord
from gateway.commands.evaluate_command import Protocol, evaluate, run_evaluate
from scoring.evaluation.protocols import FITTED, Options
from scoring.mathematics.signals import Signal
from tests.scoring.evaluation.test_replay import a_dataset


def a_folder(folder: Path) -> Path:
    """Write the made-up data set in the import format."""
    made = a_dataset(days=30, people=24)

    def told(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).isoformat()

    log = made.log
    files = {
        "users": [{"key": f"u{n}", "username": f"u{n}"} for n in range(log.n_actors)],
        "projects": [
            {"key": f"p{n}", "title": f"p{n}", "type": "article", "created_at": told(at)}
            for n, at in enumerate(made.created_s.tolist())
        ],
        "interactions": [
            {"user": f"u{actor}", "project": f"p{project}", "type": "view", "at": told(at)}
            for actor, project, at in zip(log.actors.tolist(), log.projects.tolist(), log.at_s.tolist(), strict=True)
        ],
    }
    for name, records in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def test_a_cold_start_is_told_at_the_terminal_as_json_and_as_a_page(tmp_path: Path):
    folder = a_folder(tmp_path)
    output = Console(file=io.StringIO(), width=80)
    files = (tmp_path / "out.json", tmp_path / "out.html")
    run_evaluate(folder, Protocol.COLD_START, Options(floor=1), json_file=files[0], html_file=files[1], output=output)
    written = json.loads(files[0].read_text())
    assert written["rankings"][0]["name"] == FITTED
    assert list(written["facts"]["by interactions"]) == ["0", "1", "3", "5", "10"]
    assert "<svg" in files[1].read_text()
    assert isinstance(output.file, io.StringIO)
    assert "by interactions" in output.file.getvalue()


def test_a_model_without_a_group_of_signals_is_a_row_of_its_own(tmp_path: Path):
    output = Console(file=io.StringIO(), width=200)
    left_out = frozenset({Signal.AGE, Signal.ACTORS_1H})
    run_evaluate(a_folder(tmp_path), Protocol.FEED_REQUESTS, Options(floor=1, without=(left_out,)), output=output)
    assert isinstance(output.file, io.StringIO)
    assert "without actors_1h, age" in output.file.getvalue()


def test_an_unknown_signal_to_leave_out_is_named_before_the_folder_is_read(tmp_path: Path):
    with pytest.raises(InvalidRecord, match="no signal 'nonsense'; it has actor_rate, "):
        evaluate(tmp_path / "missing", without=["age", "actors_1h,nonsense"])
