"""First training of an installation, soon after its first large import instead of at night."""

from collections.abc import Awaitable, Callable, Sequence

from db.stores import Stores
from db.trained_models.collaborative_data import count_engagements
from db.trained_models.registry import is_any_model_trained

MIN_ENGAGEMENTS = 500
"""Minimum number of engagements (pairs of an actor and a project) for the first training. Nightly training needs 50
feed requests to fit on and 50 to compare on, and an actor's request has at least one engagement."""
GROWTH = 1.5
"""Factor by which engagement must have grown since a training that did not find enough data."""
SETTLED_GROWTH = 1.02
"""Factor of growth between two checks from which an import is probably still running."""


class FirstTraining:
    """Runs trainings once there is enough engagement, while no ranking model has been trained."""

    def __init__(
        self,
        stores: Stores,
        trainings: Sequence[Callable[[], Awaitable[None]]],
        min_engagements: int = MIN_ENGAGEMENTS,
    ) -> None:
        self._stores = stores
        self._trainings = trainings
        self._min_engagements = min_engagements
        self._is_trained = False
        self._count_before = 0  # engagements at the check before
        self._tried_with = 0  # engagements at the last attempt of this process

    async def check(self) -> None:
        """Run the trainings, in their order, if there is enough engagement and it no longer grows quickly."""
        self._is_trained = self._is_trained or await is_any_model_trained(self._stores.database)
        if self._is_trained:
            return
        count = await count_engagements(self._stores.database)
        is_settled = count <= SETTLED_GROWTH * self._count_before
        self._count_before = count
        if is_settled and count >= max(self._min_engagements, GROWTH * self._tried_with):
            self._tried_with = count
            for train in self._trainings:
                await train()
