"""Import of a folder on both engines: valid lines are imported once, invalid ones reported by file and line."""

import gzip
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from db.catalog.project_embeddings import count_embeddings, stored_vector
from db.custom_types import CustomType, synchronize_custom_types
from db.database.engine import Database
from db.errors import InvalidRecord
from db.imports import importer
from db.imports.importer import FileProgress, ImportReport, import_directory
from db.imports.lines import MAX_LINE, read_lines
from db.models import (
    Actor,
    ActorInterest,
    Engagement,
    Interaction,
    Like,
    OutboxRow,
    Project,
    ProjectEmbedding,
    ProjectTerm,
    Term,
    User,
)
from db.platform_inputs import EmbeddingSpace, PlatformInputs
from tests.conftest import MakeDatabase

USERS = [
    {"key": "ann", "username": "Ann", "bio": "likes maps", "points": 5},
    {"key": "bob", "username": "Bob", "interests": [{"name": "Blender", "kind": "tool", "confidence": 0.7}]},
    {"key": "eve", "username": "Eve", "tags": [{"name": "maps", "kind": "topic"}], "tier": "gold"},
]
PROJECTS = [
    {"key": "p", "title": "Map", "type": "a", "owner": "ann", "topics": ["maps"], "created_at": "2026-01-02T03:04:05Z"},
    {"key": "q", "title": "A mesh", "type": "prompt", "tools": ["blender"], "created_at": "2026-01-03T00:00:00+02:00"},
    {"key": "r", "title": "Hidden", "type": "article", "private": True, "created_at": "2026-01-03T00:00:00Z"},
]  # fmt: skip
TOOLS = [{"key": "blender", "name": "Blender", "tagline": "3D"}, {"key": "krita", "name": "Krita", "tags": ["paint"]}]
CATEGORIES = [{"key": "design", "name": "Design"}]
INTERACTIONS = [
    {"user": "ann", "project": "p", "type": "view", "at": "2026-02-01T10:00:00Z"},
    {"user": "ann", "project": "p", "type": "view", "at": "2026-02-01T11:00:00+01:00"},
    {"user": "ann", "project": "q", "type": "like", "at": "2026-02-01T10:00:00Z"},
    {"user": "ann", "project": "q", "type": "like", "at": "2026-03-01T10:00:00Z"},
    {"user": "bob", "project": "q", "type": "like"},
    {"user": "bob", "project": "p", "type": "bookmark", "at": "2026-02-01T10:00:00.123456Z"},
    {"user": "eve", "project": "q", "type": "dismiss"},
]
ALL = {
    "users": USERS, "projects": PROJECTS, "tools": TOOLS, "categories": CATEGORIES, "interactions": INTERACTIONS,
}  # fmt: skip

Lines = list[dict[str, Any] | bytes]


def fill(folder: Path, *, zipped: bool = False, **files: Any) -> Path:
    """Write one file for each kind: records as JSON, bytes as they are."""
    folder.mkdir(exist_ok=True)
    for kind, lines in files.items():
        text = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
        path = folder / (f"{kind}.jsonl.gz" if zipped else f"{kind}.jsonl")
        path.write_bytes(gzip.compress(text) if zipped else text)
    return folder


async def bring(database: Database, folder: Path, **options: Any) -> ImportReport:
    return await import_directory(database, folder, **options)


def told(report: ImportReport) -> list[str]:
    return [str(line) for line in report.refusals]


def counts(report: ImportReport) -> dict[str, tuple[int, ...]]:
    return {file.file: (file.read, file.added, file.changed, file.unchanged, file.refused) for file in report.files}


async def truth(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Read everything an import writes by platform key, without ids and times of writing."""
    owner = select(User.key).where(User.id == Project.owner_id).scalar_subquery()
    project = select(
        Project.key, Project.title, Project.type, Project.private, Project.created_at, owner, Project.like_count,
        Project.view_count,
    )  # fmt: skip
    named = (User.key, Project.key)

    def by_pair(model: Any, *columns: Any) -> Any:
        joined = select(*named, *columns).select_from(model).join(Actor, Actor.id == model.actor_id)
        return joined.join(User, User.id == Actor.user_id).join(Project, Project.id == model.project_id)

    statements = {
        "users": select(User.key, User.username, User.bio, User.tier, User.points),
        "projects": project,
        "terms": select(Term.kind, Term.key, Term.name),
        "carried": select(Project.key, Term.kind, Term.key)
        .select_from(ProjectTerm)
        .join(Project, Project.id == ProjectTerm.project_id)
        .join(Term, Term.id == ProjectTerm.term_id),
        "tags": select(User.key, Term.kind, Term.key, ActorInterest.confidence, ActorInterest.source)
        .select_from(ActorInterest)
        .join(Actor, Actor.id == ActorInterest.actor_id)
        .join(User, User.id == Actor.user_id)
        .join(Term, Term.id == ActorInterest.term_id),
        "interactions": by_pair(Interaction, Interaction.type, Interaction.at),
        "engagement": by_pair(Engagement, Engagement.first_at, Engagement.last_at, Engagement.kinds),
        "likes": by_pair(Like, Like.created_at),
        "outbox": select(OutboxRow.kind, OutboxRow.key, OutboxRow.urgent).where(OutboxRow.kind != "profile"),
    }
    rows = {name: await database.fetch(statement) for name, statement in statements.items()}
    return {name: sorted((tuple(row) for row in listed), key=repr) for name, listed in rows.items()}


@pytest.mark.parametrize("zipped", [False, True])
async def test_a_folder_goes_in_whole(database: Database, tmp_path: Path, zipped: bool) -> None:
    report = await bring(database, fill(tmp_path / "in", zipped=zipped, **ALL))
    end = ".jsonl.gz" if zipped else ".jsonl"
    assert counts(report) == {
        f"tools{end}": (2, 2, 0, 0, 0), f"categories{end}": (1, 1, 0, 0, 0), f"users{end}": (3, 3, 0, 0, 0),
        f"projects{end}": (3, 3, 0, 0, 0), f"interactions{end}": (7, 6, 0, 1, 0),
    }  # fmt: skip
    there = await truth(database)
    assert [(row[0], row[-2], row[-1]) for row in there["projects"]] == [("p", 0, 1), ("q", 2, 0), ("r", 0, 0)]
    assert ("bob", "tool", "blender", 0.7, "imported") in there["tags"]
    assert ("project", "r", True) in there["outbox"]


async def test_a_second_run_changes_nothing(database: Database, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", **ALL)
    await bring(database, folder)
    before = await truth(database), await database.fetch(select(Actor.id, Actor.version).order_by(Actor.id))
    report = await bring(database, folder)
    assert {(file.added, file.changed, file.refused) for file in report.files} == {(0, 0, 0)}
    assert (await truth(database), await database.fetch(select(Actor.id, Actor.version).order_by(Actor.id))) == before


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
async def test_any_order_and_any_repetition_of_the_lines_give_the_same_truth(
    make_database: MakeDatabase,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    engine: str,
) -> None:
    truths = []
    for shuffle in (False, True):
        lines = {
            kind: data.draw(st.permutations(listed + data.draw(st.lists(st.sampled_from(listed), max_size=4))))
            if shuffle
            else listed
            for kind, listed in ALL.items()
        }
        async with make_database(engine) as database:
            report = await bring(database, fill(tmp_path_factory.mktemp("in"), **lines))
            assert report.refused == 0
            truths.append(await truth(database))
    assert truths[0] == truths[1]


BAD_LINES: list[tuple[str, dict[str, Any] | bytes, str]] = [
    ("users", b'{"key": "x"', "is not valid JSON: EOF while parsing an object at column 11"),
    ("users", b'{"key": "x", "username": "\xff"}', "is not valid JSON: invalid unicode code point"),
    ("users", b"[1, 2]", "must be an object, as {…}"),
    ("users", {"key": "x"}, "username: is missing"),
    ("users", {"key": "x", "username": "X", "nick": "y"}, "nick: is not a field of this record"),
    (
        "users",
        {"key": "x", "username": "X", "interests": [{"name": "a", "kind": "b"}]},
        "interests[0].kind: must be 'tool', ",
    ),
    ("users", {"key": "x\0", "username": "X"}, "key: must not contain the character U+0000 (NUL)"),
    ("users", {"key": "", "username": "X", "tier": "\0", "points": -1, "bio": 3}, "(and 1 more)"),
    ("projects", {"key": "x", "title": "t" * 1_001, "type": "a"}, "title: is longer than 1000 characters"),
    ("projects", {"key": "x", "title": "t" * 10_000_000, "type": "a"}, "is longer than 1,000,000 bytes"),
    ("projects", {"key": "x", "title": "X", "type": "a", "owner": "zed"}, "owner: there is no user 'zed' to own"),
    ("projects", {"key": "x", "title": "X", "type": "a", "created_at": "2999-01-01T00:00:00Z"}, "is in the future"),
    ("projects", {"key": "x", "title": "X", "type": "a", "source": {"a": "\0"}}, "source: must not contain the char"),
    (
        "projects",
        {"key": "x", "title": "X", "type": "a", "source": {"a": 2**70}},
        "source: contains a whole number of more than 64 bits",
    ),
    ("interactions", {"user": "zed", "project": "p", "type": "view"}, "user: there is no user 'zed'"),
    ("interactions", {"user": "ann", "project": "zed", "type": "view"}, "project: there is no project 'zed'"),
    ("interactions", {"user": "ann", "project": "p", "type": "stare"}, "type: is 'stare'; the known types are view, "),
    ("interactions", {"user": "ann", "project": "p", "type": "view", "at": "2999-01-01T00:00:00Z"}, "is in the future"),
    ("interactions", {"user": "ann", "project": "p", "type": "view", "at": "1969-12-31T00:00:00Z"}, "is before 1970"),
    ("interactions", {"user": "ann", "project": "p", "type": "view", "at": "0001-01-01T00:00:00+14:00"}, "before 1970"),
    ("interactions", {"user": "ann", "project": "p", "type": "view", "at": "2026-01-01T00:00:00"}, "has no time zone"),
    (
        "interactions",
        {"user": "ann", "project": "p", "type": "view", "at": 1_700_000_000},
        'at: must be a time in ISO 8601; write it as "2026-05-04T12:30:00Z"',
    ),
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("kind", "line", "message"), BAD_LINES, ids=[message for _, _, message in BAD_LINES])
async def test_a_bad_line_is_named_and_the_rest_goes_in_unless_strict(
    sqlite_database: Database, tmp_path: Path, kind: str, line: dict[str, Any] | bytes, message: str, strict: bool
) -> None:
    lines: dict[str, Any] = ALL | {kind: [ALL[kind][0], line, *ALL[kind][1:]]}
    report = await bring(sqlite_database, fill(tmp_path / "in", **lines), strict=strict)
    (refusal,) = told(report)
    assert refusal.startswith(f"{kind}.jsonl:2: ")
    assert message in refusal
    assert len(refusal) < 400
    assert report.written is not strict
    there = await truth(sqlite_database)
    if strict:
        assert there == {name: [] for name in there}
    else:
        assert [len(there["users"]), len(there["projects"]), len(there["interactions"])] == [3, 3, 6]


async def test_a_strict_import_knows_what_the_truth_and_the_files_before_hold(
    database: Database, tmp_path: Path
) -> None:
    await bring(database, fill(tmp_path / "first", users=USERS, projects=PROJECTS[:1]), strict=True)
    report = await bring(
        database, fill(tmp_path / "then", projects=PROJECTS[1:], interactions=INTERACTIONS), strict=True
    )
    assert (report.written, report.refused, report.read) == (True, 0, 9)
    bad = [*INTERACTIONS, {"user": "ann", "project": "zed", "type": "like"}]
    assert told(await bring(database, fill(tmp_path / "then", interactions=bad), strict=True)) == [
        "interactions.jsonl:8: project: there is no project 'zed'"
    ]


async def test_an_event_on_a_refused_project_is_refused_too(database: Database, tmp_path: Path) -> None:
    projects = [{"key": "x", "title": "X", "type": "a", "owner": "zed"}]
    folder = fill(tmp_path / "in", users=USERS, projects=projects, interactions=[INTERACTIONS[0] | {"project": "x"}])
    for strict in (True, False):
        assert [line.split(": ", 1)[0] for line in told(await bring(database, folder, strict=strict))] == [
            "projects.jsonl:1", "interactions.jsonl:1",
        ]  # fmt: skip


async def test_a_stop_in_the_middle_leaves_whole_batches_and_the_next_run_goes_on(
    database: Database, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "in", users=[{"key": f"u{n}", "username": "U"} for n in range(importer.BATCH_ROWS * 3)])

    def stop(state: FileProgress) -> None:
        if state.rows == importer.BATCH_ROWS * 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await bring(database, folder, progress=stop)
    assert (await database.fetch(select(func.count()).select_from(User)))[0][0] == importer.BATCH_ROWS * 2
    assert counts(await bring(database, folder)) == {
        "users.jsonl": (importer.BATCH_ROWS * 3, importer.BATCH_ROWS, 0, importer.BATCH_ROWS * 2, 0)
    }


async def test_a_batch_that_fails_leaves_nothing_of_itself(sqlite_database: Database, tmp_path: Path) -> None:
    async with sqlite_database.write() as connection:
        await connection.run_sync(OutboxRow.__table__.drop)
    with pytest.raises(Exception, match="outbox"):
        await bring(sqlite_database, fill(tmp_path / "in", users=USERS))
    assert await sqlite_database.fetch(select(User.id)) == []


def _write(content: bytes, name: str = "users.jsonl") -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


TWO = b'{"key": "a", "username": "A"}\n{"key": "b", "username": "B"}\n'
FILES: dict[str, tuple[Callable[[Path], None], int, list[str]]] = {
    "empty": (_write(b""), 0, []),
    "empty gzip": (_write(gzip.compress(b""), "users.jsonl.gz"), 0, []),
    "no bytes at all in a gzip": (_write(b"", "users.jsonl.gz"), 0, []),
    "BOM": (_write(b"\xef\xbb\xbf" + TWO), 2, []),
    "CRLF": (_write(TWO.replace(b"\n", b"\r\n")), 2, []),
    "blank lines": (_write(b"\n \n" + TWO + b"\n\n"), 2, []),
    "no newline at the end": (_write(TWO[:-1]), 2, []),
    "UTF-16": (_write(TWO.decode().encode("utf-16")), 0, ["users.jsonl:1: the file is UTF-16; write it as UTF-8"]),
    "gzip by another name": (
        _write(gzip.compress(TWO)), 0, ["users.jsonl:1: the file is gzip; let its name end in .jsonl.gz"],
    ),
    "no gzip": (
        _write(TWO, "users.jsonl.gz"), 0,
        ["users.jsonl.gz:1: the gzip file is broken from here on (Not a gzipped file (b'{\"'))"],
    ),
    "truncated gzip": (
        _write(gzip.compress(TWO)[:-8], "users.jsonl.gz"), 2,
        ["users.jsonl.gz:3: the gzip file is broken from here on "
         "(Compressed file ended before the end-of-stream marker was reached)"],
    ),
    "a folder": (lambda folder: (folder / "users.jsonl").mkdir(), 0, ["users.jsonl:1: cannot be read: Is a directory"]),
    "a NUL": (_write(b"\0" + TWO), 1, ["users.jsonl:1: is not valid JSON: expected value at column 1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
async def test_every_kind_of_file_works_or_says_why_not(sqlite_database: Database, tmp_path: Path, name: str) -> None:
    make, added, refusals = FILES[name]
    make(tmp_path)
    for strict in (True, False):
        report = await bring(sqlite_database, tmp_path, strict=strict)
        assert told(report) == refusals
    assert len(await sqlite_database.fetch(select(User.id))) == added


async def test_a_gzip_broken_in_the_middle_gives_the_lines_before(sqlite_database: Database, tmp_path: Path) -> None:
    lines = b"".join(
        json.dumps({"key": f"u{n}", "username": os.urandom(20).hex()}).encode() + b"\n" for n in range(9_000)
    )
    packed = gzip.compress(lines)
    (tmp_path / "users.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    report = await bring(sqlite_database, tmp_path)
    added = len(await sqlite_database.fetch(select(User.id)))
    assert 2_000 < added < 9_000
    assert report.refused == 1
    assert f"users.jsonl.gz:{added + 1}: the gzip file is broken from here on" in told(report)[0]


async def test_a_missing_folder_an_empty_one_and_a_double_file_are_one_sentence(
    sqlite_database: Database, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRecord, match="is not a folder"):
        await bring(sqlite_database, tmp_path / "nowhere")
    (tmp_path / "queries.json").write_text("{}")
    with pytest.raises(InvalidRecord, match=r"holds nothing to import; looked for tools.jsonl, "):
        await bring(sqlite_database, tmp_path)
    fill(tmp_path, users=USERS)
    fill(tmp_path, users=USERS, zipped=True)
    with pytest.raises(InvalidRecord, match=r"holds both users.jsonl and users.jsonl.gz; keep one"):
        await bring(sqlite_database, tmp_path)


async def test_many_bad_lines_are_counted_told_one_by_one_and_not_kept(
    sqlite_database: Database, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "in", users=[b"nonsense \x1b[31m"] * 5_000)
    heard: list[str] = []
    report = await bring(sqlite_database, folder, on_refusal=lambda line: heard.append(str(line)))
    assert (report.refused, len(heard), len(report.refusals)) == (5_000, 5_000, importer.MAX_KEPT_REFUSALS)
    assert "\x1b" not in "".join(heard)


async def test_progress_rises_to_the_end_of_each_file(sqlite_database: Database, tmp_path: Path) -> None:
    states: list[FileProgress] = []
    folder = fill(
        tmp_path / "in", users=[{"key": f"u{n}", "username": "U"} for n in range(5_000)], projects=PROJECTS[1:]
    )
    await bring(sqlite_database, folder, progress=states.append)
    rows = [state.rows for state in states if state.file == "users.jsonl"]
    assert rows == [0, 2_000, 4_000, 5_000, 5_000]
    fractions = [state.fraction for state in states if state.file == "users.jsonl"]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[1] > 0.3) == (0.0, True)
    assert {state.file: state.fraction for state in states} == {"users.jsonl": 1.0, "projects.jsonl": 1.0}


async def test_a_long_line_is_never_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "users.jsonl"
    path.write_bytes(b'{"key": "' + b"x" * 50_000_000 + b'"}\n' + TWO)
    tracemalloc.start()
    lines = list(read_lines(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(line.number, line.fault is None) for line in lines] == [(1, False), (2, True), (3, True)]
    assert peak < 6 * MAX_LINE


async def test_the_reports_columns_add_up(database: Database, tmp_path: Path) -> None:
    lines: dict[str, Any] = ALL | {"users": [*USERS, USERS[0], b"x"], "interactions": [*INTERACTIONS, {"user": "ann"}]}
    report = await bring(database, fill(tmp_path / "in", **lines))
    for file in report.files:
        assert file.read == file.added + file.changed + file.unchanged + file.refused
    assert (report.read, report.refused) == (19, 2)


# --- a platform's own types and embeddings ----------------------------------------------------------------------------

WATCHED = CustomType("watched", "watched", minimum=0, maximum=1000, positive_from=30)
SPACE = EmbeddingSpace("their-model", 3)


async def platform_of(database: Database) -> PlatformInputs:
    return PlatformInputs(await synchronize_custom_types(database, (WATCHED,)), SPACE)


@pytest.mark.parametrize("strict", [False, True])
async def test_a_custom_type_is_imported_with_its_value_and_a_wrong_one_names_the_right_ones(
    database: Database, tmp_path: Path, strict: bool
) -> None:
    ann = {"user": "ann", "project": "p"}
    bad = [
        ann | {"type": "wached", "value": 1},
        ann | {"type": "watched"},
        ann | {"type": "watched", "value": 2000},
        json.dumps(ann | {"type": "watched", "value": 1}).replace("1}", "NaN}").encode(),
        ann | {"type": "view", "value": 1},
        ann | {"type": 7},
    ]
    good = [ann | {"type": "watched", "value": value, "at": f"2026-02-0{value}T10:00:00Z"} for value in (1, 2)]
    folder = fill(tmp_path / "in", users=USERS, projects=PROJECTS, interactions=[*bad, *good])
    platform = await platform_of(database)
    report = await bring(database, folder, platform=platform, strict=strict)
    assert told(report) == [
        "interactions.jsonl:1: type: is 'wached'; the known types are view, like, save, comment, follow, click, "
        "dismiss, impression, watched",
        "interactions.jsonl:2: value: is missing; it must be a number from 0 to 1000, because 'watched' has a value",
        "interactions.jsonl:3: value: is 2000; it must be a number from 0 to 1000, because 'watched' has a value",
        "interactions.jsonl:4: value: is nan; it must be a number from 0 to 1000, because 'watched' has a value",
        "interactions.jsonl:5: value: must be omitted, because 'view' has no value",
        "interactions.jsonl:6: type: must be a valid string",
    ]
    rows = await database.fetch(select(Interaction.type, Interaction.value).order_by(Interaction.at))
    assert [tuple(row) for row in rows] == ([] if strict else [("watched", 1.0), ("watched", 2.0)])
    assert not await database.fetch(select(Engagement.kinds)), "both values are below the threshold"


async def test_an_embedding_is_stored_with_length_1_and_a_wrong_one_stops_no_other(
    database: Database, tmp_path: Path
) -> None:
    def lines(embeddings: list[Any]) -> list[dict[str, Any]]:
        return [{"key": f"p{n}", "title": "T", "type": "a", "embedding": e} for n, e in enumerate(embeddings)]

    platform = await platform_of(database)
    wrong = [[1, 2], [0, 0, 0], [1, 2, "x"], [1.7e308, 1.7e308, 0], [], 5]
    nan = b'{"key": "nan", "title": "T", "type": "a", "embedding": [1, 2, NaN]}'
    folder = fill(tmp_path / "in", projects=[*lines([[3, 0, 4], [1e200, 0, 0], None, *wrong]), nan])
    report = await bring(database, folder, platform=platform)
    assert [line.partition(": ")[2] for line in told(report)] == [
        "embedding: has 2 numbers, not 3 as PROJECT_EMBEDDING_DIMENSION says",
        "embedding: must not be zeros, which are similar to nothing; omit it",
        "embedding[2]: must be a number, without quotes",
        "embedding: must hold finite numbers",
        "embedding: must not be zeros, which are similar to nothing; omit it",
        "embedding: must be a list, as […]",
        "embedding: must hold finite numbers",
    ]
    query = select(Project.key, ProjectEmbedding.model, ProjectEmbedding.vector).join(ProjectEmbedding)
    rows = await database.fetch(query.order_by(Project.key))
    assert [(row.key, row.model, stored_vector(row.vector).round(6).tolist()) for row in rows] == [
        ("p0", "their-model", [pytest.approx(0.6), 0.0, pytest.approx(0.8)]),
        ("p1", "their-model", [1.0, 0.0, 0.0]),
    ]
    assert await count_embeddings(database, SPACE) == (3, 2, 2)
    assert await count_embeddings(database, ("their-model", 4)) == (3, 0, 2)
    assert [file.unchanged for file in (await bring(database, folder, platform=platform)).files] == [3]

    fill(tmp_path / "in", projects=lines([[6, 0, 8], None]))
    report = await bring(database, folder, platform=platform)
    assert [(file.changed, file.unchanged) for file in report.files] == [(1, 1)], "one is as long again, one is gone"
    assert len(await database.fetch(query)) == 1


async def test_without_the_setting_an_embedding_is_refused_and_says_what_to_set(
    database: Database, tmp_path: Path
) -> None:
    projects = [{"key": "p", "title": "T", "type": "a", "embedding": [1]}]
    for strict in (False, True):
        report = await bring(database, fill(tmp_path / "in", projects=projects), strict=strict)
        assert told(report) == [
            "projects.jsonl:1: embedding: is not expected; set PROJECT_EMBEDDING_MODEL and "
            "PROJECT_EMBEDDING_DIMENSION, or omit it"
        ]
