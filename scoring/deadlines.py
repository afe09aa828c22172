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
    """Deadlines in seconds."""

    source_s: float = weights.SOURCE_DEADLINE_S  # for each candidate source
    vectors_s: float = weights.VECTORS_DEADLINE_S  # for each of three calls to the vector store; none follows a failure
    search_s: float = weights.SEARCH_DEADLINE_S  # for the embedding model, and then for the index, in a search
    counterfactual_s: float = weights.COUNTERFACTUAL_S  # for all counterfactuals of one request


SERVING = Deadlines()  # deadlines of requests

PATIENT = Deadlines(60.0, 60.0, 60.0, 60.0)
"""Deadlines of evaluation and tests, which need complete rankings on a busy machine."""


async def within(seconds: float, store: Store, answer: Awaitable[T]) -> T:
    """Wait for an answer of a store; raise `StoreUnavailable` if there is none in time."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise StoreUnavailable(store, f"no answer within {seconds:g} s") from None
