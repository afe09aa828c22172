"""Addresses of clients, behind the proxies that the settings trust and no others.

Anybody can send an `X-Forwarded-For`. Each proxy appends the address of its peer, so the client's address is the
rightmost one that no trusted proxy has; addresses to its left may be forged. uvicorn's ProxyHeadersMiddleware is not
used: it accepts any text as an address, does not parse IPv4-mapped IPv6 addresses, and replaces the peer's address,
which connection caps and `is_local` need.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog
from starlette.requests import HTTPConnection

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HEADER = "X-Forwarded-For"

MAX_HOPS = 20
"""Maximum number of entries of the header that are read, from the right. No known installation has so many proxies."""

_FORWARDING = re.compile(
    r"(x-)?forwarded(-for)?|via|cdn-loop|proxy-connection"
    r"|(x-forwarded|x-original|x-envoy|x-amzn|x-arr|x-appengine|x-azure|cf|fastly|fly|akamai|tailscale|ngrok)-.*"
    r"|x-real-ip|x-proxyuser-ip|x-client-ip|x-cluster-client-ip|x-remote-(ip|addr)|client-ip|remote-addr|true-client-ip"
    r"|x-varnish|x-scheme|x-request-start"
)
"""Headers that proxies, load balancers, tunnels and CDNs add. Browsers and curl send none of them by themselves."""

_LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""A `Host` header. `urlsplit` would read `[::1].evil.example` as the address in the brackets."""

log = structlog.get_logger(__name__)


class ClientAddresses:
    """Finds the address of a client behind the proxies in the networks `trusted`.

    For each forwarding header from another address, `on_untrusted` is called; its argument states whether that address
    is public.
    """

    def __init__(self, trusted: Sequence[Network] = (), on_untrusted: Callable[[bool], None] = lambda _: None) -> None:
        self._trusted = trusted
        self._on_untrusted = on_untrusted
        self.has_unknown_proxy = False
        """Whether an untrusted private address has sent a forwarding header. This is most likely a proxy that is
        missing in TRUSTED_PROXIES; its clients share one budget."""

    def find(self, connection: HTTPConnection) -> Address | None:
        """Return the client's address, or None for a connection without one, such as a Unix socket."""
        peer = read_address(connection.client.host) if connection.client else None
        forwarded = connection.headers.getlist(HEADER)
        if not forwarded:
            return peer
        if not is_in_networks(peer, self._trusted):
            self._note_untrusted(peer)
            return peer
        for hop in reversed(",".join(forwarded).split(",")[-MAX_HOPS:]):
            address = read_address(_without_port(hop.strip()))
            if address is None:  # not an address, such as `unknown`: the client counts as the last trusted proxy
                break
            peer = address
            if not is_in_networks(address, self._trusted):
                break
        return peer

    def _note_untrusted(self, peer: Address | None) -> None:
        """Count an untrusted header, and log the first one from a private address."""
        is_public = peer is not None and peer.is_global
        self._on_untrusted(is_public)
        if not is_public and not self.has_unknown_proxy:
            self.has_unknown_proxy = True
            log.warning("untrusted proxy: if it is yours, add it to TRUSTED_PROXIES", address=str(peer))


@lru_cache(1_024)
def read_address(text: str | None) -> Address | None:
    """Parse an address. Return None for other text. An IPv4-mapped IPv6 address becomes an IPv4 address."""
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_in_networks(address: Address | None, networks: Iterable[Network]) -> bool:
    """Return whether an address is in one of the networks."""
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )


def is_loopback(host: str | None) -> bool:
    """Return whether a host is `localhost` or a loopback address."""
    address = read_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_local(connection: HTTPConnection) -> bool:
    """Return whether a request can only come from a program on this machine.

    The peer's address excludes other machines, whatever they send as `Host`. The forwarding headers exclude requests
    through a proxy on this machine, and so does HTTP/1.0, which nginx speaks to its upstreams by default. The name in
    `Host` excludes a page whose name resolves to 127.0.0.1 (DNS rebinding).
    """
    return (
        connection.client is not None
        and is_loopback(connection.client.host)
        and not any(_FORWARDING.fullmatch(name.replace("_", "-")) for name in connection.headers)
        and connection.scope["http_version"] != "1.0"
        and _LOOPBACK_HOST.fullmatch(connection.headers.get("host", "")) is not None
    )


def client_network(address: Address | None) -> str:
    """Name the network that counts as one client: an IPv4 address, or an IPv6 /64 network."""
    if isinstance(address, IPv6Address):
        return f"{int(address) >> 64:x}::"
    return str(address)


def _without_port(hop: str) -> str:
    """Remove a port and brackets: `192.0.2.1:443`, `[2001:db8::1]:443`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
