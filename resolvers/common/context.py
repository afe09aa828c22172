"""The context of one request: its unit of work, the feeds and the loaders."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import strawberry

from db.actors.users import ANONYMOUS_VIEWER, Viewer
from db.errors import StoreUnavailable
from db.models import Role
from resolvers.common.errors import Forbidden, Unauthenticated
from resolvers.common.loaders import LoaderFallbacks, Loaders
from scoring.feed_changes import FeedChangeWatcher
from scoring.feeds import Feeds
from scoring.mathematics.viewer_stages import BASELINE_THRESHOLDS, Thresholds
from scoring.use_cases.unit_of_work import UnitOfWork

_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.SERVICE, Role.ADMINISTRATOR))}


@dataclass(kw_only=True)
class Context(UnitOfWork):
    """The context of one request. Loaders live as long as it does, or until a write makes them out of date."""

    feeds: Feeds
    # The last values that this process read of what every viewer may see.
    loader_fallbacks: LoaderFallbacks = field(default_factory=LoaderFallbacks)
    thresholds: Thresholds = BASELINE_THRESHOLDS  # the amounts of data from which on a viewer is known well enough
    changes: FeedChangeWatcher | None = None  # the source of feed-change notifications; None if there is none
    # Whether every store answered so far; an answer without one must not be cached.
    is_complete: bool = field(default=True, init=False)

    @cached_property
    def loaders(self) -> Loaders:
        """The loaders of this request."""
        return Loaders(self)

    @contextmanager
    def canceled_with_request(self) -> Iterator[None]:
        """Cancel the current task with the request: a loader's task has no other owner."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (tells the type checker)
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def viewer_or_anonymous(self) -> Viewer:
        """Return the viewer; an anonymous one while the database is away, for feeds that are served without it."""
        try:
            return await self.viewer()
        except StoreUnavailable:
            self.is_complete = False
            return replace(ANONYMOUS_VIEWER, opted_out=self.caller.opted_out)

    def discard_loaded(self) -> None:
        """Discard what was read and loaded: a write has changed it."""
        super().discard_loaded()
        self.__dict__.pop("loaders", None)

    async def require(self, role: Role) -> None:
        """Require a caller who is known and has at least this role.

        Raises
        ------
        Unauthenticated
            If there is neither a token nor a session, or no token where a role is needed.
        Forbidden
            If the token's role is not enough.
        """
        if not self.caller.is_identified:
            raise Unauthenticated("Send a bearer token, or the X-Session-Id that an earlier answer carried.")
        if role is Role.VIEWER or _RANK[await self.role()] >= _RANK[role]:
            return
        if self.caller.user_key is None:
            raise Unauthenticated(f"This needs a bearer token whose role is {role.value}.")
        if not self.caller.may_administer and (await self.viewer()).role is Role.ADMINISTRATOR:
            raise Forbidden(
                f"This needs the role {role.value}. Your token lives longer than an administrator's may "
                "(TOKEN_ADMINISTRATOR_HOURS), or does not say when it was issued: use one that lives shorter."
            )
        raise Forbidden(f"This needs the role {role.value}; your token's is {(await self.role()).value}.")


Info: TypeAlias = strawberry.Info[Context, None]
