"""The tables that the processes of one server share, in a folder that lives as long as the server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.sharing.open_counts import LocalCounts, OpenCounts, SharedCounts
from gateway.sharing.processes import process_folder
from gateway.sharing.shared_table import BUCKET_ROWS, SharedTable

FOLDER_VARIABLE = "EXPLORE_SHARED_FOLDER"
"""Environment variable by which the processes of a server find the folder. It is no setting."""

_OPEN, _SPENT = "open_counts", "spent_points"

SPENT_KEYS = 100_000 // 8
"""Buckets of the table of spent points, which has room for 200,000 callers in 6.4 MB."""


@contextmanager
def share_counts(open_names: int, processes: int) -> Iterator[None]:
    """Share counts between the processes that start within the block.

    `open_names` is the number of clients that may hold something open at once, and `processes` the number of processes.
    """
    with process_folder("explore-counts") as folder:
        # A name has a row for each process that holds something; during a restart there is one more.
        SharedTable.create(folder / _OPEN, open_names, BUCKET_ROWS + processes)
        SharedTable.create(folder / _SPENT, SPENT_KEYS)
        os.environ[FOLDER_VARIABLE] = str(folder)
        try:
            yield
        finally:
            del os.environ[FOLDER_VARIABLE]


def open_counts() -> OpenCounts:
    """Return the counts of all processes of this server, or of this process if it is the only one."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return LocalCounts() if folder is None else SharedCounts(SharedTable(Path(folder) / _OPEN))


def spent_points_table() -> SharedTable | None:
    """Return the table of spent points, or None if this process is the only one of its server."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return None if folder is None else SharedTable(Path(folder) / _SPENT)
