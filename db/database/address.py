"""Addresses of the database: DATABASE_URL as a path of SQLite, or as arguments of the driver of PostgreSQL.

Every parameter of libpq is either passed on, or already the driver's behavior, or refused by a sentence. SQLAlchemy's
pool and the pool of short reads connect with the same `PostgresqlAddress`.
"""

import configparser
import getpass
import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import asyncpg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from db.database.pooling import refuse_pooler, split_pooling
from db.errors import InvalidRecord, Store, StoreMisconfigured, StoreUnavailable
from db.private_files import make_private_folder
from db.tls_files import tls_file_fault

HOST_TIMEOUT_S = 2
"""Default of `connect_timeout` with several hosts: the next host is tried within the deadline of a read."""

_BACKENDS = {"sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql"}
_SEVERAL_HOSTS = re.compile(r"(?P<start>[^:/]+://(?:[^/?@]*@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?P<end>(?:[/?].*)?)")

_TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_IN_DSN = frozenset(
    {"sslmode", *_TLS_FILES, "sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"}
    | {"krbsrvname", "gsslib"}
)
"""Parameters that asyncpg takes in a URL only."""

_ARGUMENTS = {"user": "user", "password": "password", "dbname": "database", "database": "database"}
_ARGUMENTS |= {"passfile": "passfile", "target_session_attrs": "target_session_attrs"}
_SERVER_SETTINGS = ("application_name", "options")

_VALUES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "target_session_attrs": ("any", "read-write", "primary"),  # the gateway writes
    "gsslib": ("gssapi", "sspi"),
    # The behavior of the driver, which takes no such parameter:
    "channel_binding": ("prefer", "disable"),
    "client_encoding": ("utf8", "UTF8", "utf-8", "UTF-8", "auto"),
    "gssencmode": ("prefer", "disable"),
    "gssdelegation": ("0",),
    "keepalives": ("0",),
    "load_balance_hosts": ("disable",),
    "replication": ("false", "off", "no", "0"),
    "requiressl": ("0",),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
}
"""Accepted values of parameters. Others are not implemented by the driver, or of no use to the gateway."""

_FIXES = {
    "hostaddr": "write the address as the host",
    "require_auth": "restrict the methods in pg_hba.conf",
    "sslcrldir": "give one file as sslcrl",
    "ssl": "write sslmode",
    "statement_timeout": "write options=-c%20statement_timeout%3D5s",
}


def parse_url(url: str) -> URL:
    """Parse a database URL, and create the folder of an SQLite file.

    Several hosts become values of the parameter `host`, as SQLAlchemy spells them. Raises `InvalidRecord` if the URL
    cannot be parsed, or names an unsupported database.
    """
    several = _SEVERAL_HOSTS.fullmatch(url)
    try:
        parsed = make_url(several["start"] + several["end"] if several else url)
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        raise InvalidRecord(
            "DATABASE_URL cannot be read; write sqlite:///var/explore.sqlite or postgresql://user:password@host/name"
        ) from None
    backend = parsed.drivername.partition("+")[0]
    if backend not in _BACKENDS:
        raise InvalidRecord(f"DATABASE_URL names {backend!r}; SQLite and PostgreSQL are supported")
    if several:
        parsed = parsed.update_query_dict({"host": several["hosts"].split(",")})
    if backend == "sqlite":
        _check_sqlite(parsed)
    return parsed.set(drivername=_BACKENDS[backend])


def _check_sqlite(url: URL) -> None:
    if url.database in (None, "", ":memory:") or "\0" in str(url.database):
        raise InvalidRecord("an SQLite database needs a file: sqlite:///var/explore.sqlite")
    if url.query:
        raise InvalidRecord(
            f"an SQLite database takes no parameters; remove {', '.join(url.query)} from DATABASE_URL "
            "(a question mark in the path is written %3F)"
        )
    if url.host:
        raise InvalidRecord("the path of an SQLite database follows three slashes: sqlite:///var/explore.sqlite")
    folder = Path(str(url.database)).parent
    if not folder.exists():
        make_private_folder(folder)


class PostgresqlAddress:
    """The hosts and the arguments with which every connection to PostgreSQL is opened.

    Several hosts are tried in their order, each for `connect_timeout` seconds, and unless `target_session_attrs` says
    otherwise, the first that accepts writes is taken. Raises `InvalidRecord` for a parameter that cannot be used.
    """

    def __init__(self, url: URL) -> None:
        server_url, self.is_pooled = split_pooling(url)
        parameters = _parameters(server_url)
        self._hosts = _hosts(server_url, parameters)
        attributes, default_timeout_s = ("any", 60) if len(self._hosts) == 1 else ("read-write", HOST_TIMEOUT_S)
        parameters.setdefault("target_session_attrs", attributes)
        timeout_s = _whole_number("connect_timeout", parameters.get("connect_timeout", default_timeout_s))
        self._arguments: dict[str, Any] = {
            "dsn": f"postgresql://?{urlencode({n: v for n, v in parameters.items() if n in _IN_DSN})}",
            "timeout": timeout_s if timeout_s > 0 else None,
            "server_settings": _server_settings(parameters),
            **{argument: parameters[name] for name, argument in _ARGUMENTS.items() if name in parameters},
        }

    @property
    def shown(self) -> str:
        """The address without secrets."""
        named = [(f"[{host}]" if ":" in host else host, port) for host, port in self._hosts if host]
        hosts = ",".join(host if port is None else f"{host}:{port}" for host, port in named)
        return f"postgresql://{hosts}/{self._arguments.get('database', '')}"

    @property
    def user(self) -> str:
        """Name of the role that connects."""
        return str(self._arguments.get("user") or os.environ.get("PGUSER") or getpass.getuser())

    async def connect(self, *_: object, **options: Any) -> "asyncpg.Connection[Any]":
        """Open a connection to the first host that accepts it.

        Raises `StoreMisconfigured` if the parameters cannot be used or a pooler answers, and `StoreUnavailable` if no
        host can be reached.
        """
        failure: Exception | None = None
        for host, port in self._hosts:
            try:
                connection = await asyncpg.connect(host=host or None, port=port, **self._arguments, **options)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched) as error:
                failure = _describe(error, host)
            except ValueError as error:  # also asyncpg's ClientConfigurationError
                message = f"DATABASE_URL, or a variable PG…, cannot be used: {error}"
                raise StoreMisconfigured(Store.DATABASE, message) from None
            else:
                return connection if self.is_pooled else await refuse_pooler(connection)
        assert failure is not None  # noqa: S101 (there is at least one host)
        raise failure


def _describe(error: Exception, host: str) -> Exception:
    """Return the error of a host that cannot be used, with a reason that names the parameter to correct."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"the certificate of {host} is not accepted ({error.verify_message}); correct sslrootcert or sslmode"
    elif isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        reason = "no host accepts writes; wait for a primary, or write target_session_attrs=any to only read"
    elif isinstance(error, TimeoutError):
        reason = f"{host or 'the server'} does not answer within connect_timeout"
    else:
        return error
    return StoreUnavailable(Store.DATABASE, reason)


def _parameters(url: URL) -> dict[str, str]:
    """Return the checked parameters of a URL and of the service that it names, except those of the hosts."""
    parameters: dict[str, str] = {}
    for name, value in url.query.items():
        if not isinstance(value, str) and name != "host":
            raise InvalidRecord(f"the parameter {name} is twice in DATABASE_URL; remove one")
        parameters[name] = value if isinstance(value, str) else ",".join(value)
    before_parameters = {
        "user": url.username, "password": url.password, "host": url.host, "port": url.port, "dbname": url.database,
    }  # fmt: skip
    for name, part in before_parameters.items():
        if part and parameters.get(name, str(part)) != str(part):
            raise InvalidRecord(f"DATABASE_URL has two values of {name}, one of them as a parameter; remove one")
        if part and name not in ("host", "port"):
            parameters[name] = str(part)
    parameters = _of_service(parameters) | parameters
    if (mode := parameters.pop("ssl", None)) is not None:  # the names in JDBC, asyncpg and SQLAlchemy
        parameters.setdefault("sslmode", "require" if mode == "true" else mode)
    for name, value in parameters.items():
        _check(name, value)
    _check_tls(parameters)
    return parameters


def _of_service(parameters: dict[str, str]) -> dict[str, str]:
    """Return the parameters of the named service, which libpq reads from a file."""
    file = parameters.pop("servicefile", None) or os.environ.get("PGSERVICEFILE") or "~/.pg_service.conf"
    service = parameters.pop("service", None)
    if service is None:
        return {}
    services = configparser.ConfigParser(interpolation=None)
    try:
        found = services.read(Path(file).expanduser(), "utf-8") and services.has_section(service)
    except (OSError, RuntimeError, UnicodeError, configparser.Error):
        found = False
    if not found:
        raise InvalidRecord(f"the service {service!r} of DATABASE_URL is not in {file}; correct service or servicefile")
    return dict(services[service])


def _check(name: str, value: str) -> None:
    allowed = _VALUES.get(name)
    if "\0" in value:
        raise InvalidRecord(f"the parameter {name} of DATABASE_URL has a NUL character; remove it")
    if allowed is not None and value not in allowed:
        raise InvalidRecord(f"the parameter {name} of DATABASE_URL is {value!r}; write {' or '.join(allowed)}")
    known = _IN_DSN | _ARGUMENTS.keys() | {*_SERVER_SETTINGS, "fallback_application_name", "connect_timeout"}
    if allowed is None and name not in known | {"host", "port"}:
        fix = _FIXES.get(name, "remove it")
        raise InvalidRecord(f"the parameter {name} of DATABASE_URL is not supported; {fix}")


def _check_tls(parameters: Mapping[str, str]) -> None:
    """Load the files of TLS once, so that a wrong one is named at the start."""
    mode, root = parameters.get("sslmode", ""), parameters.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    if mode.startswith("verify-") and not (root or Path("~/.postgresql/root.crt").expanduser().is_file()):
        raise InvalidRecord(f"sslmode={mode} in DATABASE_URL needs the certificate authority; add sslrootcert=FILE")
    for name in (name for name in _TLS_FILES if name in parameters and name != "sslkey"):
        path, password = parameters[name], parameters.get("sslpassword", "")
        fault = tls_file_fault(path, certificate=name == "sslcert", key=parameters.get("sslkey"), password=password)
        if fault is not None:
            system = "; the authorities of the system are /etc/ssl/certs/ca-certificates.crt" * (path == "system")
            names = f"{name} or sslkey" if name == "sslcert" else name
            raise InvalidRecord(f"the file {path!r} cannot be used ({fault}); correct {names} in DATABASE_URL{system}")


def _server_settings(parameters: Mapping[str, str]) -> dict[str, str]:
    settings = {name: parameters[name] for name in _SERVER_SETTINGS if name in parameters}
    if (fallback := parameters.get("fallback_application_name")) is not None:
        settings.setdefault("application_name", fallback)
    return settings


def _hosts(url: URL, parameters: Mapping[str, str]) -> list[tuple[str, int | None]]:
    """Return the hosts in their order, each with its port; an empty name stands for the default of the driver."""
    names = [url.host] if url.host else parameters.get("host", "").split(",")
    ports: list[Any] = parameters["port"].split(",") if url.port is None and "port" in parameters else [url.port]
    if len(ports) not in (1, len(names)):
        raise InvalidRecord(
            f"DATABASE_URL has {len(names)} hosts and {len(ports)} ports; write host1:port1,host2:port2"
        )
    ports = ports * len(names) if len(ports) == 1 else ports
    return [_host_and_port(unquote(name), port) for name, port in zip(names, ports, strict=True)]


def _host_and_port(name: str, port: Any) -> tuple[str, int | None]:
    address = re.fullmatch(r"\[(?P<ipv6>[^]]*)\](?::(?P<port>.*))?|(?P<host>[^:]*):(?P<own>[^:]*)", name)
    if address is not None and not name.startswith("/"):
        name, port = address["ipv6"] or address["host"] or "", address["port"] or address["own"] or port
    if port is None or port == "":
        return name, None
    number = _whole_number("port", port)
    if not 0 < number < 65_536:
        raise InvalidRecord(f"the port {number} in DATABASE_URL does not exist; write a number from 1 to 65535")
    return name, number


def _whole_number(name: str, value: Any) -> int:
    try:
        return int(value)
    except ValueError:
        raise InvalidRecord(f"the parameter {name} of DATABASE_URL is {value!r}; write a whole number") from None
