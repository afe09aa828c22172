"""Files and folders that only their owner may read, whatever the umask of the process.

SQLite gives the files beside a database (``-wal``, ``-shm``, ``-journal``) the mode of the database itself.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o600, 0o700
_FOR_OTHERS = 0o077
_OURS = ("explore.sqlite", "vectors.sqlite", "cache.sqlite", "documents.sqlite", "embeddings.sqlite", "token_secret")
"""What the names of the files in VAR_DIR begin with."""


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
            with suppress(FileNotFoundError):  # SQLite makes and removes those beside it
                _narrow(path.with_name(path.name + suffix), FILE_MODE)
        return
    try:
        os.fchmod(descriptor, FILE_MODE)
    finally:
        os.close(descriptor)


def open_to_others(folder: Path) -> Iterator[Path]:
    """Give the folder and those files of ours in it that others than their owner may read, write or enter."""
    for path in (folder, *(entry for entry in sorted(folder.iterdir()) if entry.name.startswith(_OURS))):
        if path.stat().st_mode & _FOR_OTHERS:
            yield path


def _narrow(path: Path, mode: int) -> None:
    if stat.S_IMODE(path.stat().st_mode) & _FOR_OTHERS:
        with suppress(PermissionError):  # another user's: `explore doctor` reports it
            path.chmod(mode)
