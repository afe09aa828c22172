"""Authentication of a request: by a token, by a session id, or as a new session."""

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
"""Global Privacy Control: the value 1 opts out of observation."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """The caller of a request, and facts about the request that only the gateway needs."""

    caller: Caller
    is_anonymous: bool = False  # whether the request has neither a token nor a valid session id
    # The session id for the answer: of a new session, or of the same session signed with a newer secret.
    session_id_to_send: str | None = None
    address: Address | None = None  # the caller's address, or None if it is unknown
    expires_at: float = inf  # time from which the token is refused, in seconds since 1970, infinite without a token

    @property
    def is_privileged(self) -> bool:
        """Whether the token has the role service or administrator."""
        return self.caller.role in (Role.SERVICE, Role.ADMINISTRATOR)


class Authenticator:
    """Authenticates requests. Without `networks`, callers have no network hash."""

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
        """Return the address that a request comes from."""
        return self._addresses.find(request)

    async def authenticate(self, request: HTTPConnection) -> Authentication:
        """Authenticate a request. A caller without token and session gets a new session.

        Raises `Unauthenticated` if the token is invalid.
        """
        headers = request.headers.getlist("authorization")
        if len(headers) > 1:
            raise Unauthenticated("Send one Authorization header, not several.")
        claims = await self._authority.read(headers[0] if headers else None)
        session = self._sessions.read(request.headers.get(SESSION_HEADER))
        is_anonymous = claims is None and session is None
        new_key, id_to_send = self._sessions.issue() if is_anonymous else (None, None)
        address = self.client_address(request)
        caller = Caller(
            user_key=claims.user_key if claims else None,
            session_key=session.key if session else new_key,
            role=claims.role if claims else None,
            network=self._networks.hash(str(address)) if self._networks else None,
            opted_out=request.headers.get(OPT_OUT_HEADER) == "1",
            may_administer=claims is None or claims.is_short_lived,
            is_new_session=is_anonymous,
        )
        if claims is None and session is not None:
            id_to_send = session.renewed
        return Authentication(caller, is_anonymous, id_to_send, address, claims.expires_at if claims else inf)

    def session_id_to_send(self, authentication: Authentication, session_key: str | None) -> str | None:
        """Return the session id for the answer to a request that ran with this session key, or None if there is none.

        The key differs from the session key of the caller if the claim of the session has ended.
        """
        if session_key is None or session_key == authentication.caller.session_key:
            return authentication.session_id_to_send
        return self._sessions.sign(session_key)
