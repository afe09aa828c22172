"""Processes of this machine, and folders that end with the process that made them."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def is_running(process: int) -> bool:
    """Return whether a process with this id runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        return True
    return True


def stop_with_parent(wait_for_parent: Callable[[], object], timeout_s: float) -> None:
    """Send this process SIGTERM when its parent has ended, however it ended, and end it `timeout_s` seconds later.

    `wait_for_parent` returns when the parent has ended. It runs in a thread.
    """

    def stop() -> None:
        wait_for_parent()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(timeout_s)
        os._exit(1)

    threading.Thread(target=stop, name="parent", daemon=True).start()


@contextmanager
def process_folder(name: str) -> Iterator[Path]:
    """Make a temporary folder for the block, and remove those of earlier processes that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{name}-*-*"):
        process = left.name.removeprefix(f"{name}-").partition("-")[0]
        if process.isdecimal() and not is_running(int(process)):
            shutil.rmtree(left, ignore_errors=True)  # it may belong to another user
    with tempfile.TemporaryDirectory(prefix=f"{name}-{os.getpid()}-") as folder:
        yield Path(folder)
