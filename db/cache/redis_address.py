"""REDIS_URL as options of the client, for each node that it names.

Parameters that would change what the client returns, or that the gateway sets itself, are refused by a sentence.
"""

import re
import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from redis.asyncio.connection import parse_url

from db.errors import Store, StoreMisconfigured
from db.tls_files import tls_file_fault

_TLS = frozenset(
    {"ssl_ca_certs", "ssl_ca_data", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
    | {"ssl_min_version", "ssl_ciphers", "ssl_include_verify_flags", "ssl_exclude_verify_flags"}
)
_TAKEN = _TLS | {"db", "username", "password", "client_name", "socket_timeout", "socket_connect_timeout"}
_TAKEN |= {"socket_keepalive", "socket_read_size", "health_check_interval"}

_VALUES = {
    "decode_responses": ("false", "False", "no", "0"),  # values are bytes
    "encoding": ("utf-8", "utf8"),
    "encoding_errors": ("strict",),
    "protocol": ("2", "3"),  # the gateway uses 2
    "ssl_cert_reqs": ("required", "optional", "none"),
}
"""Accepted values; except for `ssl_cert_reqs` they are what the gateway does anyway."""

_NUMBER_IN_PATH = re.compile(r"(/[0-9]*)?/?")


def node_urls(url: str) -> list[str]:
    """Split a URL with several hosts into one URL for each host."""
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=f"{account}{at}{host}")) for host in hosts.split(",")]


def node_options(url: str) -> list[dict[str, Any]]:
    """Return the options of `redis.asyncio.Redis` for each node. Raises `StoreMisconfigured` if the URL is invalid."""
    try:
        return [_options(node_url) for node_url in node_urls(url)]
    except ValueError:  # the message of the ValueError quotes parts of the URL
        raise _misconfigured(
            "REDIS_URL cannot be read; write redis://user:password@host:6379/0 or unix:///path/of/the.socket?db=0, "
            "user and password percent-encoded"
        ) from None


def _options(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError(parts.scheme)
    for name, values in parse_qs(parts.query, keep_blank_values=True).items():
        _check(name, values, uses_tls=parts.scheme == "rediss")
    if parts.scheme != "unix" and not _NUMBER_IN_PATH.fullmatch(parts.path):
        raise _misconfigured("the path of REDIS_URL is the number of a database; write /0")
    options: dict[str, Any] = {**parse_url(url)}
    _check_files(options)
    options = {name: value for name, value in options.items() if name in _TAKEN | {"host", "port", "path"}}
    if "path" in options:
        options["unix_socket_path"] = options.pop("path")
    if parts.scheme == "rediss":
        options["ssl"] = True
    if "ssl_min_version" in options:
        options["ssl_min_version"] = ssl.TLSVersion(options["ssl_min_version"])
    return options


def _check(name: str, values: list[str], *, uses_tls: bool) -> None:
    allowed = _VALUES.get(name)
    if len(values) > 1:
        raise _misconfigured(f"the parameter {name} is twice in REDIS_URL; remove one")
    if allowed is not None and values[0] not in allowed:
        raise _misconfigured(f"the parameter {name} of REDIS_URL is {values[0]!r}; write {allowed[0]}, or remove it")
    if allowed is None and name not in _TAKEN:
        raise _misconfigured(f"the parameter {name} of REDIS_URL is not supported; remove it")
    if name in _TLS and not uses_tls:
        raise _misconfigured(f"the parameter {name} of REDIS_URL is for TLS; write rediss:// instead of redis://")


def _check_files(options: dict[str, Any]) -> None:
    authorities, certificate = options.get("ssl_ca_certs"), options.get("ssl_certfile")
    faults = {
        "ssl_ca_certs": authorities and tls_file_fault(authorities),
        "ssl_certfile or ssl_keyfile": certificate
        and tls_file_fault(certificate, certificate=True, key=options.get("ssl_keyfile")),
    }
    for name, fault in faults.items():
        if fault:
            raise _misconfigured(f"the file of {name} in REDIS_URL cannot be used ({fault}); correct its path")


def _misconfigured(reason: str) -> StoreMisconfigured:
    return StoreMisconfigured(Store.CACHE, reason)
