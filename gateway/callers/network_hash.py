"""Hash of a request's network, by which trending caps the contribution of one network.

The address is never stored. The hash covers a prefix (/24 or /48), is keyed with the gateway's secret, and changes each
day, so that it neither identifies nor tracks anybody.
"""

import hmac
from datetime import datetime
from hashlib import blake2b, sha256

from db.models import now
from gateway.client_addresses import read_address

PREFIX_BITS = {4: 24, 6: 48}
"""Bits of the prefix by IP version. Addresses with one prefix usually belong to one household, office or customer."""


class NetworkHash:
    """Hashes the network of an address for a day, with a key derived from the gateway's signing secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"explore-gateway networks, version 1", sha256)

    def hash(self, host: str | None, moment: datetime | None = None) -> str | None:
        """Return the network's hash, or None for an address that is not public, such as that of a local proxy."""
        address = read_address(host)
        if address is None or not address.is_global:
            return None
        prefix = int(address) >> (8 * len(address.packed) - PREFIX_BITS[address.version])
        day = (moment or now()).date().isoformat()
        return blake2b(f"{address.version}:{prefix}:{day}".encode(), key=self._key, digest_size=8).hexdigest()
