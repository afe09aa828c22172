"""The program `explore` in forks of a process that has imported it: a start takes 0.05 s of CPU instead of 3 s.

Each worker of a run keeps one such process, which only imports. A fork gets its own arguments, environment, folder,
session and streams, and ends as the program does.
"""

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "resolvers", "scoring", "db")
LATE = ("wordllama", "uvicorn.loops.uvloop", "uvicorn.lifespan.on", "alembic.command")
"""Modules that the product imports when it first needs them."""
RUN_EXPLORE = "from gateway.main import main; main()"
LONGEST_REQUEST = 2**18


class Program:
    """A running `explore`, or other code in its place, with the methods of `subprocess.Popen` that the tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        stdout: IO[Any],
        stderr: IO[Any],
        code: str = RUN_EXPLORE,
    ) -> None:
        self.args = ["explore", *arguments]
        self.returncode: int | None = None
        self._status, theirs = os.pipe()
        request = json.dumps([self.args, str(folder), dict(environment), code]).encode()
        assert len(request) < LONGEST_REQUEST
        try:
            socket.send_fds(_importer()[0], [request], [stdout.fileno(), stderr.fileno(), theirs])
        finally:
            os.close(theirs)
        self.pid = int(self._line())

    def poll(self) -> int | None:
        """Return the exit code, or None while the program runs."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code, negative for the signal that ended it."""
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the program has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Stop it at once, with the processes that it started."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)

    def _ended_within(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            self.returncode = int(self._line())
            os.close(self._status)
        return self.returncode

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            read = os.read(self._status, 1)
            if not read:
                raise RuntimeError("the process that starts programs has ended")
            line += read
        return line


class Code(Program):
    """Running Python code, whose standard output is read from `stdout`."""

    def __init__(self, code: str, *arguments: object) -> None:
        reading, writing = os.pipe()
        self.stdout = open(reading)  # noqa: SIM115 (open until the code has ended)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (as above)
        with open(writing, "wb") as output:
            super().__init__([str(one) for one in arguments], ROOT, os.environ, output, self._errors, code)

    def communicate(self) -> tuple[str, str]:
        """Wait for the end; return what it has written since to each stream."""
        with self.stdout, self._errors:
            output = self.stdout.read()
            self.wait()
            self._errors.seek(0)
            return output, self._errors.read()


@cache
def _importer() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the process that imports; it ends when this one has."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())]
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    return ours, process


def _import_all() -> None:
    """Import the product, with the filters of warnings as Python sets them: weaviate's client shows all warnings."""
    for root in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}."):
            if not module.name.endswith((".__main__", ".env")) and ".versions." not in module.name:
                importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)


def _serve(requests: socket.socket) -> None:
    """Start a program for each request, until the tests have ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    while True:
        request, streams, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            _keep(*json.loads(request), *streams)
        for stream in streams:
            os.close(stream)
        _reap()


def _reap() -> None:
    """Bury the keepers that have ended, so that their time counts as this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(
    arguments: list[str], folder: str, environment: dict[str, str], code: str, out: int, err: int, status: int
) -> None:
    """Start the program, which tells its id, and tell its exit code when it has ended."""
    process = os.fork()
    if process == 0:
        os.setsid()
        os.write(status, b"%d\n" % os.getpid())
        os.close(status)
        _become(arguments, folder, environment, code, out, err)
    os.close(out)
    os.close(err)
    _, ended = os.waitpid(process, 0)
    os.write(status, b"%d\n" % os.waitstatus_to_exitcode(ended))
    os._exit(0)


def _become(arguments: list[str], folder: str, environment: dict[str, str], code: str, out: int, err: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(Path(sys.executable).with_name("explore")), *arguments[1:]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ended: int | str | None = 1
    try:
        exec(code, {"__name__": "__main__"})  # noqa: S102 (of the tests)
        ended = 0
    except SystemExit as end:
        ended = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # nobody may read it any more
                stream.flush()
        os._exit(ended if isinstance(ended, int) else int(ended is not None))


if __name__ == "__main__":
    with warnings.catch_warnings():
        _import_all()
    with socket.socket(fileno=int(sys.argv[1])) as requests_of_tests:
        _serve(requests_of_tests)
