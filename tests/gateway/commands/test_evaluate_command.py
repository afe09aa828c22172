"""`explore evaluate` at the terminal: a table that fits, and files that can be read."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from db.errors import InvalidRecord
from gateway.cli import app
from gateway.commands.evaluate_command import Protocol, _windows, evaluate, run_evaluate
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


def run(folder: Path, *arguments: str) -> str:
    """Run the command and return what it prints."""
    result = CliRunner().invoke(app, ["evaluate", str(folder), "--floor", "1", *arguments])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_a_cold_start_is_printed_as_a_table_of_80_columns_and_as_a_page(tmp_path: Path):
    folder = a_folder(tmp_path)
    output, page = Console(file=io.StringIO(), width=80), tmp_path / "out.html"
    run_evaluate(folder, Protocol.COLD_START, Options(floor=1), html_file=page, output=output)
    assert "<svg" in page.read_text()
    assert isinstance(output.file, io.StringIO)
    lines = output.file.getvalue().splitlines()
    assert "by interactions" in output.file.getvalue()
    assert any(line.strip().startswith(FITTED) and "±" in line for line in lines)


def test_markdown_csv_and_json_hold_the_same_figures_at_full_width(tmp_path: Path):
    folder = a_folder(tmp_path)
    options = ("--protocol", "trending", "--seed", "2")
    as_data = json.loads(run(folder, *options, "--format", "json"))
    rows = list(csv.DictReader(run(folder, *options, "--format", "csv").splitlines()))
    markdown = run(folder, *options, "--format", "markdown")
    assert [row["name"] for row in rows] == [ranking["name"] for ranking in as_data["rankings"]]
    assert len(rows) > 5
    for row, ranking in zip(rows, as_data["rankings"], strict=True):
        assert float(row["ndcg@10"]) == ranking["ndcg@10"]
        cell = f"{ranking['ndcg@10']:.4f} ± {ranking['ndcg@10 error']:.4f}"
        assert any(ranking["name"] in line and cell in line for line in markdown.splitlines())


@pytest.mark.parametrize("offset", ["", "Z", "+00:00"])
def test_a_window_without_offset_is_in_utc_and_an_offset_is_respected(offset: str):
    windows = _windows(("2024-03-01", f"2024-03-10T12:00:00{offset}", "2024-03-20T09:00:00-03:00"))
    assert windows is not None
    assert windows.fit_until_s == datetime(2024, 3, 10, 12, tzinfo=UTC).timestamp()
    assert windows.test_until_s == datetime(2024, 3, 20, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is not a folder"),
        (["nowhere", "--window", "2024-03-10", "2024-03-01", "2024-03-20"], "FROM must be before UNTIL"),
        (["nowhere", "--window", "2024-03-01", "2024-03-20T09:00-01:00", "2024-03-20T09:30Z"], "UNTIL before TEST"),
        (
            ["nowhere", "--window", "2024-03-01", "yesterday", "2024-03-20"],
            "yesterday, 2024-03-20 must be a time in ISO 8601",
        ),
        ([".", "--protocol", "search"], "queries.json"),
        ([".", "--protocol", "random"], "holds nothing to import"),
    ],
)
def test_a_fault_of_the_arguments_is_named_before_the_work(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_model_without_a_group_of_signals_is_a_row_of_its_own(tmp_path: Path):
    output = Console(file=io.StringIO(), width=200)
    left_out = frozenset({Signal.AGE, Signal.ACTORS_1H})
    run_evaluate(a_folder(tmp_path), Protocol.FEED_REQUESTS, Options(floor=1, without=(left_out,)), output=output)
    assert isinstance(output.file, io.StringIO)
    assert "without actors_1h, age" in output.file.getvalue()


def test_an_unknown_signal_to_leave_out_is_named_before_the_folder_is_read(tmp_path: Path):
    with pytest.raises(InvalidRecord, match="no signal 'nonsense'; it has actor_rate, "):
        evaluate(tmp_path / "missing", without=["age", "actors_1h,nonsense"])
