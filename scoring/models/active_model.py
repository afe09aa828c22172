"""Provider of the active ranking model: the last activated model, or the shipped one."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from db.database.engine import Database
from db.errors import StoreUnavailable
from db.trained_models.ranking_models import active_model
from scoring import tunables
from scoring.errors import InvalidModel
from scoring.mathematics.additive_model import Model
from scoring.models.model_presets import DEFAULT, from_data

log = logging.getLogger(__name__)

T = TypeVar("T")

ModelProvider = Callable[[], Awaitable[Model]]
"""Function that returns the model for a ranking."""


def fixed_model(model: Model) -> ModelProvider:
    """Return a provider that always returns the same model."""

    async def same() -> Model:
        return model

    return same


class ActiveValue(ABC, Generic[T]):
    """Cached value of the database, read again after `refresh_s` seconds, so that a rollback needs no restart.

    While the database is unavailable or the stored value is invalid, the last valid value remains in use.
    """

    shipped: T
    """Value before the first activation."""

    def __init__(
        self,
        database: Database,
        refresh_s: float = tunables.MODEL_FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._value = self.shipped
        self._refresh_s = refresh_s
        self._clock = clock
        self._read_again_at = clock()

    async def __call__(self) -> T:
        """Return the active value, or the shipped one if none was activated."""
        if self._clock() >= self._read_again_at:
            self._read_again_at = self._clock() + self._refresh_s  # before the read, so that only one request reads
            try:
                stored = await self._read()
                self._value = self.shipped if stored is None else stored
            except StoreUnavailable as error:
                log.debug("%s cannot be read: %s", type(self).__name__, error)
            except InvalidModel as error:
                log.warning("%s is invalid, the previous value remains in use: %s", type(self).__name__, error)
        return self._value

    @abstractmethod
    async def _read(self) -> T | None:
        """Read the active value; None if none was activated."""


class ActiveModel(ActiveValue[Model]):
    """Provider of the active ranking model."""

    shipped = DEFAULT

    async def _read(self) -> Model | None:
        stored = await active_model(self._database)
        return None if stored is None else from_data(stored.name, stored.curves)
