"""Who sent a request: the holder of a token, of a session, or somebody new."""

from dataclasses import dataclass
from math import inf

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
    is_unknown
        Whether the request carried neither a token nor a session id of ours.
    new_session
        The session id to give back: of a new session, or of the same one signed with a newer secret.
    address
        Where they are; None if that cannot be told.
    ends_at
        The moment from which their token is refused, in seconds since 1970; infinite without a token.
    """

    asker: Asker
    is_unknown: bool = False
    new_session: str | None = None
    address: Address | None = None
    ends_at: float = inf

    @property
    def is_platform(self) -> bool:
        """Whether this is the platform's own service or an administrator, by what the token says."""
        return self.asker.role in (Role.SERVICE, Role.ADMINISTRATOR)


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
        session = self._sessions.read(request.headers.get(SESSION_HEADER))
        session_key = session.key if session is not None else None
        address = self.address_of(request)
        network = self._networks.name(str(address)) if self._networks else None
        opted_out = request.headers.get(OPT_OUT_HEADER) == "1"
        if claims is not None:
            asker = Asker(
                claims.user_key,
                session_key,
                claims.role,
                network,
                may_administer=claims.is_short_lived,
                opted_out=opted_out,
            )
            return Visitor(asker, address=address, ends_at=claims.ends_at)
        if session is not None:
            asker = Asker(session_key=session_key, network=network, opted_out=opted_out)
            return Visitor(asker, new_session=session.renewed, address=address)
        session_key, signed = self._sessions.issue()
        asker = Asker(session_key=session_key, network=network, opted_out=opted_out)
        return Visitor(asker, True, signed, address)

    def session_to_give(self, visitor: Visitor, session_key: str | None) -> str | None:
        """Return the session id for the answer to a request that was run with this session key; None if there is none.

        The key is another than the visitor's where theirs was claimed and its time is over.
        """
        if session_key is None or session_key == visitor.asker.session_key:
            return visitor.new_session
        return self._sessions.sign(session_key)
