"""What front-end teams build, built: documents compiled against the committed schema, and a gateway to run them."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from db.models import Role
from tests.node_packages import NodePackages
from tests.running import address_in, serving, token_of

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PROGRAMS = ROOT / "tests" / "node"

Build = Callable[[Path], Path]


@dataclass(frozen=True)
class Gateway:
    """A running gateway with the demo data, which knows the documents of the applications below by their hashes."""

    url: str
    folder: Path

    def token(self, user: str, role: Role | None = None) -> str:
        """Return a token for a demo user."""
        made: str = token_of(self.folder, user, role)
        return made


@pytest.fixture(scope="session")
def workshop(node: NodePackages, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Give a function that copies an application to where it can be built, beside the schema and the packages."""

    def copy(application: Path) -> Path:
        folder = tmp_path_factory.mktemp(application.name)
        shutil.copytree(application, folder, dirs_exist_ok=True)
        shutil.copyfile(ROOT / "schema.graphql", folder / "schema.graphql")
        (folder / "node_modules").symlink_to(node.folder / "node_modules")
        return folder

    return copy


@pytest.fixture(scope="session")
def relay_page(node: NodePackages, workshop: Build) -> Path:
    """Compile the Relay application, its documents persisted."""
    folder = workshop(PROGRAMS / "relay")
    relay_compiler(node, folder)
    return folder


def relay_compiler(node: NodePackages, folder: Path) -> None:
    """Run relay-compiler in a folder; what it does not accept fails the test in its own words."""
    (folder / "__generated__").mkdir(exist_ok=True)
    (folder / "manifest.json").write_text("{}")
    done = node.run(node.program("relay-compiler"), "relay.config.json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def typed_page(node: NodePackages, workshop: Build) -> Path:
    """Type the documents of the TypeScript example with graphql-codegen's client preset, and compile it strictly."""
    folder = workshop(EXAMPLES / "feed-page")
    for program, *options in (("graphql-codegen", "--config", "codegen.ts"), ("tsc", "--project", ".")):
        done = node.run(node.program(program), *options, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def gateway(
    relay_page: Path, typed_page: Path, demo_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Start a gateway once for all clients; it trusts what the two compilers wrote.

    It runs no jobs: a job that learns interests between two requests raises the version that a client compares.
    """
    folder = tmp_path_factory.mktemp("gateway")
    shutil.copytree(demo_data, folder / "var")
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(written(relay_page / "manifest.json") | written(persisted(typed_page))))
    settings = {"TRUSTED_DOCUMENTS": str(manifest), "START_WORKER": "off"}
    with serving(folder, **settings) as (_, welcome):
        yield Gateway(f"{address_in(welcome)}/graphql", folder)


def persisted(page: Path) -> Path:
    """Give the manifest that graphql-codegen wrote."""
    return page / "gql" / "persisted-documents.json"


def written(path: Path) -> dict[str, Any]:
    """Read a file that a tool wrote."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content
