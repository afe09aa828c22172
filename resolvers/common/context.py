"""What a resolver can reach: who asks, the stores, the feeds, and the loaders of this one request."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeAlias

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import ANONYMOUS_VIEWER, Viewer, find_viewer
from db.errors import StoreUnavailable
from db.models import Role
from db.privacy.session_claims import CLAIM_LIFE
from db.stores import Stores
from resolvers.common.errors import Forbidden, Unauthenticated
from resolvers.common.loaders import LoaderFallbacks, Loaders
from scoring.feed_changes import FeedChangeWatcher
from scoring.feeds import Feeds
from scoring.mathematics.viewer_stages import BASELINE_THRESHOLDS, Thresholds

_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.SERVICE, Role.ADMINISTRATOR))}


def new_session_key() -> str:
    """Return a key of 128 random bits."""
    return secrets.token_urlsafe(16)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the edge says is asking: the subject of a token, the holder of a session, or neither.

    Attributes
    ----------
    user_key
        The platform's key of the user, from the token.
    session_key
        The signed session id of somebody not signed in.
    role
        The role the token claims; None leaves it to the user's row.
    network
        A hash of the network that the request came from, good for a day; None if that says nothing.
    opted_out
        Whether the request carries `Sec-GPC: 1` (Global Privacy Control): what it views or is shown is not stored.
    may_administer
        Whether the token's life is short enough for an administrator. One that lives longer gives the rights of a
        viewer to a user whose row says administrator.
    """

    user_key: str | None = None
    session_key: str | None = None
    role: Role | None = None
    network: str | None = None
    opted_out: bool = False
    may_administer: bool = True

    @property
    def is_identified(self) -> bool:
        """Whether there is anybody to remember things for."""
        return self.user_key is not None or self.session_key is not None


@dataclass
class Context:
    """One request's context. Loaders live exactly as long as it does, or until a write makes them out of date.

    Attributes
    ----------
    wake
        Called after each write, so that the shadows need not wait for the next poll of the outbox.
    loader_fallbacks
        What this process read last of what everybody may see.
    thresholds
        From where on a viewer is known well enough.
    trending_requires_impression
        Whether a person counts in trends only for projects that a served page has shown them.
    changes
        Who tells what changes as it happens; None if nobody does.
    claimed_session_lifetime
        For how long a session id stands for the account that claims it.
    is_complete
        Whether every store had its say so far; what is answered without one is of this moment only.
    """

    stores: Stores
    feeds: Feeds
    caller: Caller
    wake: Callable[[], None] | None = None
    loader_fallbacks: LoaderFallbacks = field(default_factory=LoaderFallbacks)
    thresholds: Thresholds = BASELINE_THRESHOLDS
    trending_requires_impression: bool = False
    changes: FeedChangeWatcher | None = None
    claimed_session_lifetime: timedelta = CLAIM_LIFE
    is_complete: bool = field(default=True, init=False)
    _viewer: "asyncio.Task[Viewer] | None" = field(default=None, init=False)
    _tasks: "set[asyncio.Task[Any]]" = field(default_factory=set, init=False)

    @cached_property
    def loaders(self) -> Loaders:
        """The loaders of this request."""
        return Loaders(self)

    async def viewer(self) -> Viewer:
        """Read who asks from the truth, once a request until a mutation calls `discard_loaded`."""
        if self._viewer is None:
            self._viewer = asyncio.ensure_future(self._find_viewer())
            self._tasks.add(self._viewer)
        return await self._viewer

    async def _find_viewer(self) -> Viewer:
        caller = self.caller
        found = await find_viewer(self.stores.database, user_key=caller.user_key, session_key=caller.session_key)
        if found is ANONYMOUS_VIEWER and caller.session_key is not None:
            # A claimed session whose time is over: the request goes on as a new one, whose id the answer carries.
            self.caller = replace(caller, session_key=new_session_key())
            found = replace(ANONYMOUS_VIEWER, session_key=self.caller.session_key)
        return replace(found, opted_out=caller.opted_out)

    @contextmanager
    def canceled_with_request(self) -> Iterator[None]:
        """Let this task be stopped with the request, although nobody who waits for it would stop it: a loader's."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (tells the type checker)
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    def stop(self) -> None:
        """Stop what the request has begun and nobody waits for any more."""
        for task in self._tasks:
            task.cancel()

    async def viewer_or_anonymous(self) -> Viewer:
        """Give who asks; nobody while the truth is away, for what everybody shares is served without it."""
        try:
            return await self.viewer()
        except StoreUnavailable:
            self.is_complete = False
            return replace(ANONYMOUS_VIEWER, opted_out=self.caller.opted_out)

    def discard_loaded(self) -> None:
        """Read the viewer anew next time, and all that was loaded: a mutation has changed the truth."""
        self._viewer = None
        self.__dict__.pop("loaders", None)

    async def role(self) -> Role:
        """Give what the caller may do: what the token says, else what the user's row says."""
        role = self.caller.role or (await self.viewer()).role
        return Role.VIEWER if role is Role.ADMINISTRATOR and not self.caller.may_administer else role

    async def is_administrator(self) -> bool:
        """Say whether the caller may do what no service may: appoint, demote and delete administrators."""
        return await self.role() is Role.ADMINISTRATOR

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

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Lend one transaction; when it is committed, forget what was read before and wake the synchronizer."""
        try:
            async with self.stores.database.write() as connection:
                yield connection
        finally:
            self.discard_loaded()
        if self.wake is not None:
            self.wake()


Info: TypeAlias = strawberry.Info[Context, None]
