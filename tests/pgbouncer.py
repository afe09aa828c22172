"""A real PgBouncer in front of a PostgreSQL, gone when the test ends."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.servers import (
    PORTS_TO_TRY,
    PostgresqlServer,
    ServerMissing,
    free_port,
    listens,
    log_of,
    spawn,
    unprivileged_account,
)

INSTALL_PGBOUNCER = "The program pgbouncer is missing; install it: apt-get install -y --no-install-recommends pgbouncer"
_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_round_robin = 1
"""
"""Few connections, taken in turn, so that consecutive transactions of a client get different ones."""


@contextmanager
def running_pgbouncer(server: PostgresqlServer) -> Iterator[int]:
    """Start a PgBouncer in transaction mode; gives its port (0.1 s)."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        raise ServerMissing(INSTALL_PGBOUNCER)
    with tempfile.TemporaryDirectory(prefix="explore-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PgBouncer refuses root, so that another account reads it
        for _ in range(PORTS_TO_TRY):
            port = free_port()
            (folder / "pgbouncer.ini").write_text(_SETTINGS.format(port=port, server_port=server.port))
            process = spawn([program, "pgbouncer.ini"], folder, unprivileged_account())
            try:
                if listens(process, port):
                    yield port
                    return
            finally:
                process.terminate()
                process.wait(10)
        raise RuntimeError(f"PgBouncer did not start:\n{log_of(folder)}")


def through(url: str, port: int) -> str:
    """Return the URL of a database on this machine through a PgBouncer."""
    return make_url(url).set(port=port).render_as_string(hide_password=False)
