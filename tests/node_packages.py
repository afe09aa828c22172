"""Packages of Node for the tests: installed once for all workers of a run, from the lock file that is committed."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OLDEST_NODE = (20, 19)
_OLDEST = ".".join(map(str, OLDEST_NODE))
INSTALL_WITHIN_S = 600
STAMP = ".installed"
"""Lies in node_modules and holds the hash of the lock file that was installed."""

NOT_REACHED = re.compile(
    r"\b(ENOTFOUND|EAI_AGAIN|EAI_FAIL|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|ENETUNREACH|EHOSTUNREACH|E5\d\d)\b"
)


class NodeMissing(Exception):
    """Node, npm or the registry cannot be had here; the message says which."""


@dataclass(frozen=True, slots=True)
class NodePackages:
    """A folder with a package.json, whose packages are installed."""

    folder: Path

    def program(self, name: str) -> str:
        """Give the path of a program that one of the packages brings."""
        path = self.folder / "node_modules" / ".bin" / name
        assert path.exists(), f"{path} is missing; {self.folder}/package.json does not bring it"
        return str(path)

    def run(
        self, *arguments: str, cwd: Path | None = None, timeout_s: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `node` in the folder, or one of its programs by an absolute path, to its end; it may fail."""
        command = list(arguments) if Path(arguments[0]).is_absolute() else [_program("node"), *arguments]
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=_environment() | environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def installed(folder: Path) -> NodePackages:
    """Run `npm ci` in a folder unless what its lock file says is installed already.

    Raises
    ------
    NodeMissing
        If there is no Node, no npm, or the registry does not answer. Any other failure of npm is a fault of the
        package, and raised as an AssertionError.
    """
    npm = _program("npm")
    _check_version()
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / STAMP
    with _only_one(folder):
        if not stamp.exists() or stamp.read_text() != wanted:
            _install(npm, folder)
            stamp.write_text(wanted)
    return NodePackages(folder)


def _install(npm: str, folder: Path) -> None:
    # npm would try for ten minutes when nobody answers.
    patience = ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"]
    try:
        done = subprocess.run(
            [npm, "ci", *patience],
            cwd=folder,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=INSTALL_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise NodeMissing(f"npm did not bring the packages of {folder.name} in {INSTALL_WITHIN_S} s") from late
    if done.returncode == 0:
        return
    if told := NOT_REACHED.search(done.stderr):
        raise NodeMissing(f"npm cannot reach its registry ({told[0]})")
    raise AssertionError(f"npm ci failed in {folder}:\n{done.stderr[-3000:]}")


def _check_version() -> None:
    told = subprocess.run([_program("node"), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in told.lstrip("v").split(".")[:2]) < OLDEST_NODE:
        raise NodeMissing(f"Node.js {told} is too old, {_OLDEST} or newer is needed")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NodeMissing(f"{name} is not installed (Node.js {_OLDEST} or newer, with npm)")
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "CI": "true", "NO_UPDATE_NOTIFIER": "1"}


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep other workers of the run out, which install into the same folder."""
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"explore-npm-{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
