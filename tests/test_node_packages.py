"""What needs npm runs where npm is, and says why it does not where npm is not."""

import json
import shutil
from pathlib import Path

import pytest

from tests.node_packages import NodeMissing, NodePackages, installed
from tests.servers import free_port

NODE = Path(__file__).parent / "node"


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
