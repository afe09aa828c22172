"""The judgement of the reliability bench: flags, recovery, and the rows of the document."""

import math
from collections import Counter
from pathlib import Path

from bench.reliability.cells import Cell, fault_of_flags, last_fault_at, record_feeds
from bench.reliability.client import Answer
from bench.reliability.faults import Fault, matrix, nothing
from bench.reliability.ledger import Verdict
from bench.reliability.report import Line, failures, kept_lines, report, row

AWAY = Fault("redis", "refused", nothing, ("CACHE",), is_away=True)


def search(at: float, *degraded: str, problem: str = "", seconds: float = 0.1) -> Answer:
    return Answer("search", at, seconds, problem, degraded)


def test_a_store_must_be_named_while_it_is_away_and_no_other_store():
    assert fault_of_flags(AWAY, [search(0)], [search(3, "CACHE"), search(1)], 2, 9) == ""
    assert fault_of_flags(AWAY, [], [search(3)], 2, 9) == "search did not name CACHE (1×)"
    assert fault_of_flags(AWAY, [], [search(8.95)], 2, 9) == ""  # it was answered after the end of the fault
    assert fault_of_flags(AWAY, [], [Answer("trending", 3, 0.1)], 2, 9) == ""
    assert fault_of_flags(AWAY, [], [search(3, "CACHE", "VECTORS")], 2, 9) == "search named VECTORS (1×)"
    assert fault_of_flags(AWAY, [search(0, "CACHE")], [], 2, 9) == "search named CACHE before the fault (1×)"


def test_recovery_ends_with_the_last_faulty_answer_after_the_fault():
    answers = [search(5, problem="INTERNAL"), search(10, "CACHE"), search(11, "VECTORS"), search(12)]
    assert last_fault_at(answers, 9, ["CACHE"]) == 10.1
    assert last_fault_at(answers[2:], 9, ["CACHE"]) == 9
    late_write = Answer("like", 8, 4.0, "STORE_UNAVAILABLE")
    assert last_fault_at([late_write], 9, []) == 12


def test_a_row_and_the_shortfalls_have_the_figures_of_the_cell():
    cell = Cell(AWAY, recovery_s=16.0, indexed_s=0.1, acknowledged=7)
    record_feeds(cell, [search(1), search(2, problem="INTERNAL", seconds=3.0)])
    assert row(cell) == "| redis | refused | 50 % | 3.00 s | right | 16.0 s | 0.1 s | 0, 0 of 7 |"
    assert failures(cell) == ["1 of 2 feeds were not answered (search INTERNAL 1×)", "not recovered within 16 s"]
    cell.verdict = Verdict(missing=["like (1)"])
    cell.recovery_s, cell.problems = math.inf, Counter()
    assert "| > 40 s | 0.1 s | 1, 0 of 7 |" in row(cell)
    text = report([Line.of(cell)], "python -m bench.reliability", "Weaviate is the double.")
    assert "- **redis, refused**: " in text
    assert Line.not_run(AWAY).failures == ["not run: not yet"]


def test_a_new_row_takes_the_place_of_the_older_one(tmp_path: Path):
    path = tmp_path / "build" / "lines.json"
    kept_lines(path, [Line("redis", "reset", "old", ["slow"]), Line("redis", "cut", "as before", [])])
    lines = kept_lines(path, [Line("redis", "reset", "new", [])])
    assert [line.row for line in lines.values()] == ["new", "as before"]
    assert kept_lines(path, []) == lines


def test_each_fault_of_the_matrix_is_a_row_of_its_own():
    rows = Counter((fault.store, fault.name) for fault in matrix())
    assert max(rows.values()) == 1
