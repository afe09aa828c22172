"""The worker process of a server: started with it, restarted after failures, and stopped with it.

This module runs in the server and, as a program, in the worker process. There it imports the product only after it
watches the server, so that a worker never outlives a server that was killed during the imports.
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from gateway.sharing.processes import stop_with_parent

COMMAND = (sys.executable, "-P", "-m", "gateway.background.worker_process")
"""The worker process. `-P` keeps files of the current folder from replacing modules."""

NICENESS = 5
"""Lowers the priority: on a busy machine a server process gets three times the CPU of the worker, which must still keep
the index current. (At 10 it would get nine times as much.)"""

FIRST_PAUSE_S, MAX_PAUSE_S = 1.0, 60.0
"""Seconds before a failed worker is started again. They double from one failure to the next."""

STABLE_AFTER_S = 60.0
"""Seconds after which a worker counts as working, so that the next pause is the first one again."""

STOP_TIMEOUT_S = 8.0
"""Seconds for a worker to stop; then it is killed. Its tasks have 5 s; a calculation of a training may take longer."""

log = structlog.get_logger(__name__)


class WorkerProcess:
    """The worker process, and a thread that starts it again when it ends."""

    def __init__(self, command: Sequence[str] = COMMAND, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._command = command
        self._first_pause_s = first_pause_s
        self._process: subprocess.Popen[bytes] | None = None
        self._is_replaced = False
        self._stopping = threading.Event()
        self._ends_pause = threading.Event()
        self._lock = threading.Lock()  # no process starts after `stop` has begun
        self._thread = threading.Thread(target=self._keep_running, name="worker process", daemon=True)

    def start(self) -> None:
        """Start the worker. A worker that cannot start is logged; the server serves without it."""
        self._thread.start()

    def replace(self) -> None:
        """Stop the worker, at the latest after `STOP_TIMEOUT_S`, and start a new one."""
        with self._lock:
            self._is_replaced = True
            self._ends_pause.set()
            process = self._process
        if process is not None:
            process.terminate()
            timer = threading.Timer(STOP_TIMEOUT_S, process.kill)  # it does nothing to a process that has ended
            timer.daemon = True
            timer.start()

    def stop(self) -> None:
        """Stop the worker, at the latest after `STOP_TIMEOUT_S`."""
        with self._lock:
            self._stopping.set()
            self._ends_pause.set()
            process = self._process
        if process is not None:
            process.terminate()
        self._thread.join(STOP_TIMEOUT_S)
        if process is not None and self._thread.is_alive():
            process.kill()
        self._thread.join()

    def _keep_running(self) -> None:
        pause_s = self._first_pause_s
        while not self._stopping.is_set():
            started_at = time.monotonic()
            reason = self._run()
            if self._is_replaced or self._stopping.is_set():
                continue
            if time.monotonic() - started_at >= STABLE_AFTER_S:
                pause_s = self._first_pause_s
            log.error("worker process failed, restarting", reason=reason, after_s=pause_s)
            self._ends_pause.wait(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)

    def _run(self) -> str:
        """Run one process to its end, and return the reason of its end."""
        with self._lock:
            if self._stopping.is_set():
                return "stopped"
            self._is_replaced = False
            self._ends_pause.clear()
            try:
                # The pipe ends with this process. A process group of its own, because a terminal sends Ctrl-C to the
                # whole group: a Python that is still starting would print a traceback.
                self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, process_group=0)  # noqa: S603
            except OSError as error:
                return str(error)
        with self._process as process:
            code = process.wait()
        return f"exit code {code}" if code >= 0 else f"signal {-code}"


@contextmanager
def worker_process() -> Iterator[WorkerProcess]:
    """Run a worker process beside the block."""
    worker = WorkerProcess()
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def main() -> None:
    """Work until SIGTERM, or until the process that started this one has ended, however it ended."""
    stop_with_parent(lambda: os.read(sys.stdin.fileno(), 1), STOP_TIMEOUT_S)  # the pipe ends with the parent
    os.nice(NICENESS)
    from gateway.background.worker import run_worker  # noqa: PLC0415 (after the lines above)
    from gateway.errors import CannotStart  # noqa: PLC0415
    from gateway.logs import configure_logs  # noqa: PLC0415
    from gateway.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    configure_logs(settings)
    try:
        asyncio.run(run_worker(settings))
    except CannotStart as error:
        log.error("worker cannot start", reason=error.message)  # noqa: TRY400 (the message says how to fix it)
        sys.exit(1)


if __name__ == "__main__":
    main()
