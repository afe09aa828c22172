"""The search protocol runs the product's search over temporary stores, and reports what a folder lacks."""

import json
from pathlib import Path

import pytest

from scoring.errors import InsufficientData
from scoring.evaluation.search_protocol import SERVED, evaluate_search, read_queries
from tests.scoring.evaluation.test_replay import quiet

SUBJECTS = {
    "ocr": "Read text from scanned images",
    "speech": "Recognise speech in audio files",
    "charts": "Draw charts and figures of data",
    "robots": "Control a robot arm",
    "recipes": "Cook soup and bread at home",
}


def a_folder(folder: Path, *queries: object) -> Path:
    lines = [{"key": key, "title": key, "description": text, "type": "package"} for key, text in SUBJECTS.items()]
    (folder / "projects.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if queries:
        (folder / "queries.json").write_text(json.dumps(queries))
    return folder


async def test_queries_find_their_answers(tmp_path: Path):
    folder = a_folder(
        tmp_path,
        {"query": "speech to words", "relevant": ["speech", "gone"]},
        {"query": "reading scanned text", "relevant": ["ocr"]},
        {"query": "nothing here", "relevant": ["gone"]},
    )
    results = await evaluate_search(folder, quiet)
    rows = {str(row["name"]): row for row in results.summary()}
    assert rows[SERVED]["recall@10"] == 1.0
    assert float(str(rows[SERVED]["ndcg@10"])) > 0.6
    assert results.facts["queries"] == 2
    assert results.facts["queries without an answer in the folder"] == 1
    assert results.n_projects == len(SUBJECTS)


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        (None, "holds no queries.json"),
        ("[]", "holds no queries"),
        ('[{"query": "x"}]', "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_a_folder_without_readable_queries_is_refused(tmp_path: Path, queries: str | None, said: str):
    if queries is not None:
        (tmp_path / "queries.json").write_text(queries)
    with pytest.raises(InsufficientData, match=said):
        read_queries(tmp_path)


async def test_answers_that_the_folder_lacks_are_refused(tmp_path: Path):
    with pytest.raises(InsufficientData, match="no query of"):
        await evaluate_search(a_folder(tmp_path, {"query": "x", "relevant": ["gone"]}), quiet)
