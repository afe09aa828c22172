"""Deadlines for calls to stores that a feed can do without."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from db.errors import Store, StoreUnavailable
from scoring import weights

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Deadlines in seconds.

    Attributes
    ----------
    source_s
        For each candidate source.
    vectors_s
        For each call to the vector store while ranking. Three calls follow one another, and none follows a failed one.
    search_s
        For the embedding model, and then for the index, in a search.
    counterfactual_s
        For all counterfactuals of one request.
    """

    source_s: float = weights.SOURCE_DEADLINE_S
    vectors_s: float = weights.VECTORS_DEADLINE_S
    search_s: float = weights.SEARCH_DEADLINE_S
    counterfactual_s: float = weights.COUNTERFACTUAL_S


SERVING = Deadlines()
"""Deadlines of requests."""

PATIENT = Deadlines(60.0, 60.0, 60.0, 60.0)
"""Deadlines of evaluation and tests, which need complete rankings on a busy machine."""


async def within(seconds: float, store: Store, answer: Awaitable[T]) -> T:
    """Wait for an answer of a store.

    Raises
    ------
    StoreUnavailable
        If there is no answer in time.
    """
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise StoreUnavailable(store, f"no answer within {seconds:g} s") from None
