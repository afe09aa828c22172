"""Whose address a request came from, through the proxies that the settings name and through no other.

Anybody can write an `X-Forwarded-For`. Each proxy adds on the right whom it was called by, so the address counts that
stands furthest right and is not a proxy's own; what stands left of it is hearsay.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog
from starlette.requests import HTTPConnection

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HEADER = "X-Forwarded-For"

MOST_PROXIES = 20
"""Entries of the header that are read, from the right; nobody has that many proxies of their own."""

_FORWARDING = re.compile(
    r"(x-)?forwarded(-for)?|via|cdn-loop|proxy-connection"
    r"|(x-forwarded|x-original|x-envoy|x-amzn|x-arr|x-appengine|x-azure|cf|fastly|fly|akamai|tailscale|ngrok)-.*"
    r"|x-real-ip|x-proxyuser-ip|x-client-ip|x-cluster-client-ip|x-remote-(ip|addr)|client-ip|remote-addr|true-client-ip"
    r"|x-varnish|x-scheme|x-request-start"
)
"""Headers that proxies, load balancers, tunnels and CDNs add; no browser and no curl sends one by itself."""

_NAME_OF_THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""A `Host` header. `urlsplit` reads `[::1].evil.example` as the address in the brackets."""

log = structlog.get_logger(__name__)


class ClientAddresses:
    """Tells whose address a request came from.

    Parameters
    ----------
    trusted
        The networks of the proxies whose header is believed.
    on_untrusted
        Called for each forwarding header from an address that is not trusted; with whether that address is public.

    Attributes
    ----------
    ignores_proxy
        Whether a private address that is not trusted has sent a forwarding header: most likely a proxy of one's own
        that TRUSTED_PROXIES does not name. All its callers share one budget.
    """

    def __init__(self, trusted: Sequence[Network] = (), on_untrusted: Callable[[bool], None] = lambda _: None) -> None:
        self._trusted = tuple(trusted)
        self._on_untrusted = on_untrusted
        self.ignores_proxy = False

    def of(self, connection: HTTPConnection) -> Address | None:
        """Give the caller's address; None where the connection has none, as that of a Unix socket."""
        peer = read_address(connection.client.host) if connection.client else None
        forwarded = connection.headers.getlist(HEADER)
        if not forwarded:
            return peer
        if not is_in_networks(peer, self._trusted):
            self._note_untrusted(peer)
            return peer
        return self._behind(peer, ",".join(forwarded).split(",")[-MOST_PROXIES:])

    def _behind(self, peer: Address | None, hops: Iterable[str]) -> Address | None:
        for hop in reversed(list(hops)):
            address = read_address(_without_port(hop.strip()))
            if address is None:  # garbage, or `unknown`: the last proxy that we believe is all we know
                return peer
            peer = address
            if not is_in_networks(address, self._trusted):
                return address
        return peer

    def _note_untrusted(self, peer: Address | None) -> None:
        """Count a header that is not believed; the first one from a private address is logged."""
        is_public = peer is not None and peer.is_global
        self._on_untrusted(is_public)
        if not is_public and not self.ignores_proxy:
            self.ignores_proxy = True
            log.warning("a proxy is not believed: if it is yours, name it in TRUSTED_PROXIES", address=str(peer))


def read_address(text: str | None) -> Address | None:
    """Read an address; one of IPv4 within IPv6 becomes what it is, and anything else None."""
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_in_networks(address: Address | None, networks: Iterable[Network]) -> bool:
    """Say whether an address is in one of the networks."""
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )


def is_forwarded(connection: HTTPConnection) -> bool:
    """Say whether a request names a proxy that it came through, whatever that proxy is worth."""
    return any(_FORWARDING.fullmatch(name.replace("_", "-")) for name in connection.headers)


def is_loopback(host: str | None) -> bool:
    """Say whether this is a name or an address of this machine and of no other."""
    address = read_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_local(connection: HTTPConnection) -> bool:
    """Say whether a request can only come from a program on this machine.

    The socket's own address keeps other machines out, whatever they write into `Host`. The forwarding headers keep out
    what comes by way of a proxy on this machine, and so does HTTP/1.0, which nginx speaks to its upstreams unless told
    otherwise. The name in `Host` keeps out a page whose name was pointed at 127.0.0.1 (DNS rebinding).
    """
    return (
        connection.client is not None
        and is_loopback(connection.client.host)
        and not is_forwarded(connection)
        and connection.scope["http_version"] != "1.0"
        and _NAME_OF_THIS_MACHINE.fullmatch(connection.headers.get("host", "")) is not None
    )


def client_network(address: Address | None) -> str:
    """Name the network that counts as one client: an IPv4 address, or 64 bits of an IPv6 address."""
    if isinstance(address, IPv6Address):
        return f"{int(address) >> 64:x}::"
    return str(address)


def _without_port(hop: str) -> str:
    """Take off a port and the brackets: `192.0.2.1:443`, `[2001:db8::1]:443`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
