"""Deadlines for calls to stores without which a feed can still be served."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from db.deadlines import deadline
from db.errors import Store, StoreUnavailable
from scoring import tunables

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Deadlines in seconds. A feed makes up to three calls to the vector store and stops after the first failure."""

    source_s: float = tunables.SOURCE_DEADLINE_S  # for each candidate source
    vectors_s: float = tunables.VECTORS_DEADLINE_S  # for each call to the vector store
    search_s: float = tunables.SEARCH_DEADLINE_S  # in a search: for the embedding model, and again for the index
    counterfactual_s: float = tunables.COUNTERFACTUAL_S  # for all counterfactuals of one request


SERVING = Deadlines()  # deadlines of requests

PATIENT = Deadlines(60.0, 60.0, 60.0, 60.0)
"""Deadlines for evaluation and tests, which need complete rankings even on a busy machine."""


async def within(seconds: float, store: Store, answer: Awaitable[T]) -> T:
    """Return the answer of a store. Raises `StoreUnavailable` after the given number of seconds."""
    try:
        async with deadline(seconds):
            return await answer
    except TimeoutError:
        raise StoreUnavailable(store, f"no answer within {seconds:g} s") from None
