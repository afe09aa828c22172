"""Files and folders that only their owner can read, independent of the umask of the process.

SQLite gives a database's ``-wal``, ``-shm`` and ``-journal`` files the mode of the database file.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TextIO

FILE_MODE, FOLDER_MODE = 0o600, 0o700
_OTHERS_MASK = 0o077


class DataFile(StrEnum):
    """Names of the files in the data folder (VAR_DIR)."""

    DATABASE = "explore.sqlite"
    VECTORS = "vectors.sqlite"
    CACHE = "cache.sqlite"
    DOCUMENTS = "documents.sqlite"
    EMBEDDINGS = "embeddings.sqlite"
    DIMENSIONS = "embedding_dimensions.json"
    TOKEN_SECRET = "token_secret"  # noqa: S105 (a file's name)
    WORKER_ALIVE = "worker_alive"


_FILE_PREFIXES = (*DataFile, ".token_secret.", ".writable")
"""Name prefixes of the files that the gateway creates in the data folder."""


def make_private_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter, or restrict the permissions of an existing folder.

    An existing folder is restricted only if it contains nothing but files of the gateway. A shared folder such as
    ``/tmp`` keeps its permissions, and `explore doctor` reports it. The gateway's files in it are always restricted.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(FOLDER_MODE)
        folder.chmod(FOLDER_MODE)  # the umask may have removed permissions of the owner
    except FileExistsError:
        entries = list(folder.iterdir())
        own_entries = [entry for entry in entries if entry.name.startswith(_FILE_PREFIXES)]
        for entry in own_entries:
            _restrict(entry, FILE_MODE)
        if len(own_entries) == len(entries):
            _restrict(folder, FOLDER_MODE)


def make_private_file(path: Path) -> None:
    """Create an empty file that only its owner can read, or restrict an existing file and its SQLite side files.

    An existing file is not opened: closing it would release the locks that SQLite holds on the file in this process.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    except FileExistsError:
        for suffix in ("", "-wal", "-shm", "-journal"):
            _restrict(path.with_name(path.name + suffix), FILE_MODE)
        return
    try:
        os.fchmod(descriptor, FILE_MODE)
    finally:
        os.close(descriptor)


def paths_open_to_others(folder: Path) -> Iterator[Path]:
    """Yield the folder and the gateway's files in it, if users other than their owner have any permission."""
    for path in (folder, *(entry for entry in sorted(folder.iterdir()) if entry.name.startswith(_FILE_PREFIXES))):
        with suppress(FileNotFoundError):  # SQLite creates and removes a database's side files
            if path.stat().st_mode & _OTHERS_MASK:
                yield path


def open_private(path: Path) -> TextIO:
    """Open a text file for writing. Only the owner can read a newly created file."""
    return open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, FILE_MODE))


def _restrict(path: Path, mode: int) -> None:
    # SQLite removes side files at any time. `explore doctor` reports files that belong to another user.
    with suppress(FileNotFoundError, PermissionError):
        if path.stat().st_mode & _OTHERS_MASK:
            path.chmod(mode)
