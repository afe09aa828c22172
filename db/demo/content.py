"""The word material of the demo: tools, categories and ideas for projects, read from `material/`.

All of it was written for this demo by hand: a page of thirty cards has to read like the work of thirty people.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from db.records import CategoryRecord, ToolRecord

_MATERIAL = files("db.demo") / "material"


@dataclass(frozen=True, slots=True)
class Idea:
    """What a project is about, before it has an owner, a date and a place in the catalog.

    Attributes
    ----------
    tools, categories, topics
        Keys; the first category is the idea's own.
    key
        The project's key if it must be known; otherwise it follows from the title.
    """

    type: str
    title: str
    description: str
    tools: tuple[str, ...]
    categories: tuple[str, ...]
    topics: tuple[str, ...]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class CategoryMaterial:
    """A category with the subreddits its threads come from and its ideas."""

    record: CategoryRecord
    subreddits: tuple[str, ...]
    ideas: tuple[Idea, ...]


@cache
def categories() -> tuple[CategoryMaterial, ...]:
    """Give the 18 categories, by key."""
    found = (path for path in (_MATERIAL / "projects").iterdir() if path.name.endswith(".json"))
    material = [_category(orjson.loads(path.read_bytes())) for path in found]
    return tuple(sorted(material, key=lambda category: category.record.key))


@cache
def tools() -> tuple[ToolRecord, ...]:
    """Give the 60 tools."""
    names = {category.record.key: category.record.name for category in categories()}
    return tuple(_tool(given, names) for given in _tool_material())


@cache
def words(list_: str) -> tuple[str, ...]:
    """Give one of the word lists about people: ``first_names``, ``last_names`` or ``occupations``."""
    return tuple(orjson.loads((_MATERIAL / "people.json").read_bytes())[list_])


@cache
def home_categories() -> dict[str, str]:
    """Give the category each tool belongs to, by the tool's key; general assistants belong to none."""
    return {given["key"]: given["home"] for given in _tool_material() if given["home"]}


@cache
def _tool_material() -> tuple[dict[str, Any], ...]:
    return tuple(orjson.loads((_MATERIAL / "tools.json").read_bytes()))


def _tool(given: dict[str, Any], names: dict[str, str]) -> ToolRecord:
    fields = {name: value for name, value in given.items() if name != "home"}
    return ToolRecord(**fields, category=names.get(given["home"], "Language models"))


def _category(given: dict[str, Any]) -> CategoryMaterial:
    key = given["key"]
    return CategoryMaterial(
        record=CategoryRecord(key=key, name=given["name"], description=given["description"]),
        subreddits=tuple(given["subreddits"]),
        ideas=tuple(_idea(idea, key) for idea in given["projects"]),
    )


def _idea(given: dict[str, Any], category: str) -> Idea:
    return Idea(
        type=given["type"],
        title=given["title"],
        description=given["description"],
        tools=tuple(given["tools"]),
        categories=(category,),
        topics=tuple(given["topics"]),
    )
