"""The gateway's processes: a server and its worker, which can be killed and started again."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt

from gateway.settings import Settings
from tests.preloaded import Program
from tests.servers import free_port

SECRET = "a secret of the benches, which is long enough"  # noqa: S105 (of the benches)
START_TIMEOUT_S = 90.0
LIBFAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def clock_library() -> Path | None:
    """Return libfaketime, which changes the clock of a process, or None if it is not installed."""
    return next(Path("/").glob(LIBFAKETIME.removeprefix("/")), None)


def token(user: str, role: str = "") -> str:
    """Return a token that is valid for two days before and after now, whatever the gateway's clock says."""
    claims: dict[str, Any] = {"sub": user, "iss": "explore-gateway", "aud": "explore", "exp": time.time() + 200_000}
    return jwt.encode(claims | ({"role": role} if role else {}), SECRET, "HS256")


class Gateway:
    """`explore serve` and `explore worker` with the same settings.

    With `clock_file`, both read an offset of their clock from this file, as in ``+1d``.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], clock_file: Path | None = None) -> None:
        self.folder, self.port = folder, free_port()
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        self.environment = inherited | {
            "VAR_DIR": str(folder / "var"),
            "TOKEN_SECRET": SECRET,
            "RATE_LIMIT": "0",
            "RATE_LIMIT_ADDRESS": "0",
            "LOG_LEVEL": "warning",
            "LOG_FORMAT": "json",
            "START_WORKER": "off",
            **settings,
        }
        self._clock_file = clock_file
        if clock_file is not None:
            self.environment |= {
                "LD_PRELOAD": str(clock_library()),
                "FAKETIME_TIMESTAMP_FILE": str(clock_file),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_CACHE_DURATION": "1",
            }
        self.server: Program | subprocess.Popen[bytes] | None = None
        self.worker: Program | subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changed: str) -> Settings:
        """Return the settings of the processes, with other values for some, as in the environment."""
        fields: dict[str, Any] = {name.lower(): value for name, value in (self.environment | changed).items()}
        return Settings(_env_file=None, **{name: fields[name] for name in fields if name in Settings.model_fields})

    def run(self, *arguments: str) -> Program | subprocess.Popen[bytes]:
        """Start one of the commands of `explore`."""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            if self._clock_file is None:  # a fork of a process that has imported everything starts in 0.3 s
                return Program(arguments, self.folder, self.environment, log, log)
            command = [str(Path(sys.executable).with_name("explore")), *arguments]
            return subprocess.Popen(  # noqa: S603
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_server(self) -> None:
        """Start the server without waiting for it."""
        self.server = self.run("serve", "--port", str(self.port))

    def start_worker(self) -> None:
        """Start the worker without waiting for it."""
        self.worker = self.run("worker")

    async def start(self) -> None:
        """Start both, the worker after the server has migrated the database."""
        self.start_server()
        await self.until_healthy()
        self.start_worker()

    async def until_healthy(self) -> None:
        """Wait until the server answers."""
        until = time.monotonic() + START_TIMEOUT_S
        async with httpx.AsyncClient() as client:
            while True:
                try:
                    if (await client.get(f"{self.url}/healthz")).status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                if time.monotonic() > until or self.server is None or self.server.poll() is not None:
                    raise RuntimeError(f"the gateway did not start: {(self.folder / 'serve.log').read_text()[-2000:]}")
                await asyncio.sleep(0.02)

    def kill_server(self) -> None:
        """Kill the server with SIGKILL."""
        end(self.server)

    def kill_worker(self) -> None:
        """Kill the worker with SIGKILL."""
        end(self.worker)

    def stop(self) -> None:
        """Kill both."""
        self.kill_server()
        self.kill_worker()


def end(process: Program | subprocess.Popen[bytes] | None) -> None:
    """Kill a process and those that it started."""
    if process is not None and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
