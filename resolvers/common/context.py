"""The context of one GraphQL request."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import strawberry
from graphql import GraphQLResolveInfo

from db.actors.users import ANONYMOUS_VIEWER, Viewer
from db.errors import StoreUnavailable
from db.models import Role
from resolvers.common.errors import Forbidden, Unauthenticated
from resolvers.common.loaders import LoaderFallbacks, Loaders
from scoring.feed_changes import FeedChangeWatcher
from scoring.feeds import Feeds
from scoring.mathematics.viewer_stages import BASELINE_THRESHOLDS, Thresholds
from scoring.use_cases.unit_of_work import UnitOfWork


@dataclass(kw_only=True)
class Context(UnitOfWork):
    """The unit of work of a request with feeds and loaders. A write discards the loaders."""

    feeds: Feeds
    # Public values that the loaders of this process read last.
    loader_fallbacks: LoaderFallbacks = field(default_factory=LoaderFallbacks)
    thresholds: Thresholds = BASELINE_THRESHOLDS  # the amounts of data that are sufficient for personalization
    changes: FeedChangeWatcher | None = None  # the source of feed-change notifications; None if there is none
    # Whether every store has been available so far. Otherwise, the response must not be cached.
    is_complete: bool = field(default=True, init=False)
    # What the fields below a field need (`computed(needs=...)`). The executor sets it.
    needs_below: Callable[[GraphQLResolveInfo[Any]], list[Any]] = field(
        default_factory=lambda: lambda _info: [], init=False
    )

    @cached_property
    def loaders(self) -> Loaders:
        """The loaders of this request."""
        return Loaders(self)

    @contextmanager
    def canceled_with_request(self) -> Iterator[None]:
        """Cancel the current task when the request is canceled, because a loader's task has no other owner."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (tells the type checker)
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def viewer_or_anonymous(self, *, remembered: bool = False) -> Viewer:
        """Return the viewer; an anonymous viewer if the database is unavailable, for feeds that do not need it.

        With `remembered`, return the viewer as `remembered_viewer` does.
        """
        try:
            return await (self.remembered_viewer() if remembered else self.viewer())
        except StoreUnavailable:
            self.is_complete = False
            return replace(ANONYMOUS_VIEWER, opted_out=self.caller.opted_out)

    def discard_loaded(self) -> None:
        """Discard the viewer and the loaders after a write."""
        super().discard_loaded()
        self.__dict__.pop("loaders", None)

    async def require(self, role: Role) -> None:
        """Require an identified caller with at least this role.

        Raises
        ------
        Unauthenticated
            If there is neither a token nor a session, or no token although a role is required.
        Forbidden
            If the caller's role is too low.
        """
        if not self.caller.is_identified:
            raise Unauthenticated("Send a bearer token, or the X-Session-Id of an earlier response.")
        if role is Role.VIEWER or (await self.role()).rank >= role.rank:
            return
        if self.caller.user_key is None:
            raise Unauthenticated(f"This needs a bearer token whose role is {role.value}.")
        if not self.caller.may_administer and (await self.viewer()).role is Role.ADMINISTRATOR:
            raise Forbidden(
                f"This needs the role {role.value}. The lifetime of your token exceeds the maximum for administrators "
                "(TOKEN_ADMINISTRATOR_HOURS), or the token has no issue time. Use a token with a shorter lifetime."
            )
        raise Forbidden(f"This needs the role {role.value}; your role is {(await self.role()).value}.")


Info: TypeAlias = strawberry.Info[Context, None]
