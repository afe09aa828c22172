"""The model that ranks now: what was trained and accepted here, else what ships."""

import logging
import time
from collections.abc import Awaitable, Callable

from db.database.engine import Database
from db.errors import StoreUnavailable
from db.trained_models.ranking_models import active_model
from scoring import weights
from scoring.errors import InvalidModel
from scoring.mathematics.additive_model import Model
from scoring.models.model_presets import DEFAULT, from_data

log = logging.getLogger(__name__)

ModelProvider = Callable[[], Awaitable[Model]]
"""Gives the model that ranks at this moment."""


def fixed_model(model: Model) -> ModelProvider:
    """Rank by one model, whatever is in service."""

    async def same() -> Model:
        return model

    return same


class ActiveModel:
    """Reads the model in service from the truth, anew every `fresh_s` seconds: a rollback needs no restart.

    While the truth is away, or holds a model that cannot serve, the last good one ranks on.
    """

    def __init__(
        self,
        database: Database,
        default_trend_constants: Model = DEFAULT,
        fresh_s: float = weights.MODEL_FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._shipped = default_trend_constants
        self._model = default_trend_constants
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
            stored = await active_model(self._database)
            self._model = self._shipped if stored is None else from_data(stored.name, stored.curves)
        except StoreUnavailable as away:
            log.debug("the model in service cannot be read: %s", away)
        except InvalidModel as error:
            log.warning("%s ranks on: %s", self._model.name, error)
