"""Whose address a request came from, through the proxies that the settings name and through no other.

Anybody can write an `X-Forwarded-For`. Each proxy adds on the right whom it was called by, so the address counts that
stands furthest right and is not a proxy's own; what stands left of it is hearsay.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog
from starlette.requests import HTTPConnection

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HEADER = "X-Forwarded-For"

MOST_PROXIES = 20
"""Entries of the header that are read, from the right; nobody has that many proxies of their own."""

log = structlog.get_logger(__name__)


class Addresses:
    """Tells whose address a request came from.

    Parameters
    ----------
    trusted
        The networks of the proxies whose header is believed.
    """

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._has_warned = False

    def of(self, connection: HTTPConnection) -> Address | None:
        """Give the caller's address; None where the connection has none, as that of a Unix socket."""
        caller = read_address(connection.client.host) if connection.client else None
        forwarded = connection.headers.getlist(HEADER)
        if not forwarded or not self._is_trusted(caller):
            self._warn(caller, bool(forwarded))
            return caller
        return self._behind(caller, ",".join(forwarded).split(",")[-MOST_PROXIES:])

    def _behind(self, caller: Address | None, hops: Iterable[str]) -> Address | None:
        for hop in reversed(list(hops)):
            address = read_address(_without_port(hop.strip()))
            if address is None:  # garbage, or `unknown`: the last proxy that we believe is all we know
                return caller
            caller = address
            if not self._is_trusted(address):
                return address
        return caller

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(
            address.version == network.version and address in network for network in self._trusted
        )

    def _warn(self, caller: Address | None, was_forwarded: bool) -> None:
        """Say once that a proxy is not believed: until it is, all its callers share one budget."""
        if was_forwarded and caller is not None and not caller.is_global and not self._has_warned:
            self._has_warned = True
            log.warning("a proxy is not believed: if it is yours, name it in TRUSTED_PROXIES", address=str(caller))


def read_address(text: str | None) -> Address | None:
    """Read an address; one of IPv4 within IPv6 becomes what it is, and anything else None."""
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _without_port(hop: str) -> str:
    """Take off a port and the brackets: `192.0.2.1:443`, `[2001:db8::1]:443`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
