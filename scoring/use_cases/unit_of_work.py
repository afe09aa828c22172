"""The unit of work of one request: its caller, the viewer's row, transactions, and what follows a commit."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.users import ANONYMOUS_VIEWER, Viewer, find_viewer
from db.models import Role
from db.privacy.session_claims import CLAIM_LIFE
from db.stores import Stores
from scoring.use_cases.input_errors import CallerUnidentified


def new_session_key() -> str:
    """Return a key of 128 random bits."""
    return secrets.token_urlsafe(16)


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, as claimed by its token or its signed session id."""

    user_key: str | None = None  # the platform's key of the user, from the token
    session_key: str | None = None  # the session of somebody who is not signed in
    role: Role | None = None  # the role the token claims; None leaves it to the user's row
    network: str | None = None  # A hash of the sender's network, valid for a day; None if the address says nothing
    # Whether the request carries `Sec-GPC: 1` (Global Privacy Control): views and impressions are not stored.
    opted_out: bool = False
    # Whether the token's life is short enough for an administrator. A longer one gives the rights of a viewer.
    may_administer: bool = True

    @property
    def is_identified(self) -> bool:
        """Whether the caller names a user or a session."""
        return self.user_key is not None or self.session_key is not None


@dataclass
class UnitOfWork:
    """One request's access to the stores."""

    stores: Stores
    caller: Caller
    wake: Callable[[], None] | None = None  # called after each commit, so that the outbox is read before its next poll
    # Whether an actor counts in trends only for projects that a served page has shown to it.
    trending_requires_impression: bool = False
    claimed_session_lifetime: timedelta = CLAIM_LIFE  # how long a session id stands for the account that claims it
    _viewer: "asyncio.Task[Viewer] | None" = field(default=None, init=False)
    _tasks: "set[asyncio.Task[Any]]" = field(default_factory=set, init=False)

    async def viewer(self) -> Viewer:
        """Read the viewer from the database, once until the next write."""
        if self._viewer is None:
            self._viewer = asyncio.ensure_future(self._find_viewer())
            self._tasks.add(self._viewer)
        return await self._viewer

    async def _find_viewer(self) -> Viewer:
        caller = self.caller
        found = await find_viewer(self.stores.database, user_key=caller.user_key, session_key=caller.session_key)
        if found is ANONYMOUS_VIEWER and caller.session_key is not None:
            # The claim of this session has ended: the request continues as a new session, whose id the answer carries.
            self.caller = replace(caller, session_key=new_session_key())
            found = replace(ANONYMOUS_VIEWER, session_key=self.caller.session_key)
        return replace(found, opted_out=caller.opted_out)

    def require_identified(self) -> Caller:
        """Return the caller."""
        if not self.caller.is_identified:
            raise CallerUnidentified("Send a bearer token, or the X-Session-Id that an earlier answer carried.")
        return self.caller

    async def identified_viewer(self) -> Viewer:
        """Read the viewer of a caller who must be identified, as `require_identified`."""
        self.require_identified()
        return await self.viewer()

    async def role(self) -> Role:
        """Return the caller's role: that of the token, else that of the user's row."""
        role = self.caller.role or (await self.viewer()).role
        return Role.VIEWER if role is Role.ADMINISTRATOR and not self.caller.may_administer else role

    def stop(self) -> None:
        """Cancel the tasks that the request has begun."""
        for task in self._tasks:
            task.cancel()

    def discard_loaded(self) -> None:
        """Discard what was read: a write has changed it."""
        self._viewer = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open one transaction; after its commit, discard what was read and wake the outbox's reader."""
        try:
            async with self.stores.database.write() as connection:
                yield connection
        finally:
            self.discard_loaded()
        if self.wake is not None:
            self.wake()
