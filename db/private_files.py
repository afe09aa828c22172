"""Files and folders that only their owner may read, whatever the umask of the process.

SQLite gives the files beside a database (``-wal``, ``-shm``, ``-journal``) the mode of the database itself.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TextIO

FILE_MODE, FOLDER_MODE = 0o600, 0o700
_FOR_OTHERS = 0o077


class DataFile(StrEnum):
    """Names of the files in the data folder (VAR_DIR)."""

    DATABASE = "explore.sqlite"
    VECTORS = "vectors.sqlite"
    CACHE = "cache.sqlite"
    DOCUMENTS = "documents.sqlite"
    EMBEDDINGS = "embeddings.sqlite"
    TOKEN_SECRET = "token_secret"  # noqa: S105 (a file's name)
    WORKER_ALIVE = "worker_alive"


_OURS = (*DataFile, ".token_secret.", ".writable")
"""Prefixes of the names of our files in the data folder."""


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter.

    One that is there is narrowed if nothing but files of ours lies in it: a shared folder such as ``/tmp`` stays as it
    is, and `explore doctor` reports it. Files of ours in it are narrowed in any case.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(FOLDER_MODE)
        folder.chmod(FOLDER_MODE)  # the umask may have taken more away
    except FileExistsError:
        entries = list(folder.iterdir())
        ours = [entry for entry in entries if entry.name.startswith(_OURS)]
        for entry in ours:
            _narrow(entry, FILE_MODE)
        if len(ours) == len(entries):
            _narrow(folder, FOLDER_MODE)


def make_private_file(path: Path) -> None:
    """Make an empty file that only its owner may read, or narrow the one that is there and those beside it.

    A file that is there is not opened: closing it would release the locks that SQLite holds on it in this process.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    except FileExistsError:
        for suffix in ("", "-wal", "-shm", "-journal"):
            _narrow(path.with_name(path.name + suffix), FILE_MODE)
        return
    try:
        os.fchmod(descriptor, FILE_MODE)
    finally:
        os.close(descriptor)


def open_to_others(folder: Path) -> Iterator[Path]:
    """Give the folder and those files of ours in it that others than their owner may read, write or enter."""
    for path in (folder, *(entry for entry in sorted(folder.iterdir()) if entry.name.startswith(_OURS))):
        with suppress(FileNotFoundError):  # SQLite makes and removes the files beside a database
            if path.stat().st_mode & _FOR_OTHERS:
                yield path


def open_private(path: Path) -> TextIO:
    """Open a text file for writing; a new one may be read by its owner only."""
    return open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, FILE_MODE))


def _narrow(path: Path, mode: int) -> None:
    # SQLite makes and removes the files beside a database; what belongs to another user `explore doctor` reports.
    with suppress(FileNotFoundError, PermissionError):
        if path.stat().st_mode & _FOR_OTHERS:
            path.chmod(mode)
