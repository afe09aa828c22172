"""Dimensions of embedding models behind an endpoint: known by name, or learned from the endpoint and remembered."""

import json
import logging
import os
from pathlib import Path

from db.private_files import open_private
from db.redaction import display_url

KNOWN = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
"""Dimensions of OpenAI's models."""

SHORTENED = "text-embedding-3"
"""Part of the names of the models that take the parameter `dimensions`. Some servers reject it for other models."""

log = logging.getLogger(__name__)


class LearnedDimensions:
    """Dimensions that endpoints have given, in a file of the data folder: a start does not need the endpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, model: str, base_url: str) -> int | None:
        """Return the dimension of a model, or None if it was never learned or the file is damaged."""
        dimension = self._read().get(_name(model, base_url))
        return dimension if isinstance(dimension, int) and dimension > 0 else None

    def put(self, model: str, base_url: str, dimension: int) -> None:
        """Store the dimension of a model. If the file cannot be written, the next start asks the endpoint again."""
        known = self._read()
        dimensions = known | {_name(model, base_url): dimension}
        if dimensions == known:
            return
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            with open_private(new) as file:
                json.dump(dimensions, file)
            os.replace(new, self._path)
        except OSError as error:
            log.warning("the dimension of %s is not remembered: %s", model, error)

    def _read(self) -> dict[str, object]:
        try:
            content = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read, and the endpoint is asked again: %s", self._path, error)
            return {}
        return content if isinstance(content, dict) else {}


def _name(model: str, base_url: str) -> str:
    return f"{model} at {display_url(base_url)}"
