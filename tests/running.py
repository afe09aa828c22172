"""The real command in a process of its own, as a newcomer starts it, for the tests that need a running gateway."""

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.callers.token_authority import token_authority
from gateway.settings import Settings
from tests.leaks import leaks, secrets_of
from tests.preloaded import Program

EXPLORE = [str(Path(sys.executable).with_name("explore"))]
START_WITHIN_S = 90
ENDS_WITHIN_S = 120


def environment(folder, **settings):
    ours = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return {**inherited, "VAR_DIR": str(folder / "var"), "COLUMNS": "80", **settings}


def explore(folder, *arguments, **settings):
    """Run a command to its end."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        program = Program(arguments, folder, environment(folder, **settings), output, errors)
        try:
            program.wait(ENDS_WITHIN_S)
        finally:
            program.kill()
        for stream in (output, errors):
            stream.seek(0)
        return subprocess.CompletedProcess(program.args, program.returncode, output.read(), errors.read())


@contextmanager
def serving(folder, *arguments, program=None, **settings):
    """Start a server on a free port, and give its process and what it printed until it was ready.

    It is the preloaded program, or one that is given as a command: `program=EXPLORE` starts the installed one.
    Unless `START_WORKER` is on, it has no worker process, whose imports take 4 s of CPU.
    At the end its log must hold nothing of `tests.leaks`: every test with a server is a test of the log.
    """
    arguments = ["serve", "--port", "0", *arguments]
    environs = environment(folder, **{"START_WORKER": "off", **settings})
    reading, writing = os.pipe()
    with (folder / "stderr").open("w+") as errors, open(reading, "rb") as output:
        with open(writing, "wb") as printed:
            if program is None:
                process = Program(arguments, folder, environs, printed, errors)
            else:
                process = subprocess.Popen(
                    [*program, *arguments],
                    cwd=folder,
                    env=environs,
                    stdout=printed,
                    stderr=errors,
                    start_new_session=True,
                )
        try:
            yield process, read_welcome(output)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its workers too
            process.wait()
    found = leaks((folder / "stderr").read_text(errors="replace"), secrets_of(settings))
    assert found == []


def read_welcome(output):
    """Read standard output until the last line of the welcome."""
    printed, until = b"", time.monotonic() + START_WITHIN_S
    while not is_complete(printed):
        if not select.select([output], [], [], max(until - time.monotonic(), 0))[0]:
            pytest.fail(f"the server was not ready in {START_WITHIN_S} s; it said {printed!r}")
        chunk = os.read(output.fileno(), 65_536)
        if not chunk:
            pytest.fail(f"the server ended; it said {printed!r}")
        printed += chunk
    return printed.decode()


def is_complete(printed):
    """Tell whether the welcome has ended: its last line is empty."""
    return printed.endswith(b"\n\n") and b"/readyz" in printed


def until(condition):
    """Wait until something holds of which nobody tells."""
    give_up = time.monotonic() + 3 * START_WITHIN_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def children(parent, text):
    """Find the running children of a process whose command line has this text, in /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            is_child = re.search(rf"^PPid:\s+{parent}$", (folder / "status").read_text(), re.MULTILINE)
            if is_child and text in (folder / "cmdline").read_text():
                found.append(int(folder.name))
    return found


def address_in(welcome):
    return re.search(r"http://127\.0\.0\.1:\d+", welcome)[0]


def token_of(folder, user, role=None, hours=1.0):
    """Return a token for a user of the gateway whose VAR_DIR is in the folder, as `explore token` prints it."""
    return token_authority(Settings(_env_file=None, var_dir=folder / "var")).issue(user, role, hours)
