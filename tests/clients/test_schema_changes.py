"""No breaking change goes unnoticed: graphql-inspector compares the schema with the one before."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import ROOT
from tests.node_packages import NodePackages

SCHEMA = ROOT / "schema.graphql"
LOG = ROOT / "docs" / "schema-changes.md"


def changes(node: NodePackages, before: Path, after: Path) -> list[dict[str, Any]]:
    done = node.run("schema_changes.mjs", str(before), str(after))
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def unannounced(found: list[dict[str, Any]], log: str) -> list[str]:
    """Give the breaking changes that the log does not name."""
    return [
        f"{one['path']}: {one['message']}"
        for one in found
        if one["level"] == "BREAKING" and f"`{one['path']}`" not in log
    ]


def git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def schema_before() -> str:
    """Give the committed schema that differs from the one here and is nearest to it."""
    present = SCHEMA.read_text()
    commits = git("log", "-3", "--format=%H", "--", "schema.graphql").split()
    for commit in commits:
        if (text := git("show", f"{commit}:schema.graphql")) and text != present:
            return text
    return pytest.skip(
        "left out: there is no git history with an earlier schema.graphql (an archive or a shallow clone)"
    )


def test_a_breaking_change_is_announced(node: NodePackages, tmp_path: Path) -> None:
    before = tmp_path / "before.graphql"
    before.write_text(schema_before())
    missing = unannounced(changes(node, before, SCHEMA), LOG.read_text())
    assert missing == [], "name these in docs/schema-changes.md, with what to write instead"


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("  engagementVelocity: Float!", "  velocity: Float!", "Project.engagementVelocity"),
        ("  viewCount: Int!", "  viewCount: Int", "Project.viewCount"),
        ("  locale: String!", "  locale: String!\n  region: String!", "OptionTranslationInput.region"),
        ("  REMAINDER", "  REST", "AdjustmentRule.REMAINDER"),
    ],
)
def test_what_breaks_a_document_is_found_unless_it_is_announced(
    node: NodePackages, tmp_path: Path, old: str, new: str, path: str
) -> None:
    changed = tmp_path / "changed.graphql"
    changed.write_text(SCHEMA.read_text().replace(old, new, 1))
    found = changes(node, SCHEMA, changed)
    assert any(line.startswith(f"{path}:") for line in unannounced(found, ""))
    announced = "".join(f"`{one['path']}`" for one in found)
    assert unannounced(found, announced) == []


def test_what_only_adds_breaks_nothing(node: NodePackages, tmp_path: Path) -> None:
    changed = tmp_path / "changed.graphql"
    changed.write_text(SCHEMA.read_text().replace("  likeCount: Int!", "  likeCount: Int!\n  shareCount: Int", 1))
    assert changes(node, SCHEMA, changed) != []
    assert unannounced(changes(node, SCHEMA, changed), "") == []
