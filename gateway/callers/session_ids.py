"""Session ids of callers without a token: random, signed by the gateway, stored nowhere.

The first anonymous answer has an id in the header `X-Session-Id`; a client that sends the id back continues the
session. The signature prevents invented and guessed ids. The row of a session is created at its first write, so a
crawler's sessions are never stored. `db.actors.users.find_viewer` returns the actor of a session, and none after the
end of its claim.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from gateway.callers.clock import Clock
from gateway.callers.token_rules import PreviousSecret
from scoring.use_cases.unit_of_work import new_session_key

HEADER = "X-Session-Id"

_SHAPE = re.compile(r"s1\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class SessionId:
    """A session id that the gateway has signed."""

    key: str
    # The id of the same session, signed with the present secret, if the previous secret signed this id.
    renewed: str | None = None


class SessionIds:
    """Signs and verifies session ids.

    The key is derived from the signing secret, so that the signature of a session id is never valid for a token, or the
    reverse.
    """

    def __init__(
        self,
        secret: bytes,
        previous: PreviousSecret | None = None,
        clock: Clock = Clock(),  # noqa: B008 (it has no state)
    ) -> None:
        self._signing_key = _signing_key(secret)
        self._previous_secret = previous
        self._clock = clock

    def issue(self) -> tuple[str, str]:
        """Create a session: its key (128 random bits) and the signed id for the client."""
        key = new_session_key()
        return key, self.sign(key)

    def sign(self, key: str) -> str:
        """Return the id of the session with this key."""
        return f"s1.{key}.{_signature(self._signing_key, key)}"

    def read(self, header: str | None) -> SessionId | None:
        """Verify an id. Return None if the gateway has not signed it."""
        match = _SHAPE.fullmatch(header or "")
        if match is None:
            return None
        key, signature = match[1], match[2]
        if hmac.compare_digest(_signature(self._signing_key, key), signature):
            return SessionId(key)
        previous = self._previous_secret
        if previous is None or previous.valid_until <= self._clock.now():
            return None
        is_signed = hmac.compare_digest(_signature(_signing_key(previous.secret), key), signature)
        return SessionId(key, self.sign(key)) if is_signed else None


def _signing_key(secret: bytes) -> bytes:
    return hmac.digest(secret, b"explore-gateway session ids, version 1", sha256)


def _signature(signing_key: bytes, key: str) -> str:
    return urlsafe_b64encode(hmac.digest(signing_key, key.encode(), sha256)).rstrip(b"=").decode()
