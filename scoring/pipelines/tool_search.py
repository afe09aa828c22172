"""Finding tools: first those whose name holds what was typed, by name; then those that mean something like it."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from db.catalog.catalog_entries import CatalogTool, search_tools, tools_by_key
from db.errors import Store, StoreUnavailable
from db.stores import Stores
from scoring.deadlines import SERVING, Deadlines

T = TypeVar("T")

MIN_SEMANTIC_LENGTH = 3
"""Letters: of one or two nobody knows what they mean, and a picker asks at each of them."""

MAX_SEMANTIC_MATCHES = 20

MIN_TOOL_SIMILARITY = 0.25
"""Of what is found by meaning. With WordLlama "draw a picture" is like Midjourney by .29, and "speech" like Whisper by
.48; the tool nearest to "hello world" is like it by .19, and to "xyzzy" by .14."""


@dataclass(frozen=True, slots=True)
class NamePosition:
    """A place among the tools found by name; of two with one name the lower id comes first."""

    name: str
    id: int


@dataclass(frozen=True, slots=True)
class SimilarityPosition:
    """A place among the tools found by meaning: the most similar first, ties by key."""

    similarity: float
    key: str


ToolPosition = NamePosition | SimilarityPosition


@dataclass(frozen=True, slots=True)
class ToolMatch:
    """A tool, and the place to go on from behind it."""

    tool: CatalogTool
    place: ToolPosition


@dataclass(frozen=True, slots=True)
class ToolMatches:
    """Tools in order, and the stores that could not be asked: without them only names were looked at."""

    tools: list[ToolMatch]
    degraded: tuple[Store, ...] = ()


async def find_tools(
    stores: Stores, search: str, first: int, after: ToolPosition | None = None, deadlines: Deadlines = SERVING
) -> ToolMatches:
    """Find up to `first` tools behind a place.

    A place is a value and no number of a row, so that a walk meets no tool twice, whatever is added or removed
    meanwhile. The model is asked only if names do not fill the page.

    Parameters
    ----------
    search
        What was typed; empty for all tools, by name.
    """
    named: list[ToolMatch] = []
    if not isinstance(after, SimilarityPosition):
        start = None if after is None else (after.name, after.id)
        found = await search_tools(stores.database, search, first, start)
        named = [ToolMatch(tool, NamePosition(tool.name, tool.id)) for tool in found]
    if len(named) == first or len(search.strip()) < MIN_SEMANTIC_LENGTH:
        return ToolMatches(named)
    try:
        near = await _similar(stores, search, deadlines)
    except StoreUnavailable as away:
        return ToolMatches(named, (away.store,))
    if isinstance(after, SimilarityPosition):
        near = [one for one in near if (-one.similarity, one.key) > (-after.similarity, after.key)]
    return ToolMatches(named + await _read(stores, search, near, first - len(named)))


async def _similar(stores: Stores, search: str, deadlines: Deadlines) -> list[SimilarityPosition]:
    vector = (await _within(deadlines, Store.EMBEDDINGS, stores.embedder.embed([search])))[0]
    pairs = await _within(deadlines, Store.VECTORS, stores.vectors.nearest_tools(vector, MAX_SEMANTIC_MATCHES))
    return [SimilarityPosition(similarity, key) for key, similarity in pairs if similarity >= MIN_TOOL_SIMILARITY]


async def _read(stores: Stores, search: str, near: list[SimilarityPosition], most: int) -> list[ToolMatch]:
    """Read the tools behind keys, without those that are gone and those that their name has shown already."""
    known = await tools_by_key(stores.database, [one.key for one in near], beyond=search) if near else {}
    return [ToolMatch(known[one.key], one) for one in near if one.key in known][:most]


async def _within(deadlines: Deadlines, store: Store, answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(deadlines.search_s):
            return await answer
    except TimeoutError:
        raise StoreUnavailable(store, f"no answer within {deadlines.search_s:g} s") from None
