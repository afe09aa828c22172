"""Conventions of the repository that no linter checks."""

import ast
import itertools
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import LONGEST

ROOT = Path(__file__).parents[1]
LAYERS = ("gateway", "resolvers", "scoring", "db")
LONGEST_FILE = 400
"""Lines. A file past it most likely tells two stories."""

FIRST_REVISION = 13
"""Revisions 1 to 12 are merged into it."""

# In pieces, so that this file does not contain what it forbids.
REGISTRIES = [
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("npmmirror", "com"),
        ("yarnpkg", "com"),
        ("jsr", "io"),
        ("crates", "io"),
        ("rubygems", "org"),
    )
]
DONATIONS = re.compile(r'"funding": (\{[^}]*\}|\[[^\]]*\]|"[^"]*")')
NOT_OURS = {".git", ".venv", "var", "node_modules", "build", "dist", "__pycache__"}


@cache
def _files() -> list[Path]:
    """Give the files that are, or may become, part of the repository."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or a machine without git
        found = [path for path in ROOT.rglob("*") if not NOT_OURS & set(path.relative_to(ROOT).parts)]
    else:
        found = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in found if path.is_file()]


def _sources() -> list[Path]:
    return [path for path in _files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in LAYERS]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_four_layers_are_found() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in _sources()} == set(LAYERS)


def test_no_lock_file_holds_a_url() -> None:
    locks = [
        path for path in _files() if path.suffix == ".lock" or path.name in ("package-lock.json", "npm-shrinkwrap.json")
    ]
    assert len(locks) >= 2
    for path in locks:
        # npm writes where a package's authors take donations; that is no address of a registry.
        text = DONATIONS.sub("", path.read_text())
        assert [line for line in text.splitlines() if "http://" in line or "https://" in line] == [], _name(path)


def test_no_lock_file_goes_without_hashes() -> None:
    for path in ROOT.glob("requirements*.lock"):
        text = path.read_text()
        assert "==" in text
        assert text.count("--hash=sha256:") >= text.count("=="), _name(path)


def test_no_file_names_a_package_registry() -> None:
    found = [
        f"{_name(path)}: {host}"
        for path in _files()
        for host in REGISTRIES
        if host.encode() in path.read_bytes().lower()
    ]
    assert found == []


def _public(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
    """Walk the public classes, functions and methods of a module; what is inside a function is its own affair."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if any(isinstance(mark, ast.Name) and mark.id in ("overload", "override") for mark in node.decorator_list):
            continue
        yield f"{prefix}.{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body, f"{prefix}.{node.name}")


def test_whatever_is_public_says_what_it_is() -> None:
    """A method is documented once: where its protocol declares it. The graph's descriptions document its types."""
    documented, silent = set(), []
    for path in _sources():
        module = ast.parse(path.read_text())
        for name, node in [(_name(path), module), *_public(module.body, _name(path))]:
            if path.relative_to(ROOT).parts[0] == "resolvers" and getattr(node, "decorator_list", ()):
                continue
            if ast.get_docstring(node):  # type: ignore[arg-type]
                documented.add((path.relative_to(ROOT).parts[:2], name.rpartition(".")[2]))
            else:
                silent.append((path, name))
    method = re.compile(r"\.py\.[A-Z]\w*\.\w+$")
    assert [
        name
        for path, name in silent
        if not (method.search(name) and (path.relative_to(ROOT).parts[:2], name.rpartition(".")[2]) in documented)
    ] == []


def test_a_file_tells_one_story() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in _sources()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}, "split them"


def test_the_files_that_begin_first_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []


def test_every_test_folder_is_a_package() -> None:
    """Two files of one name in two folders (`tests/db/test_errors.py`, `tests/gateway/test_errors.py`) need it."""
    folders = {path.parent for path in _files() if path.name.startswith("test_") and path.suffix == ".py"}
    assert [_name(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


MEASURES = re.compile(r"bounding_box|BoundingClientRect|(scroll|client|offset)(Width|Height)|\.screenshot\(")
MAY_MEASURE = {f"tests/browser/{name}.py" for name in ("conftest", "layout", "test_layout")}


def test_browser_tests_measure_settled_layouts_only() -> None:
    """`tests/browser/layout.py` waits for the layout to settle; a measurement beside it races with the page."""
    paths = [path for path in _files() if _name(path).startswith("tests/browser/") and path.suffix == ".py"]
    found = [f"{_name(path)}: {match[0]}" for path in paths for match in MEASURES.finditer(path.read_text())]
    assert {_name(path) for path in paths} >= MAY_MEASURE
    assert [one for one in found if one.partition(":")[0] not in MAY_MEASURE] == []


def test_migrations_are_one_line_of_descent() -> None:
    names = sorted(path.stem for path in (ROOT / "db" / "migrations" / "versions").glob("0*.py"))
    assert [name[:4] for name in names] == [f"{FIRST_REVISION + n:04}" for n in range(len(names))]
    for before, name in itertools.pairwise(["None", *names]):
        text = (ROOT / "db" / "migrations" / "versions" / f"{name}.py").read_text()
        follows = "None" if before == "None" else f'"{before[:4]}"'
        assert f'revision = "{name[:4]}"\ndown_revision = {follows}\n' in text, name


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("0*.md")]
    assert sorted(numbers) == [f"{number:04}" for number in range(1, len(numbers) + 1)]


LINK = re.compile(r"\]\(([^)#\s]+)")
PATH = re.compile(r"`((?:gateway|resolvers|scoring|db|tests|bench|deploy)/[\w./-]+)`")


def test_documents_name_files_that_exist() -> None:
    missing = []
    for path in (path for path in _files() if path.suffix == ".md"):
        text = path.read_text()
        links = [path.parent / link for link in LINK.findall(text) if "://" not in link]
        missing += [
            f"{_name(path)}: {one}"
            for one in [*links, *(ROOT / name for name in PATH.findall(text))]
            if not one.exists()
        ]
    assert missing == []


CODE = re.compile(r"[A-Z]+(_[A-Z]+)+|INTERNAL|FORBIDDEN|UNAUTHENTICATED|TIMEOUT|OVERLOADED")
NO_ERROR_CODE = {
    "DEMO_VIEWERS",
    "EXPLORE_SHARED_FOLDER",
    "MKL_NUM_THREADS",
    "NOTHING_READ",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PROMETHEUS_MULTIPROC_DIR",
    "SOME_REFUSED",
}
"""Texts of the edge in capitals that are something else."""


def test_every_error_code_is_explained_in_docs_errors() -> None:
    raising = [
        *(path for path in (ROOT / "gateway").rglob("*.py") if path.name != "settings.py"),
        ROOT / "resolvers" / "common" / "errors.py",
        ROOT / "scoring" / "errors.py",
    ]
    codes = {
        node.value
        for path in raising
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }
    text = (ROOT / "docs" / "errors.md").read_text()
    told = {code for line in text.splitlines() if line.startswith("| `") for code in re.findall("`([A-Z_]+)`", line)}
    assert codes - NO_ERROR_CODE - told == set(), (
        "explain them in docs/errors.md (or add what is none to NO_ERROR_CODE)"
    )
    assert told - codes == set(), "docs/errors.md explains what nothing raises"
