"""Expected errors of commands: the sentence to print, and the exit code."""

import errno

from sqlalchemy.exc import SQLAlchemyError

from db.errors import DatabaseLayerError, InvalidRecord, StoreMisconfigured, StoreUnavailable
from gateway.errors import CannotStart, os_reason
from gateway.stores import damage_advice, driver_message
from scoring.errors import InsufficientData, InvalidModel

PROBLEM = 1
"""Exit code for a problem of the installation."""

WRONG_USAGE = 2


def describe_failure(error: Exception) -> tuple[str, int] | None:
    """Return the message and the exit code for an error, or None for an error that nobody expected."""
    match error:
        case CannotStart():
            return error.message, error.exit_code
        case InvalidRecord() | InsufficientData() | InvalidModel():
            return str(error), WRONG_USAGE
        case StoreMisconfigured():
            message = f"the {error.store.value} cannot be used: {error.reason}"
        case StoreUnavailable():
            message = f"the {error.store.value} cannot be reached ({error.reason}); try: explore doctor"
        case DatabaseLayerError():
            message = str(error)
        case SQLAlchemyError():
            reason = driver_message(error)
            message = f"the database rejects a statement ({reason}); {damage_advice(reason) or 'try: explore doctor'}"
        case OSError():
            return _describe_os_error(error)
        case _:
            return None
    return message, PROBLEM


def _describe_os_error(error: OSError) -> tuple[str, int] | None:
    is_full = error.errno == errno.ENOSPC
    if error.errno == errno.EPIPE or (error.filename is None and not is_full):
        return None
    advice = "; run this as its owner, or change its permissions" if isinstance(error, PermissionError) else ""
    return f"{error.filename or 'the output'} cannot be used: {os_reason(error)}{advice}", WRONG_USAGE
