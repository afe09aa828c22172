"""Who sent a request: the holder of a token, of a session, or somebody new."""

from dataclasses import dataclass
from math import inf

from starlette.requests import HTTPConnection

from db.models import Role
from gateway.callers.network_hash import NetworkHash
from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.callers.session_ids import SessionIds
from gateway.callers.token_authority import TokenAuthority
from gateway.client_addresses import Address, ClientAddresses
from gateway.errors import Unauthenticated
from scoring.use_cases.unit_of_work import Caller

OPT_OUT_HEADER = "Sec-GPC"
"""Global Privacy Control: with the value 1, whoever sends the request asks not to be observed."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who sent a request.

    Attributes
    ----------
    is_anonymous
        Whether the request carried neither a token nor a session id of ours.
    session_id_to_send
        The session id to give back: of a new session, or of the same one signed with a newer secret.
    address
        Where they are; None if that cannot be told.
    expires_at
        The moment from which their token is refused, in seconds since 1970; infinite without a token.
    """

    caller: Caller
    is_anonymous: bool = False
    session_id_to_send: str | None = None
    address: Address | None = None
    expires_at: float = inf

    @property
    def is_privileged(self) -> bool:
        """Whether this is the platform's own service or an administrator, by what the token says."""
        return self.caller.role in (Role.SERVICE, Role.ADMINISTRATOR)


class Authenticator:
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
        authority: TokenAuthority,
        sessions: SessionIds,
        networks: NetworkHash | None = None,
        addresses: ClientAddresses | None = None,
    ) -> None:
        self._authority = authority
        self._sessions = sessions
        self._networks = networks
        self._addresses = addresses or ClientAddresses()

    def client_address(self, request: HTTPConnection) -> Address | None:
        """Tell where a request comes from."""
        return self._addresses.of(request)

    async def authenticate(self, request: HTTPConnection) -> Authentication:
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
        address = self.client_address(request)
        network = self._networks.name(str(address)) if self._networks else None
        opted_out = request.headers.get(OPT_OUT_HEADER) == "1"
        if claims is not None:
            caller = Caller(
                claims.user_key,
                session_key,
                claims.role,
                network,
                may_administer=claims.is_short_lived,
                opted_out=opted_out,
            )
            return Authentication(caller, address=address, expires_at=claims.expires_at)
        if session is not None:
            caller = Caller(session_key=session_key, network=network, opted_out=opted_out)
            return Authentication(caller, session_id_to_send=session.renewed, address=address)
        session_key, signed = self._sessions.issue()
        caller = Caller(session_key=session_key, network=network, opted_out=opted_out)
        return Authentication(caller, True, signed, address)

    def session_id_to_send(self, authentication: Authentication, session_key: str | None) -> str | None:
        """Return the session id for the answer to a request that was run with this session key; None if there is none.

        The key is another than the visitor's where theirs was claimed and its time is over.
        """
        if session_key is None or session_key == authentication.caller.session_key:
            return authentication.session_id_to_send
        return self._sessions.sign(session_key)
