"""The image without a container engine: what its Dockerfile lets in, copies and installs, built and run here."""

import ast
import re
import shutil
import signal
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx
import pytest

from tests.gateway.test_server import stop_cleanly
from tests.running import START_WITHIN_S, address_in, serving

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "resolvers", "scoring", "db")
BUILDS = ("frontend/dist", "frontend/graphiql/dist")


def lines_of_stage(name):
    text = (ROOT / "Dockerfile").read_text()
    return re.search(rf"^FROM \S+ AS {name}\n(.*?)^FROM ", text, re.MULTILINE | re.DOTALL)[1].splitlines()


def is_let_in(name):
    """Apply .dockerignore: the last pattern that matches the name, or a folder above it, decides."""
    let_in = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
            if re.fullmatch(f"{pattern}(?:/.*)?", name):
                let_in = line.startswith("!")
    return let_in


def tracked(*folders):
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name for name in listed if name and (ROOT / name).is_file()}


def lay_context(folder):
    """Copy what the stage `build` copies: of the repository what .dockerignore lets in, and pages if they are built."""
    for line in lines_of_stage("build"):
        if copied := re.fullmatch(r"COPY --from=pages /build/(\S+) (\S+)", line):
            if (ROOT / copied[1]).is_dir():
                shutil.copytree(ROOT / copied[1], folder / copied[2])
        elif copied := re.fullmatch(r"COPY (.+) (\S+)", line):
            for name in copied[1].split():
                goal = folder / copied[2] / name if copied[2] == "./" else folder / copied[2]
                for file in filter(is_let_in, tracked(name)):
                    target = goal / Path(file).relative_to(name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(ROOT / file, target)


def borrow_packages(folder):
    """Link every installed package but our own into a virtual environment: the image installs them from the lock."""
    ours = re.compile(r"explore_gateway|__editable__")
    for path in Path(httpx.__file__).parents[1].iterdir():
        if not ours.match(path.name) and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A virtual environment with the package, installed by the very command of the Dockerfile."""
    folder = tmp_path_factory.mktemp("image")
    context, venv = folder / "build", folder / "venv"
    context.mkdir()
    lay_context(context)
    python = Path(sys.base_prefix) / "bin" / "python3"
    subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
    borrow_packages(next((venv / "lib").glob("python*/site-packages")))
    (command,) = [
        line.removeprefix("RUN ")
        for line in lines_of_stage("build")
        if line.endswith("install --no-index --no-deps --no-build-isolation .")
    ]
    assert command.startswith("python -m pip --python /opt/venv/bin/python ")
    command = command.replace("python", str(python), 1).replace("/opt/venv", str(venv))
    done = subprocess.run(command.split(), cwd=context, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return venv


def test_the_command_of_the_image_serves_with_two_workers(image, tmp_path):
    with serving(tmp_path, program=[str(image / "bin" / "explore")], WORKERS="2", START_WORKER="on") as (
        process,
        welcome,
    ):
        address = address_in(welcome)
        query = {"query": "{ popular(first: 5) { edges { node { title } } } }"}
        answer = httpx.post(f"{address}/graphql", json=query, timeout=START_WITHIN_S).json()
        assert answer["data"] == {"popular": {"edges": []}}
        for build, at in zip(BUILDS, ("/", "/graphql"), strict=True):
            if (ROOT / build).is_dir():
                page = httpx.get(f"{address}{at}", headers={"Accept": "text/html"}, timeout=START_WITHIN_S)
                assert page.text == (ROOT / build / "index.html").read_text()
        stop_cleanly(process, tmp_path, address, signal.SIGTERM)
    # A worker that starts the whole command again says that the port is in use, or ends in a traceback.
    assert "explore: " not in (tmp_path / "stderr").read_text()


def test_the_image_holds_every_file_of_the_packages(image):
    (installed,) = (image / "lib").glob("python*/site-packages")
    found = {
        path.relative_to(installed).as_posix()
        for folder in (*PACKAGES, "frontend")
        for path in (installed / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    pages = {
        path.relative_to(ROOT).as_posix()
        for build in BUILDS
        for path in (ROOT / build).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert found == tracked(*PACKAGES) | pages


def test_every_module_can_be_imported_in_the_image_and_the_demo_data_be_read(image, tmp_path):
    script = (
        "import importlib, pkgutil, sys\n"
        f"for root in {PACKAGES}:\n"
        "    package = importlib.import_module(root)\n"
        f"    assert package.__file__.startswith({str(image)!r}), package.__file__\n"
        "    for module in pkgutil.walk_packages(package.__path__, f'{root}.'):\n"
        "        if not module.name.endswith(('.__main__', '.env')):\n"
        "            importlib.import_module(module.name)\n"
        "from db.demo import content\n"
        "assert all((content.categories(), content.tools(), content.special_ideas(), content.interests()))\n"
    )
    done = subprocess.run(
        [image / "bin" / "python", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def test_the_code_imports_only_what_the_image_installs():
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    modules = {module for name in tracked(*PACKAGES) if name.endswith(".py") for module in imported(ROOT / name)}
    foreign = modules - set(PACKAGES) - sys.stdlib_module_names
    distributions = packages_distributions()
    assert len(foreign) > 15
    missing = {
        module
        for module in foreign
        if not {re.sub(r"[._]", "-", name).lower() for name in distributions[module]} & locked
    }
    assert missing == set()


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.production",
        "frontend/.env",
        "var/token_secret",
        ".git/config",
        ".venv/bin/python",
        "gateway/__pycache__/app.cpython-311.pyc",
        "frontend/node_modules/vite/package.json",
        "frontend/dist/index.html",
        "tests/running.py",
        "docker-compose.yml",
    ],
)
def test_secrets_data_and_what_is_built_stay_out_of_the_build(name):
    assert not is_let_in(name)


def test_every_base_image_can_be_pinned_by_digest():
    text = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert {base for base in bases if base != "scratch"} == {"${NODE_IMAGE}", "${PYTHON_IMAGE}", "pages-${PAGES}"}
    head = text.partition("\nFROM ")[0]
    assert re.findall(r"^ARG (\w+)=\S+$", head, re.MULTILINE) == ["PAGES", "NODE_IMAGE", "PYTHON_IMAGE"]
    assert "# syntax=" not in text  # it would be one more image, by tag, that builds all others
