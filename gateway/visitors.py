"""Who sent a request: the holder of a token, of a session, or somebody new."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from db.models import Role
from gateway.auth import Authority
from gateway.errors import Unauthenticated
from gateway.networks import Networks
from gateway.sessions import HEADER as SESSION_HEADER
from gateway.sessions import Sessions
from resolvers.context import Asker

MAX_BODY = 256 * 1024
"""Bytes of a viewer's request body: 500 events are about 114 KB."""

MAX_BODY_OF_SERVICE = 8 * 1024 * 1024
"""Bytes of a request body whose token has the role service or administrator: catalogue writes come in batches."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sent a request, and the session id to give back if one was made for them."""

    asker: Asker
    new_session: str | None = None

    @property
    def is_platform(self) -> bool:
        """Whether this is the platform's own service or an administrator, by what the token says."""
        return self.asker.role in (Role.SERVICE, Role.ADMINISTRATOR)

    @property
    def max_body(self) -> int:
        """Bytes that this visitor's request body may have."""
        return MAX_BODY_OF_SERVICE if self.is_platform else MAX_BODY


class Visitors:
    """Tells who sent a request.

    Parameters
    ----------
    authority, sessions
        Who reads tokens and session ids.
    networks
        Who names the network that a request comes from; None if that shall not count.
    """

    def __init__(self, authority: Authority, sessions: Sessions, networks: Networks | None = None) -> None:
        self._authority = authority
        self._sessions = sessions
        self._networks = networks

    async def recognise(self, request: HTTPConnection) -> Visitor:
        """Tell who sent a request; somebody new is given a session.

        Raises
        ------
        Unauthenticated
            If the token is no good.
        """
        headers = request.headers.getlist("authorization")
        if len(headers) > 1:
            raise Unauthenticated("Send one Authorization header, not several.")
        claims = await self._authority.read(headers[0] if headers else None)
        session_key = self._sessions.read(request.headers.get(SESSION_HEADER))
        network = self._networks.name(request.client.host) if self._networks and request.client else None
        if claims is not None:
            return Visitor(Asker(claims.user_key, session_key, claims.role, network))
        if session_key is not None:
            return Visitor(Asker(session_key=session_key, network=network))
        session_key, signed = self._sessions.issue()
        return Visitor(Asker(session_key=session_key, network=network), signed)
