"""The content of the demo, read from `material/`: tools, categories, project ideas, interests and viewers.

The texts are written by hand, so that a page of 30 projects reads like the work of 30 authors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from db.records import CategoryRecord, Record, ToolRecord, UserRecord

_CONTENT_FOLDER = files("db.demo") / "material"

TIERS = ((0, "newcomer"), (60, "explorer"), (400, "maker"), (1_500, "mentor"), (5_000, "pioneer"))
"""Minimum points and name of each tier."""


class Idea(Record):
    """The content of a project, without owner and date."""

    type: str
    title: str
    description: str
    tools: tuple[str, ...]  # keys
    categories: tuple[str, ...] = ()  # keys; the main category first
    topics: tuple[str, ...]
    key: str | None = None  # key of the project; None: derived from the title


class Interest(Record):
    """A latent interest of the simulated users, and the terms and texts that express it."""

    key: str
    categories: dict[str, float]  # weight of each category, 0 to 1
    tools: tuple[str, ...]  # keys of the tools of users with this interest, best-known first
    topics: tuple[str, ...]
    bios: tuple[str, ...]  # sentences for the biographies of users with this interest


@dataclass(frozen=True, slots=True)
class CategoryContent:
    """A category, the subreddits of its threads, and its project ideas."""

    record: CategoryRecord
    subreddits: tuple[str, ...]
    ideas: tuple[Idea, ...]


@dataclass(frozen=True, slots=True)
class SimulatedUser:
    """A simulated user and the parameters of the simulation."""

    record: UserRecord
    taste: tuple[float, ...]  # share of each interest, sum 1; zeros for a user without views
    views: float  # expected views in 60 days
    day_starts: int  # hour (UTC) at which the user's day begins


@dataclass(frozen=True, slots=True)
class DemoViewer:
    """A named user to sign in as. `key` is the subject of the token."""

    key: str
    username: str
    description: str
    user: SimulatedUser


def tier_of(points: int) -> str:
    """Return the tier for a number of points."""
    return [name for min_points, name in TIERS if points >= min_points][-1]


@cache
def categories() -> tuple[CategoryContent, ...]:
    """Return the 18 categories, sorted by key."""
    paths = (path for path in (_CONTENT_FOLDER / "projects").iterdir() if path.name.endswith(".json"))
    content = [_parse_category(orjson.loads(path.read_bytes())) for path in paths]
    return tuple(sorted(content, key=lambda category: category.record.key))


@cache
def tools() -> tuple[ToolRecord, ...]:
    """Return the 60 tools."""
    names = {category.record.key: category.record.name for category in categories()}
    return tuple(ToolRecord(category=names.get(tool.pop("home"), "Language models"), **tool) for tool in _load("tools"))


@cache
def category_by_tool() -> dict[str, str]:
    """Return the category of each tool by the key of the tool. General assistants have no category."""
    return {tool["key"]: tool["home"] for tool in _load("tools") if tool["home"]}


@cache
def special_ideas() -> Mapping[str, tuple[Idea, ...]]:
    """Return the ideas without a category, by group: ``scripted`` (one becomes popular, one fades) and ``difficult``.

    The difficult ideas test the rendering of pages: no text, right-to-left script, markup, a very long title.
    """
    return {name: tuple(Idea(**idea) for idea in ideas) for name, ideas in _load("special_projects").items()}


@cache
def interests() -> tuple[Interest, ...]:
    """Return the ten interests. The taste of a user is a mixture of interests."""
    return tuple(Interest(**interest) for interest in _load("interests"))


@cache
def words(name: str) -> tuple[str, ...]:
    """Return a list of text fragments: ``first_names``, ``last_names``, ``occupations`` or ``closings``."""
    return tuple(_load("people")[name])


def _parse_viewer(fields: dict[str, Any]) -> DemoViewer:
    shares = fields.pop("taste")
    taste = tuple(shares.get(interest.key, 0.0) for interest in interests())
    description, views, day_starts = (fields.pop(name) for name in ("description", "views", "day_starts"))
    record = UserRecord(**fields, tier=tier_of(fields["points"]))
    return DemoViewer(record.key, record.username, description, SimulatedUser(record, taste, views, day_starts))


def _parse_category(fields: dict[str, Any]) -> CategoryContent:
    ideas = tuple(Idea(**idea, categories=(fields["key"],)) for idea in fields.pop("projects"))
    subreddits = tuple(fields.pop("subreddits"))
    return CategoryContent(CategoryRecord(**fields), subreddits, ideas)


def _load(name: str) -> Any:
    return orjson.loads((_CONTENT_FOLDER / f"{name}.json").read_bytes())


DEMO_VIEWERS = tuple(_parse_viewer(fields) for fields in _load("viewers"))
