"""Who sent a request: the holder of a token, of a session, or somebody new."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from db.models import Role
from gateway.callers.addresses import Address, Addresses
from gateway.callers.auth import Authority
from gateway.callers.networks import Networks
from gateway.callers.sessions import HEADER as SESSION_HEADER
from gateway.callers.sessions import Sessions
from gateway.errors import Unauthenticated
from resolvers.foundations.context import Asker

OPT_OUT_HEADER = "Sec-GPC"
"""Global Privacy Control: with the value 1, whoever sends the request asks not to be observed."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sent a request.

    Attributes
    ----------
    new_session
        The session id to give back, if one was made for them.
    address
        Where they are; None if that cannot be told.
    expires_at
        When their token does, in seconds since 1970; None without one.
    """

    asker: Asker
    new_session: str | None = None
    address: Address | None = None
    expires_at: float | None = None

    @property
    def is_platform(self) -> bool:
        """Whether this is the platform's own service or an administrator, by what the token says."""
        return self.asker.role in (Role.SERVICE, Role.ADMINISTRATOR)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing tells who this is: neither a token nor a session of ours came along."""
        return self.new_session is not None


class Visitors:
    """Tells who sent a request.

    Parameters
    ----------
    authority, sessions
        Who reads tokens and session ids.
    networks
        Who names the network that a request comes from; None if that shall not count.
    addresses
        Who tells the caller's address from those of proxies.
    """

    def __init__(
        self,
        authority: Authority,
        sessions: Sessions,
        networks: Networks | None = None,
        addresses: Addresses | None = None,
    ) -> None:
        self._authority = authority
        self._sessions = sessions
        self._networks = networks
        self._addresses = addresses or Addresses()

    def address_of(self, request: HTTPConnection) -> Address | None:
        """Tell where a request comes from."""
        return self._addresses.of(request)

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
        address = self.address_of(request)
        network = self._networks.name(str(address)) if self._networks else None
        opted_out = request.headers.get(OPT_OUT_HEADER) == "1"
        if claims is not None:
            asker = Asker(claims.user_key, session_key, claims.role, network, opted_out)
            return Visitor(asker, address=address, expires_at=claims.expires_at)
        if session_key is not None:
            return Visitor(Asker(session_key=session_key, network=network, opted_out=opted_out), address=address)
        session_key, signed = self._sessions.issue()
        return Visitor(Asker(session_key=session_key, network=network, opted_out=opted_out), signed, address)
