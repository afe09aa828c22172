"""Processes of this machine."""

import os


def is_running(process: int) -> bool:
    """Return whether a process with this id runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        return True
    return True
