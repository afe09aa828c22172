"""Session ids for visitors without a token: random, signed by the gateway, stored nowhere.

The first anonymous answer carries an id in the header `X-Session-Id`; a client that sends it back is the same visitor.
Since it is signed, nobody can make one up or guess another visitor's, and since it is stored nowhere, crawlers cost
nothing: the session's row in the truth is made at its first write.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256

HEADER = "X-Session-Id"

_SHAPE = re.compile(r"s1\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


class Sessions:
    """Issues session ids and tells ours from made-up ones.

    Parameters
    ----------
    secret
        The gateway's signing secret. The key used here is derived from it, so that a session id can never pass for a
        token's signature or the other way round.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"explore-gateway session ids, version 1", sha256)

    def issue(self) -> tuple[str, str]:
        """Make a new session: its key (128 random bits) and the signed id for the client."""
        key = secrets.token_urlsafe(16)
        return key, f"s1.{key}.{self._signature(key)}"

    def read(self, header: str | None) -> str | None:
        """Give the session's key if the id is one of ours, else None."""
        parts = _SHAPE.fullmatch(header or "")
        if parts is None or not hmac.compare_digest(self._signature(parts[1]), parts[2]):
            return None
        return parts[1]

    def _signature(self, key: str) -> str:
        return urlsafe_b64encode(hmac.digest(self._key, key.encode(), sha256)).rstrip(b"=").decode()
