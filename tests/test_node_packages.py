"""What needs npm runs where npm is, and says why it does not where npm is not."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.node_packages import OLDEST_NODE, NodeMissing, NodePackages, installed
from tests.servers import free_port

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[1]
NODE = ROOT / "tests" / "node"
PACKAGES = ("frontend", "frontend/graphiql", "tests/node", "bench/peers", "examples/feed-page")
LOCKED = PACKAGES[:4]


def test_every_package_stands_in_one_version_and_no_other() -> None:
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    loose = {name: version for name, version in wanted.items() if not version[0].isdigit()}
    assert loose == {}


def test_what_is_installed_is_what_the_lock_file_says(node: NodePackages) -> None:
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    read = "console.log(JSON.stringify(require('./node_modules/graphql-http/package.json').version))"
    assert json.loads(node.run("-e", read).stdout) == wanted["graphql-http"]
    assert Path(node.program("relay-compiler")).exists()


def test_without_npm_the_reason_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NodeMissing, match="npm is not installed"):
        installed(NODE)


def test_a_registry_that_does_not_answer_is_named_as_the_reason(
    node: NodePackages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(NODE / name, tmp_path / name)
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(NodeMissing, match="cannot reach its registry"):
        installed(tmp_path)


def test_a_lock_file_that_does_not_fit_is_a_fault_and_no_reason_to_leave_out(
    node: NodePackages, tmp_path: Path
) -> None:
    shutil.copyfile(NODE / "package-lock.json", tmp_path / "package-lock.json")
    (tmp_path / "package.json").write_text('{"name": "other", "dependencies": {"left-out": "1.0.0"}}')
    with pytest.raises(AssertionError, match="npm ci failed"):
        installed(tmp_path)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_every_text_names_the_same_oldest_node() -> None:
    oldest = ".".join(map(str, OLDEST_NODE))
    named = re.compile(r"\bNode(?:\.js)? v?(\d+(?:\.\d+)*)")
    files = tracked("*.md", "*.py", "*.sh", "*.ts", "*.tsx", "Makefile", ".ci/run", "Dockerfile")
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}": match[1]
        for path in files
        if path != Path(__file__)
        for match in named.finditer(path.read_text())
    }
    assert len(found) >= 5
    assert {where for where, version in found.items() if version != oldest} <= {"examples/README.md: Node.js 22"}
    for package in PACKAGES:
        assert json.loads((ROOT / package / "package.json").read_text())["engines"]["node"] == f">={oldest}", package


def accepts(asked: str, version: tuple[int, int]) -> bool:
    """Say whether a range of npm holds this major and minor version; of a range it knows what lock files hold."""
    return any(
        all(_holds(part, version) for part in one.split()) for one in re.sub(r"([<>=~^]) +", r"\1", asked).split("||")
    )


def _holds(part: str, version: tuple[int, int]) -> bool:
    sign, *numbers = re.fullmatch(r"(>=|<=|>|<|=|\^|~)?v?(\d+|\*|x)(?:\.(\d+|\*|x))?(?:\.[\w.-]+)?", part).groups()  # type: ignore[union-attr]
    wanted = tuple(int(number) for number in numbers if number is not None and number.isdigit())
    there = version[: len(wanted)]
    match sign:
        case ">=":
            return there >= wanted
        case ">":
            return there > wanted
        case "<":
            return version < wanted
        case "<=":
            return there <= wanted
        case "^":
            return version[0] == wanted[0] and there >= wanted
    return there == wanted


@pytest.mark.parametrize(
    ("asked", "is_held"),
    [
        (">=18", True),
        (">= 20.19.0", True),
        (">=20.20", False),
        ("^20.19.0 || >=22.12.0", True),
        ("^18.0.0 || >=22.0.0", False),
        (">=22.15.0", False),
        (">=6 <7 || >=8", True),
        (">=6 <20", False),
        ("20 || >=22", True),
        ("18.x || 22.x", False),
        ("*", True),
    ],
)
def test_a_range_of_npm_is_read(asked: str, is_held: bool) -> None:
    assert accepts(asked, (20, 19)) is is_held


@pytest.mark.parametrize("package", LOCKED)
def test_no_package_in_a_lock_file_refuses_the_oldest_node(package: str) -> None:
    locked = json.loads((ROOT / package / "package-lock.json").read_text())["packages"]
    asked = {name: one["engines"]["node"] for name, one in locked.items() if "node" in one.get("engines", {})}
    assert len(asked) > 20
    assert {name: range_ for name, range_ in asked.items() if not accepts(range_, OLDEST_NODE)} == {}


def test_the_example_is_tested_with_the_versions_that_it_names() -> None:
    tested, example = (
        json.loads((folder / "package.json").read_text()) for folder in (NODE, ROOT / "examples" / "feed-page")
    )
    assert (example["dependencies"] | example["devDependencies"]).items() <= tested["dependencies"].items()
    assert example["overrides"] == tested["overrides"]
