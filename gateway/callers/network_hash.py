"""Which network a request came from, as a hash: enough to see a crowd that comes from one place, useless for more.

The address itself is never stored and never leaves this file. The hash covers a prefix (/24 or /48), is keyed with the
gateway's secret, and changes with the day, so that nobody can be followed or found by it.
"""

import hmac
from datetime import datetime
from hashlib import blake2b, sha256

from db.models import now
from gateway.client_addresses import read_address

PREFIX_BITS = {4: 24, 6: 48}
"""What one household or office has in common, and what a farm of rented addresses is bought in."""


class NetworkHash:
    """Names the network of an address for a day.

    Parameters
    ----------
    secret
        The gateway's signing secret; the key used here is derived from it.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"explore-gateway networks, version 1", sha256)

    def name(self, host: str | None, at: datetime | None = None) -> str | None:
        """Give the network's name; None for an address that says nothing, such as that of a proxy beside us."""
        address = read_address(host)
        if address is None or not address.is_global:
            return None
        kept = 8 * len(address.packed) - PREFIX_BITS[address.version]
        prefix = int(address) >> kept
        day = (at or now()).date().isoformat()
        return blake2b(f"{address.version}:{prefix}:{day}".encode(), key=self._key, digest_size=8).hexdigest()
