"""The written content of the demo, read from `material/`: tools, categories, project ideas, interests and viewers.

The texts are written by hand, so that a page of thirty cards reads like the work of thirty people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from db.records import CategoryRecord, ToolRecord, UserRecord

_MATERIAL = files("db.demo") / "material"


@dataclass(frozen=True, slots=True)
class Idea:
    """The subject of a project, before it has an owner and a date."""

    type: str
    title: str
    description: str
    tools: tuple[str, ...]  # keys; the first category is the idea's own
    categories: tuple[str, ...]
    topics: tuple[str, ...]
    key: str | None = None  # the project's key; None derives it from the title


@dataclass(frozen=True, slots=True)
class CategoryContent:
    """A category, the subreddits its threads come from, and its project ideas."""

    record: CategoryRecord
    subreddits: tuple[str, ...]
    ideas: tuple[Idea, ...]


@dataclass(frozen=True, slots=True)
class Interest:
    """One latent interest."""

    key: str
    categories: Mapping[str, float]  # weight of each category, 0 to 1
    tools: tuple[str, ...]  # keys of what somebody with this interest uses and follows
    topics: tuple[str, ...]
    bios: tuple[str, ...]  # sentences for the biographies of such people


@dataclass(frozen=True, slots=True)
class DemoViewer:
    """A named viewer to sign in as. `key` is the subject of the viewer's token."""

    key: str
    username: str
    description: str
    record: UserRecord
    taste: Mapping[str, float]  # share of each interest, by the interest's key
    views: float  # expected views in 60 days
    day_starts: int  # hour (UTC) at which the viewer's day begins


TIERS = ((0, "newcomer"), (60, "explorer"), (400, "maker"), (1_500, "mentor"), (5_000, "pioneer"))
"""The least points of each tier."""


def tier_of(points: int) -> str:
    """Return the tier of a user with this many points."""
    return [name for least, name in TIERS if points >= least][-1]


@cache
def categories() -> tuple[CategoryContent, ...]:
    """Return the 18 categories, by key."""
    found = (path for path in (_MATERIAL / "projects").iterdir() if path.name.endswith(".json"))
    content = [_category(orjson.loads(path.read_bytes())) for path in found]
    return tuple(sorted(content, key=lambda category: category.record.key))


@cache
def tools() -> tuple[ToolRecord, ...]:
    """Return the 60 tools."""
    names = {category.record.key: category.record.name for category in categories()}
    return tuple(ToolRecord(category=names.get(tool.pop("home"), "Language models"), **tool) for tool in _load("tools"))


@cache
def home_categories() -> dict[str, str]:
    """Return the category of each tool, by the tool's key; general assistants have none."""
    return {tool["key"]: tool["home"] for tool in _load("tools") if tool["home"]}


@cache
def special_ideas() -> dict[str, tuple[Idea, ...]]:
    """Return the ideas outside the categories: ``scripted`` (one takes off, one fades) and ``difficult``.

    The difficult ones are what every page has to render: no text, right-to-left script, markup, a very long title.
    """
    return {name: tuple(Idea(**_tuples(idea)) for idea in ideas) for name, ideas in _load("special_projects").items()}


@cache
def interests() -> tuple[Interest, ...]:
    """Return the ten interests that people's tastes are mixtures of."""
    return tuple(Interest(**_tuples(interest)) for interest in _load("interests"))


@cache
def words(name: str) -> tuple[str, ...]:
    """Return a list of words about people: ``first_names``, ``last_names``, ``occupations`` or ``closings``."""
    return tuple(_load("people")[name])


def _viewer(given: dict[str, Any]) -> DemoViewer:
    taste, views, day_starts = given.pop("taste"), given.pop("views"), given.pop("day_starts")
    description = given.pop("description")
    record = UserRecord(**given, tier=tier_of(given["points"]))
    return DemoViewer(record.key, record.username, description, record, taste, views, day_starts)


def _category(given: dict[str, Any]) -> CategoryContent:
    key = given["key"]
    return CategoryContent(
        record=CategoryRecord(key=key, name=given["name"], description=given["description"]),
        subreddits=tuple(given["subreddits"]),
        ideas=tuple(Idea(**_tuples(idea), categories=(key,)) for idea in given["projects"]),
    )


def _tuples(given: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _load(name: str) -> Any:
    return orjson.loads((_MATERIAL / f"{name}.json").read_bytes())


DEMO_VIEWERS = tuple(_viewer(given) for given in _load("viewers"))
