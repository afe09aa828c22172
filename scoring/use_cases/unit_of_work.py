"""The unit of work of one request: its caller, its viewer, and its transactions."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.mutes import Muted, mutes_of
from db.actors.users import ANONYMOUS_VIEWER, Viewer, find_viewer
from db.cache.last_known import LastKnownValues
from db.catalog.project_cards import ProjectCard, cards_by_key
from db.models import Role
from db.privacy.session_claims import CLAIM_DURATION
from db.stores import Stores
from scoring.use_cases.input_errors import CallerUnidentified
from scoring.use_cases.platform_keys import is_valid_key

MAX_REMEMBERED_VIEWERS = 20_000
"""Maximum number of viewers that a process remembers, about 0.5 KB each."""


def new_session_key() -> str:
    """Return a key of 128 random bits."""
    return secrets.token_urlsafe(16)


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, as claimed by its token or its signed session id."""

    user_key: str | None = None  # the platform's key of the user, from the token
    session_key: str | None = None  # the key of the session
    role: Role | None = None  # the role that the token claims; None for the role in the user's row
    network: str | None = None  # a hash of the sender's network that changes daily; None for an unknown address
    # Whether the request carries `Sec-GPC: 1` (Global Privacy Control): views and impressions are not stored.
    opted_out: bool = False
    # Whether the token's lifetime is short enough for an administrator, who otherwise has the role VIEWER.
    may_administer: bool = True

    is_new_session: bool = False  # whether the session was issued for this request, so that it has no actor yet

    @property
    def identity(self) -> tuple[str, str] | None:
        """Kind ("user" or "session") and key of the identity; None without one."""
        if self.user_key is not None:
            return "user", self.user_key
        return None if self.session_key is None else ("session", self.session_key)

    @property
    def is_identified(self) -> bool:
        """Whether the caller names a user or a session."""
        return self.user_key is not None or self.session_key is not None


@dataclass
class UnitOfWork:
    """One request's access to the stores."""

    stores: Stores
    caller: Caller
    notify: Callable[[], None] | None = None  # called after each commit; tells subscriptions of the change
    # Whether an interaction counts in trending only if a served page has shown the project to the actor.
    trending_requires_impression: bool = False
    claimed_session_lifetime: timedelta = CLAIM_DURATION  # how long a session id acts as the account
    # The viewers that this process read last, by `Caller.identity`.
    remembered_viewers: LastKnownValues[tuple[str, str], Viewer] = field(
        default_factory=lambda: LastKnownValues(MAX_REMEMBERED_VIEWERS)
    )
    has_changed_catalog: bool = field(default=False, init=False)  # so that answers kept for all callers are outdated
    _viewer: "asyncio.Task[Viewer] | None" = field(default=None, init=False)
    _tasks: "set[asyncio.Task[Any]]" = field(default_factory=set, init=False)

    async def viewer(self) -> Viewer:
        """Read the viewer from the database, once until the next write."""
        if self._viewer is None:
            self._viewer = asyncio.ensure_future(self._find_viewer())
            self._tasks.add(self._viewer)
        return await self._viewer

    async def remembered_viewer(self) -> Viewer:
        """Return the viewer as this process read it last, or read it. The statement of a page must verify its version.

        Reading a page with an outdated viewer raises `db.page_projects.ViewerChanged`; then call `viewer`.
        """
        identity = self.caller.identity
        known = None
        if self._viewer is None and identity is not None:
            known = self.remembered_viewers.recall([identity]).get(identity)
        if known is None:
            return await self.viewer()
        return replace(known, opted_out=self.caller.opted_out, verified_by=identity)

    async def _find_viewer(self) -> Viewer:
        caller = self.caller
        if caller.is_new_session:
            return replace(ANONYMOUS_VIEWER, session_key=caller.session_key, opted_out=caller.opted_out)
        viewer = await find_viewer(self.stores.database, user_key=caller.user_key, session_key=caller.session_key)
        if viewer is ANONYMOUS_VIEWER and caller.session_key is not None:
            # The claim of this session has ended: the request gets a new session, and the response its id.
            self.caller = replace(caller, session_key=new_session_key())
            viewer = replace(ANONYMOUS_VIEWER, session_key=self.caller.session_key)
        elif caller.identity is not None:
            self.remembered_viewers.remember({caller.identity: viewer})
        return replace(viewer, opted_out=caller.opted_out)

    def require_identified(self) -> Caller:
        """Return the caller. Raises `CallerUnidentified` without a token and a session."""
        if not self.caller.is_identified:
            raise CallerUnidentified("Send a bearer token, or the X-Session-Id of an earlier response.")
        return self.caller

    async def identified_viewer(self) -> Viewer:
        """Read the viewer. Raises `CallerUnidentified` as `require_identified`."""
        self.require_identified()
        return await self.viewer()

    async def visible_project(self, key: str) -> ProjectCard | None:
        """Read the project with this key; None if it does not exist or the viewer may not see it."""
        viewer = await self.viewer()
        return (await cards_by_key(self.stores.database, [key], viewer.user_id)).get(key) if is_valid_key(key) else None

    async def mutes(self) -> list[Muted]:
        """Read the viewer's mutes."""
        viewer = await self.viewer()
        return await mutes_of(self.stores.database, viewer.actor_id)

    async def role(self) -> Role:
        """Return the role in the token, or else the role in the user's row."""
        role = self.caller.role or (await self.viewer()).role
        return Role.VIEWER if role is Role.ADMINISTRATOR and not self.caller.may_administer else role

    def stop(self) -> None:
        """Cancel the tasks that the request has started."""
        for task in self._tasks:
            task.cancel()

    def discard_loaded(self) -> None:
        """Discard the viewer after a write, so that it is read again."""
        self._viewer = None
        if self.caller.is_new_session:
            self.caller = replace(self.caller, is_new_session=False)
        if self.caller.identity is not None:
            self.remembered_viewers.forget(self.caller.identity)

    @asynccontextmanager
    async def write(self, *, changes_catalog: bool = False) -> AsyncIterator[AsyncConnection]:
        """Open one transaction; after its commit, discard the viewer and notify subscriptions.

        `changes_catalog` tells that it changes or deletes projects, terms or users, which all callers see.
        """
        try:
            async with self.stores.database.write() as connection:
                yield connection
        finally:
            self.discard_loaded()
            self.has_changed_catalog |= changes_catalog
        if self.notify is not None:
            self.notify()
