"""Generations of Weaviate collections: creating, activating by moving aliases, and dropping."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from weaviate import WeaviateAsyncClient
from weaviate.exceptions import UnexpectedStatusCodeError

from db.errors import Store, StoreMisconfigured, StoreUnavailable
from db.vectors.base import KINDS, PROFILE, PROJECT, TOOL
from db.vectors.weaviate.collections import WeaviateCollections, number_of
from db.vectors.weaviate.connection import FOREIGN_VECTORS_ADVICE, Connection
from db.vectors.weaviate.schema import VECTOR_NAME, Layout, Space, collection_arguments, properties_of
from db.vectors.weaviate.server_schema import OWNER, ServerSchema

log = logging.getLogger(__name__)

Installation = Callable[[], Awaitable[str]]
"""A function that reads the id of this installation."""


class WeaviateGenerations(WeaviateCollections):
    """The generations of the vector store.

    `layout` applies to new collections. `prefix` is the prefix of all collection names, for installations that share a
    server. With `installation`, `prepare` refuses collections of another installation. A replaced generation is dropped
    after `drop_after_s` seconds.
    """

    def __init__(
        self,
        connection: Connection,
        layout: Layout,
        prefix: str,
        drop_after_s: float,
        installation: Installation | None = None,
    ) -> None:
        super().__init__(connection)
        self._layout = layout
        self._prefix = prefix[:1].upper() + prefix[1:]
        self._installation = installation
        self._drop_after_s = drop_after_s

    async def prepare(self, model: str, dimension: int) -> None:
        """Create missing collections for an embedding model, and repair damaged ones. Other models are not changed.

        Raises `StoreMisconfigured` if no Weaviate answers, the key is rejected, the collections belong to another
        installation, or they hold vectors of another dimension.
        """
        space = Space(self._prefix, model, dimension)
        server = await self._schema()
        if self._installation is not None:
            await self._claim(space, server, await self._installation())
        active, existing = server.active(space), server.existing(space)
        for kind in KINDS:
            if kind in active:
                name = space.collection(kind, active[kind])
                await self._add_missing_properties(kind, name, server.properties[name])
                continue
            if space.alias(kind) in server.properties:  # auto-schema has made it, of the values of one object
                await self._drop_collection(space.alias(kind))
            number = min(existing[kind], default=max(active.values(), default=1))
            await self._create_collection(space, kind, number)
            await self._point_alias(space, kind, number)
            log.info("%s now points to generation %d", space.alias(kind), number)
        await self._check_dimension(space)
        self._space = space

    async def faults(self, model: str, dimension: int) -> list[str]:
        """Return what `prepare` would create or repair; raise `StoreUnavailable` if the server is not ready."""
        if not await self._connection.read(lambda client: client.is_ready()):
            reason = f"Weaviate at {self._connection.url} is not ready; wait until it has started, or read its log"
            raise StoreUnavailable(Store.VECTORS, reason)
        return (await self._schema()).faults(Space(self._prefix, model, dimension))

    async def unused(self) -> list[str]:
        """Return the names of the collections of other models and text analyses, and of replaced generations."""
        return (await self._schema()).unused(self._prepared())

    async def drop_unused(self) -> list[str]:
        """Drop the collections that `unused` names, with their aliases, and return their names."""
        server = await self._schema()
        names = server.unused(self._prepared())
        await self._drop_with_aliases(server, names)
        return names

    async def drop_outdated(self) -> None:
        """Drop the collections of older text analyses of the same model, with their aliases."""
        server, space = await self._schema(), self._prepared()
        await self._drop_with_aliases(server, [name for name in server.properties if space.is_outdated(name)])

    async def take_over(self) -> None:
        """Mark the prefix as that of this installation, in one request: the other one may be running."""
        if self._installation is not None:
            mark, description = Space(self._prefix, "", 0).owner_mark, OWNER + await self._installation()
            await self._create(mark, description=description)  # does nothing if it exists
            await self._connection.write(
                lambda client: client.collections.use(mark).config.update(description=description)
            )

    async def stage(self) -> str:
        """Create an empty generation beside the active one, drop all others, and return its name."""
        space = self._prepared()
        server = await self._schema()
        existing, active = server.existing(space), server.active(space)
        await self._drop_all_but(space, existing, set(active.values()))
        number = 1 + max(max(existing[kind], default=0) for kind in KINDS)
        for kind in KINDS:
            await self._create_collection(space, kind, number)
        return f"g{number}"

    async def staged(self) -> str | None:
        """Return the newest generation that has all collections, and is not active for all kinds."""
        space = self._prepared()
        server = await self._schema()
        existing, active = server.existing(space), server.active(space)
        complete = set.intersection(*existing.values())
        unfinished = [number for number in complete if any(active.get(kind, 0) < number for kind in KINDS)]
        return f"g{max(unfinished)}" if unfinished else None

    async def publish(self, generation: str) -> None:
        """Activate a generation, one kind after the other, each kind atomically. Then drop all other generations.

        If the call is interrupted, `staged` still returns the generation, and publishing it again completes the work.
        """
        space, number = self._prepared(), number_of(generation)
        existing = (await self._schema()).existing(space)
        if any(number not in existing[kind] for kind in KINDS):
            raise StoreUnavailable(
                Store.VECTORS, f"Weaviate at {self._connection.url} has no complete generation {generation}"
            )
        for kind in (TOOL, PROFILE, PROJECT):
            await self._point_alias(space, kind, number)
        await asyncio.sleep(self._drop_after_s)
        await self._drop_all_but(space, existing, {number})

    async def discard(self, generation: str) -> None:
        """Drop a generation that is not active."""
        space, number = self._prepared(), number_of(generation)
        if number in (await self._schema()).active(space).values():
            raise ValueError(f"generation {generation} is active")
        for kind in KINDS:
            await self._drop_collection(space.collection(kind, number))

    async def _schema(self) -> ServerSchema:
        return await self._connection.read(ServerSchema.read)

    async def _claim(self, space: Space, server: ServerSchema, installation: str) -> None:
        """Mark the prefix as that of this installation; raise `StoreMisconfigured` if another one has marked it."""
        if server.owner(space) is None:
            await self._create(space.owner_mark, description=OWNER + installation)
            server = await self._schema()  # another installation may have been faster
        if (owner := server.owner(space)) != installation:
            self._space = None  # stop writing if the other installation has taken over
            raise StoreMisconfigured(
                Store.VECTORS,
                f"Weaviate at {self._connection.url} holds the index of another installation ({owner}); set "
                "WEAVIATE_PREFIX to a name of your own, or if that installation is gone or its database was replaced "
                "by this one, run `explore reindex --take-over`",
            )

    async def _create_collection(self, space: Space, kind: str, number: int) -> None:
        await self._create(space.collection(kind, number), **collection_arguments(kind, space, self._layout))

    async def _create(self, name: str, **arguments: Any) -> None:
        async def call(client: WeaviateAsyncClient) -> None:
            try:
                await client.collections.create(name, **arguments)
            except UnexpectedStatusCodeError as error:
                if error.status_code != 422:
                    raise
                if not await client.collections.exists(name):  # if it exists, another process has created it
                    raise StoreMisconfigured(
                        Store.VECTORS,
                        f"Weaviate at {self._connection.url} cannot create the collection {name}: {error.message}",
                    ) from error

        await self._connection.write(call)

    async def _add_missing_properties(self, kind: str, name: str, existing: Collection[str]) -> None:
        """Add the properties that are missing in a collection created by an older version.

        The server resolves no alias here.
        """
        for missing in properties_of(kind, existing):
            await self._connection.write(
                lambda client, missing=missing: client.collections.use(name).config.add_property(missing)  # type: ignore[misc]
            )

    async def _point_alias(self, space: Space, kind: str, number: int) -> None:
        alias, name = space.alias(kind), space.collection(kind, number)

        async def call(client: WeaviateAsyncClient) -> None:
            if await client.alias.update(alias_name=alias, new_target_collection=name):
                return
            try:
                await client.alias.create(alias_name=alias, target_collection=name)
            except UnexpectedStatusCodeError:
                if not await client.alias.exists(alias_name=alias):
                    raise  # if it exists, another process has created it

        await self._connection.write(call)

    async def _drop_all_but(self, space: Space, existing: Mapping[str, set[int]], kept_numbers: set[int]) -> None:
        for kind in KINDS:
            for number in existing[kind] - kept_numbers:
                await self._drop_collection(space.collection(kind, number))

    async def _drop_with_aliases(self, server: ServerSchema, names: Collection[str]) -> None:
        for alias in [alias for alias, name in server.aliases.items() if name in names]:
            await self._connection.write(lambda client, alias=alias: client.alias.delete(alias_name=alias))  # type: ignore[misc]
        for name in names:
            log.info("dropping the collection %s", name)
            await self._drop_collection(name)

    async def _drop_collection(self, name: str) -> None:
        await self._connection.write(lambda client: client.collections.delete(name))

    async def _check_dimension(self, space: Space) -> None:
        def call(client: WeaviateAsyncClient) -> Any:
            collection = client.collections.use(space.alias(PROJECT))
            return collection.query.fetch_objects(limit=1, include_vector=[VECTOR_NAME], return_properties=["key"])

        for object_ in (await self._connection.read(call)).objects:
            length = len(object_.vector.get(VECTOR_NAME, ()))
            if length not in (0, space.dimension):
                raise StoreMisconfigured(
                    Store.VECTORS,
                    f"{space.alias(PROJECT)} in Weaviate holds vectors of {length} components, and the model "
                    f"{space.model} makes {space.dimension}; {FOREIGN_VECTORS_ADVICE}",
                )
