"""Collections and aliases of a server: which are active, which are damaged, which are not used, and whose they are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from weaviate import WeaviateAsyncClient

from db.vectors.base import KINDS
from db.vectors.weaviate.schema import Space, properties_of

OWNER = "installation of explore-gateway: "
"""Start of the description of the collection that marks the prefix of an installation; the installation's id follows.
The collection is empty."""


@dataclass(frozen=True, slots=True)
class ServerSchema:
    """Collections and aliases at one moment."""

    aliases: Mapping[str, str]  # collection by alias; the collection may not exist
    properties: Mapping[str, frozenset[str]]  # names of the properties by collection
    descriptions: Mapping[str, str]  # by collection

    @classmethod
    async def read(cls, client: WeaviateAsyncClient) -> "ServerSchema":
        """Read them, in two requests."""
        collections = await client.collections.list_all()
        return cls(
            {name: alias.collection for name, alias in (await client.alias.list_all()).items()},
            {name: frozenset(one.name for one in config.properties) for name, config in collections.items()},
            {name: config.description or "" for name, config in collections.items()},
        )

    def active(self, space: Space) -> dict[str, int]:
        """Return the number of the active generation by kind; kinds without one are left out."""
        return {
            kind: number
            for kind in KINDS
            if (name := self.aliases.get(space.alias(kind), "")) in self.properties
            and (number := space.number(kind, name)) is not None
        }

    def existing(self, space: Space) -> dict[str, set[int]]:
        """Return the numbers of the generations that have a collection, by kind."""
        return {
            kind: {number for name in self.properties if (number := space.number(kind, name)) is not None}
            for kind in KINDS
        }

    def owner(self, space: Space) -> str | None:
        """Return the id of the installation that marked the prefix, or None."""
        return self.descriptions.get(space.owner_mark, "").removeprefix(OWNER) or None

    def faults(self, space: Space) -> list[str]:
        """Return what is missing or damaged, in one sentence per kind of document."""
        active = self.active(space)
        faults = [self._absence(space.alias(kind)) for kind in KINDS if kind not in active]
        for kind, number in active.items():
            name = space.collection(kind, number)
            if missing := properties_of(kind, self.properties[name]):
                faults.append(f"the collection {name} lacks {', '.join(one.name for one in missing)}")
        return faults

    def _absence(self, alias: str) -> str:
        if alias in self.properties:
            return f"{alias} is a collection that a write has made, and not the alias of a collection"
        if alias in self.aliases:
            return f"the alias {alias} points to {self.aliases[alias]}, which does not exist"
        return f"there is no collection for {alias} yet"

    def unused(self, space: Space) -> list[str]:
        """Return the collections of other models and text analyses, and of generations older than the active ones."""
        names = re.compile(rf"{re.escape(space.prefix)}({'|'.join(KINDS)})_\w+_\d+_[0-9a-f]{{8}}(_v\d+)?(_g\d+)?")
        active = self.active(space)
        used = {
            space.collection(kind, number)
            for kind, numbers in self.existing(space).items()
            for number in numbers
            if number >= active.get(kind, 0)
        }
        return sorted(name for name in self.properties if names.fullmatch(name) and name not in used)
