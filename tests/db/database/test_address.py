"""Addresses of the database: what libpq takes works or is refused by a sentence, and files are where the path says."""

import asyncio
import os
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from db.database.address import PostgresqlAddress, parse_url
from db.database.engine import Database
from db.errors import InvalidRecord, StoreUnavailable
from db.schema import migrate
from tests.servers import PostgresqlServer, free_port, running_postgresql, unprivileged_account

LIBPQ = """
host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout client_encoding
options application_name fallback_application_name keepalives keepalives_idle keepalives_interval
keepalives_count tcp_user_timeout replication gssencmode sslmode requiressl sslnegotiation sslcompression
sslcert sslkey sslkeylogfile sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer
ssl_min_protocol_version ssl_max_protocol_version min_protocol_version max_protocol_version krbsrvname gsslib
gssdelegation scram_client_key scram_server_key service servicefile target_session_attrs load_balance_hosts
oauth_issuer oauth_client_id oauth_client_secret oauth_scope
"""
NAMES = [*LIBPQ.split(), "statement_cache_size", "nonsense"]
VALUES = st.one_of(
    st.sampled_from(["1", "0", "require", "verify-full", "/nowhere", "disable", "utf8", "read-write", "a,b", "-1"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
)


def refusal(url: str) -> str:
    with pytest.raises(InvalidRecord) as refused:
        PostgresqlAddress(parse_url(url))
    assert "\n" not in refused.value.message
    return refused.value.message


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=3))
def test_any_parameter_of_libpq_is_taken_or_refused_by_a_sentence(parameters: dict[str, str]) -> None:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    try:
        PostgresqlAddress(parse_url(f"postgresql://ada@127.0.0.1/explore?{query}"))
    except InvalidRecord as refused:
        names = [name for name in parameters if name in refused.message and "DATABASE_URL" in refused.message]
    else:
        names = list(parameters)
    assert names


def test_a_comma_in_the_password_is_no_second_host() -> None:
    address = PostgresqlAddress(parse_url("postgresql://ada:pa,ss@db.example/explore"))
    assert (address.user, address.shown) == ("ada", "postgresql://db.example/explore")
    several = PostgresqlAddress(parse_url("postgresql://ada:pa,ss@one:1,two:2/explore"))
    assert (several.user, several.shown) == ("ada", "postgresql://one:1,two:2/explore")


@pytest.mark.parametrize("query", ["host=other", "user=bob", "port=1", "dbname=x"])
def test_two_values_of_one_part_are_refused(query: str) -> None:
    assert "has two values of " + query.partition("=")[0] in refusal(f"postgresql://ada@one:2/explore?{query}")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("sslmode=on", "sslmode of DATABASE_URL is 'on'; write disable or allow or prefer or require or verify-ca"),
        ("sslmode=verify-full&sslrootcert=/no/ca.pem", "'/no/ca.pem' cannot be used (No such file or directory); cor"),
        ("sslmode=verify-full&sslrootcert=system", "the system are /etc/ssl/certs/ca-certificates.crt"),
        ("sslrootcert=/dev/null", "correct sslrootcert in DATABASE_URL"),
        ("sslcert=/dev/null", "correct sslcert or sslkey in DATABASE_URL"),
        ("channel_binding=require", "channel_binding of DATABASE_URL is 'require'; write prefer or disable"),
        ("target_session_attrs=standby", "is 'standby'; write any or read-write or primary"),
        ("connect_timeout=soon", "connect_timeout of DATABASE_URL is 'soon'; write a whole number"),
        ("keepalives_idle=30", "keepalives_idle of DATABASE_URL is not supported; remove it"),
        ("statement_timeout=5s", "not supported; write options=-c%20statement_timeout%3D5s"),
        ("service=mine&servicefile=/nowhere", "the service 'mine' of DATABASE_URL is not in /nowhere; correct service"),
        ("host=a,b&port=1,2,3", "has 2 hosts and 3 ports; write host1:port1,host2:port2"),
        ("port=70000", "the port 70000 in DATABASE_URL does not exist"),
        ("sslmode=require&sslmode=prefer", "sslmode is twice in DATABASE_URL; remove one"),
        ("application_name=a%00b", "application_name of DATABASE_URL has a NUL character"),
    ],
)
def test_a_refusal_names_the_parameter_and_the_fix(query: str, says: str) -> None:
    assert says in refusal(f"postgresql://ada@/explore?{query}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p,%40@one:5432,two/explore", "postgresql://one:5432,two:None/explore"),
        ("postgres://u:p@one,two:5433/explore?sslmode=prefer", "postgresql://one:None,two:5433/explore"),
        ("postgresql://[::1]:5433,two:1/explore", "postgresql://[::1]:5433,two:1/explore"),
        ("postgresql:///explore?host=one,two&port=5,6", "postgresql://one:5,two:6/explore"),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql:5/explore", "postgresql:///var/run/postgresql:5/explore"),
    ],
)
def test_hosts_are_read_as_libpq_reads_them(url: str, shown: str) -> None:
    assert PostgresqlAddress(parse_url(url)).shown.replace(":None", "") == shown.replace(":None", "")


# --- on a real server ----------------------------------------------------------------------------------------------

SHOWN = text("SELECT current_setting('application_name'), current_setting('statement_timeout'), ssl FROM pg_stat_ssl "
             "WHERE pid = pg_backend_pid()")  # fmt: skip


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool_size=2, read_deadline_s=30)
    try:
        yield database
    finally:
        await database.close()


async def settings_of_both_pools(url: str) -> list[tuple[object, ...]]:
    """Return what the server says of a connection of SQLAlchemy's pool, of a write, and of a short read."""
    async with opened(url) as database:
        rows = [tuple((await database.fetch(SHOWN))[0]), tuple((await database.short_reads.fetch(SHOWN, {}))[0])]
        async with database.write() as connection:
            rows.append(tuple((await connection.execute(SHOWN)).one()))
    return rows


async def test_both_pools_get_the_parameters(postgresql_server: PostgresqlServer) -> None:
    url = postgresql_server.url("postgres")
    given_ones = "application_name=ours&options=-c%20statement_timeout%3D7s&connect_timeout=9&gssencmode=disable"
    assert await settings_of_both_pools(f"{url}?{given_ones}") == [("ours", "7s", False)] * 3


async def test_a_service_is_read_from_its_file(postgresql_server: PostgresqlServer, tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text(
        f"[mine]\nhost=127.0.0.1\nport={postgresql_server.port}\nuser=postgres\ndbname=postgres\napplication_name=served"
    )
    url = f"postgresql:///?service=mine&servicefile={file}&options=-c%20statement_timeout%3D7s"
    assert await settings_of_both_pools(url) == [("served", "7s", False)] * 3


async def test_the_first_host_that_answers_is_taken(postgresql_server: PostgresqlServer) -> None:
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{port},127.0.0.1:{postgresql_server.port}"
    async with opened(f"postgresql://postgres@{hosts}/postgres?connect_timeout=1&sslmode=disable") as database:
        assert (await database.fetch(text("SELECT 7")))[0][0] == 7
    silent.close()


async def test_of_several_hosts_one_that_accepts_writes_is_taken(postgresql_server: PostgresqlServer) -> None:
    with running_postgresql(default_transaction_read_only="on") as other:
        hosts = f"127.0.0.1:{other.port},127.0.0.1:{postgresql_server.port}"
        async with opened(f"postgresql://postgres@{hosts}/postgres") as database:
            assert (await database.fetch(text("SHOW port")))[0][0] == str(postgresql_server.port)
        async with opened(f"postgresql://postgres@127.0.0.1:{other.port},127.0.0.1:{other.port}/postgres") as database:
            with pytest.raises(StoreUnavailable, match="no host accepts writes"):
                await database.fetch(text("SELECT 1"))


@pytest.fixture(scope="module")
def tls_server() -> Iterator[tuple[PostgresqlServer, Path]]:
    """Give a server that takes TLS only, and a folder with its authority, and a client's certificate."""
    with tempfile.TemporaryDirectory(prefix="explore-tls-") as name:
        folder = Path(name)
        make_certificates(folder)
        with running_postgresql(
            ssl="on",
            ssl_cert_file=f"{name}/server.crt",
            ssl_key_file=f"{name}/server.key",
            ssl_ca_file=f"{name}/ca.crt",
            hba_file=f"{name}/hba",
            unix_socket_directories=name,
        ) as server:
            yield server, folder


def make_certificates(folder: Path) -> None:
    """Make an authority, a server's certificate for localhost, and the client's of the role `postgres`."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority")
    for name, subject in (("server", "localhost"), ("client", "postgres")):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        (folder / "extensions").write_text(f"subjectAltName=DNS:{subject}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-extfile", "extensions", "-out", f"{name}.crt")  # fmt: skip
    (folder / "hba").write_text(
        "hostssl template1 all 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 trust\nlocal all all trust\n"
    )
    if (account := unprivileged_account()) is not None:
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)


Tls = tuple[PostgresqlServer, Path]


@pytest.mark.parametrize("mode", ["sslmode=require", "sslmode=verify-ca&sslrootcert={0}/ca.crt", "ssl=require",
                                  "sslmode=verify-full&sslrootcert={0}/ca.crt"])  # fmt: skip
async def test_both_pools_use_tls(tls_server: Tls, mode: str) -> None:
    server, folder = tls_server
    url = (
        f"postgresql://postgres@localhost:{server.port}/postgres?application_name=a&options=-c%20statement_timeout%3D7s"
    )
    assert await settings_of_both_pools(f"{url}&{mode.format(folder)}") == [("a", "7s", True)] * 3


async def test_a_certificate_of_the_client_is_sent(tls_server: Tls) -> None:
    server, folder = tls_server
    url = f"postgresql://postgres@localhost:{server.port}/template1?sslmode=verify-full&sslrootcert={folder}/ca.crt"
    async with opened(f"{url}&sslcert={folder}/client.crt&sslkey={folder}/client.key") as database:
        assert (await database.fetch(text("SELECT 7")))[0][0] == 7
    async with opened(url) as database:
        with pytest.raises(StoreUnavailable, match="valid client certificate"):
            await database.fetch(text("SELECT 7"))


@pytest.mark.parametrize(
    ("host", "mode", "says"),
    [
        ("127.0.0.1", "verify-full&sslrootcert={0}/ca.crt", "the certificate of 127.0.0.1 is not accepted (IP address"),
        (
            "localhost",
            "verify-full&sslrootcert={0}/client.crt",
            "the certificate of localhost is not accepted (self-signed",
        ),
        ("localhost", "disable", "no pg_hba.conf entry"),
    ],
)
async def test_a_server_that_is_not_trusted_is_named(tls_server: Tls, host: str, mode: str, says: str) -> None:
    server, folder = tls_server
    url = f"postgresql://postgres@{host}:{server.port}/postgres?sslmode={mode.format(folder)}"
    async with opened(url) as database:
        for fetch in (database.fetch, database.fetch_short):
            with pytest.raises(StoreUnavailable, match=re.escape(says)):
                await fetch(text("SELECT 1"), {})


async def test_a_server_without_tls_is_named(postgresql_server: PostgresqlServer) -> None:
    async with opened(f"{postgresql_server.url('postgres')}?sslmode=require") as database:
        with pytest.raises(StoreUnavailable, match="rejected SSL upgrade"):
            await database.fetch(text("SELECT 1"))


@pytest.mark.parametrize(
    "form", ["postgresql://postgres@/postgres?host={0}&port={1}", "postgresql://postgres@{2}:{1}/postgres"]
)
async def test_a_unix_socket_is_used(tls_server: Tls, form: str) -> None:
    server, folder = tls_server
    url = form.format(folder, server.port, quote(str(folder), safe=""))
    assert [row[2] for row in await settings_of_both_pools(url)] == [False] * 3


# --- files ---------------------------------------------------------------------------------------------------------

FOLDERS = ["a%20b", "what?", "#1", "two words", "ünïcode 東京", "a&b=c;d", "100%", "a@b:c"]


@pytest.mark.parametrize("name", FOLDERS)
async def test_a_database_is_exactly_where_its_url_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "explore.sqlite"
    async with opened(f"sqlite:///{quote(str(path))}") as database:
        await migrate(database)
        assert len(await database.fetch_short(text("SELECT version_num FROM alembic_version"), {})) == 1
        await database.scrub()
    assert os.listdir(tmp_path) == [name]
    assert os.listdir(path.parent) == ["explore.sqlite"]
