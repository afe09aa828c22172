"""The real command in a process of its own, as a newcomer starts it, for the tests that need a running gateway."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.callers.token_authority import token_authority
from gateway.settings import Settings
from tests.leaks import leaks, secrets_of

EXPLORE = [str(Path(sys.executable).with_name("explore"))]
START_WITHIN_S = 90


def environment(folder, **settings):
    ours = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return {**inherited, "VAR_DIR": str(folder / "var"), "COLUMNS": "80", **settings}


def explore(folder, *arguments, **settings):
    """Run a command to its end."""
    return subprocess.run(
        [*EXPLORE, *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def serving(folder, *arguments, program=EXPLORE, **settings):
    """Start a server on a free port, and give its process and what it printed until it was ready.

    At the end its log must hold nothing of `tests.leaks`: every test with a server is a test of the log.
    """
    errors = (folder / "stderr").open("w+")
    process = subprocess.Popen(
        [*program, "serve", "--port", "0", *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        yield process, read_welcome(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers too
        process.wait()
        process.stdout.close()
        errors.close()
    found = leaks((folder / "stderr").read_text(errors="replace"), secrets_of(settings))
    assert found == []


def read_welcome(process):
    """Read standard output until the last line of the welcome."""
    printed, until = b"", time.monotonic() + START_WITHIN_S
    while not is_complete(printed):
        if not select.select([process.stdout], [], [], max(until - time.monotonic(), 0))[0]:
            pytest.fail(f"the server was not ready in {START_WITHIN_S} s; it said {printed!r}")
        chunk = os.read(process.stdout.fileno(), 65_536)
        if not chunk:
            pytest.fail(f"the server ended; it said {printed!r}")
        printed += chunk
    return printed.decode()


def is_complete(printed):
    """Tell whether the welcome has ended: its last line is empty."""
    return printed.endswith(b"\n\n") and b"/readyz" in printed


def address_in(welcome):
    return re.search(r"http://127\.0\.0\.1:\d+", welcome)[0]


def token_of(folder, user, role=None, hours=1.0):
    """Return a token for a user of the gateway whose VAR_DIR is in the folder, as `explore token` prints it."""
    return token_authority(Settings(_env_file=None, var_dir=folder / "var")).issue(user, role, hours)
