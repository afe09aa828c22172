"""The model that ranks now: what was trained and accepted here, else what ships."""

import logging
import time
from collections.abc import Awaitable, Callable

from db.engine import Database
from db.errors import StoreUnavailable
from db.ranking_models import model_in_service
from scoring import weights
from scoring.blend import Model
from scoring.errors import ModelInvalid
from scoring.models import DEFAULT, from_data

log = logging.getLogger(__name__)

ModelNow = Callable[[], Awaitable[Model]]
"""Gives the model that ranks at this moment."""


def always(model: Model) -> ModelNow:
    """Rank by one model, whatever is in service."""

    async def same() -> Model:
        return model

    return same


class ModelInService:
    """Reads the model in service from the truth, anew every `fresh_s` seconds: a rollback needs no restart.

    While the truth is away, or holds a model that cannot serve, the last good one ranks on.
    """

    def __init__(
        self,
        database: Database,
        shipped: Model = DEFAULT,
        fresh_s: float = weights.MODEL_FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._shipped = shipped
        self._model = shipped
        self._fresh_s = fresh_s
        self._clock = clock
        self._read_again_at = clock()

    async def __call__(self) -> Model:
        """Give the model that ranks at this moment."""
        if self._clock() >= self._read_again_at:
            self._read_again_at = self._clock() + self._fresh_s  # first, so that one request reads it, not all
            await self._read()
        return self._model

    async def _read(self) -> None:
        try:
            stored = await model_in_service(self._database)
            self._model = self._shipped if stored is None else from_data(stored.name, stored.curves)
        except StoreUnavailable as away:
            log.debug("the model in service cannot be read: %s", away)
        except ModelInvalid as error:
            log.warning("%s ranks on: %s", self._model.name, error)
