"""Tool search: first the tools whose name contains the text, sorted by name, then tools of similar meaning."""

from dataclasses import dataclass

from db.catalog.catalog_entries import CatalogTool, search_tools, tools_by_key
from db.errors import Store, StoreUnavailable
from db.stores import Stores
from scoring.deadlines import SERVING, Deadlines, within

MIN_SEMANTIC_LENGTH = 3  # minimum characters of a search by meaning, because a picker sends every keystroke

MAX_SEMANTIC_MATCHES = 20

MIN_TOOL_SIMILARITY = 0.25
"""Minimum cosine of a match by meaning. With WordLlama "draw a picture" and Midjourney have .29, "speech" and Whisper
.48. The nearest tool to "hello world" has .19, and to "xyzzy" .14."""


@dataclass(frozen=True, slots=True)
class NamePosition:
    """Position among the tools that match by name; ties are broken by id."""

    name: str
    id: int


@dataclass(frozen=True, slots=True)
class SimilarityPosition:
    """Position among the tools that match by meaning, the most similar first; ties are broken by key."""

    similarity: float
    key: str


ToolPosition = NamePosition | SimilarityPosition


@dataclass(frozen=True, slots=True)
class ToolMatch:
    """Tool with its position, after which the next page starts."""

    tool: CatalogTool
    position: ToolPosition


@dataclass(frozen=True, slots=True)
class ToolMatches:
    """Tools in order. If a store is in `degraded`, only names were searched."""

    tools: list[ToolMatch]
    degraded: tuple[Store, ...] = ()


async def find_tools(
    stores: Stores, search: str, first: int, after: ToolPosition | None = None, deadlines: Deadlines = SERVING
) -> ToolMatches:
    """Find up to `first` tools after a position.

    A position holds values instead of a row number, so no tool repeats when others are added or removed. The embedding
    model is called only if the matches by name do not fill the page. An empty `search` finds all tools, sorted by name.
    """
    named: list[ToolMatch] = []
    if not isinstance(after, SimilarityPosition):
        start = None if after is None else (after.name, after.id)
        tools = await search_tools(stores.database, search, first, start)
        named = [ToolMatch(tool, NamePosition(tool.name, tool.id)) for tool in tools]
    if len(named) == first or len(search.strip()) < MIN_SEMANTIC_LENGTH:
        return ToolMatches(named)
    try:
        similar = await _similar(stores, search, deadlines)
    except StoreUnavailable as error:
        return ToolMatches(named, (error.store,))
    if isinstance(after, SimilarityPosition):
        similar = [match for match in similar if (-match.similarity, match.key) > (-after.similarity, after.key)]
    return ToolMatches(named + await _read(stores, search, similar, first - len(named)))


async def _similar(stores: Stores, search: str, deadlines: Deadlines) -> list[SimilarityPosition]:
    stores.coverage.require()
    seconds = deadlines.search_s
    vector = await within(seconds, Store.EMBEDDINGS, stores.embed_query(search))
    pairs = await within(seconds, Store.VECTORS, stores.vectors.nearest_tools(vector, MAX_SEMANTIC_MATCHES))
    return [SimilarityPosition(similarity, key) for key, similarity in pairs if similarity >= MIN_TOOL_SIMILARITY]


async def _read(stores: Stores, search: str, positions: list[SimilarityPosition], limit: int) -> list[ToolMatch]:
    """Read the tools that were neither deleted nor found by name."""
    keys = [position.key for position in positions]
    tools = await tools_by_key(stores.database, keys, not_matching=search) if keys else {}
    return [ToolMatch(tools[position.key], position) for position in positions if position.key in tools][:limit]
