"""Hash of a request's network, by which trending caps the contribution of one network.

The address is never stored. The hash covers a prefix (/24 or /48), is keyed with the gateway's secret, and changes each
day, so that it neither identifies nor tracks anybody. All addresses that are not global (private, loopback, link-local,
carrier-grade NAT, unknown) are one network: behind a proxy that is not trusted, every client has such an address.
"""

import hmac
from datetime import datetime
from hashlib import blake2b, sha256

from db.interactions.network_cap import SHARED_NETWORK
from db.models import now
from gateway.client_addresses import read_address

PREFIX_BITS = {4: 24, 6: 48}
"""Bits of the prefix by IP version. Addresses with one prefix usually belong to one household, office or customer."""


class NetworkHash:
    """Hashes the network of an address for a day, with a key derived from the gateway's signing secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"explore-gateway networks, version 1", sha256)

    def hash(self, host: str | None, moment: datetime | None = None) -> str:
        """Return the network's hash, or `SHARED_NETWORK` for an address that is not global or unknown."""
        address = read_address(host)
        if address is None or not address.is_global:
            return SHARED_NETWORK
        prefix = int(address) >> (8 * len(address.packed) - PREFIX_BITS[address.version])
        day = (moment or now()).date().isoformat()
        return blake2b(f"{address.version}:{prefix}:{day}".encode(), key=self._key, digest_size=8).hexdigest()
