"""No secret shows in what is written for people, whatever the URL that holds it looks like."""

import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from db import redaction
from db.redaction import display_url, redact, remember_secrets

CANARY = "xyzzy-secret"
SCHEMES = ("postgresql", "postgresql+asyncpg", "redis", "rediss", "http", "https", "sqlite", "grpc", "REDIS")
HOSTS = ("db", "db.example.org:5432", "10.0.0.1", "[::1]:6379", "a:1,b:2", "")

texts = st.text(max_size=20)
secrets = st.builds(lambda before, after: f"{before}{CANARY}{after}", texts, texts)
spelled = st.sampled_from((str, lambda text: quote(text, safe=""), quote, quote_plus))


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Leave no secret of a test behind."""
    yield
    redaction._secrets.clear()


@st.composite
def urls(draw: st.DrawFn) -> str:
    """Write a URL with a secret as user, password, query value, name or fragment, encoded in some way or in none."""
    secret = draw(spelled)(draw(secrets))
    scheme, host, path = draw(st.sampled_from(SCHEMES)), draw(st.sampled_from(HOSTS)), draw(st.sampled_from(("", "/0")))
    query = draw(st.sampled_from(("password", "passfile", "sslkey", "api_key", "host")))
    form = draw(
        st.sampled_from(
            (
                f"user:{secret}@{host}{path}",
                f"{secret}@{host}{path}",
                f":{secret}@{host}{path}",
                f"{secret}:{secret}@{host}{path}?ssl=on",
                f"{host}{path}?{query}={secret}",
                f"{host}{path}?a=b&{query}={secret}@x#y",
                f"user:word@{host}{path}?{query}={secret}",
                f"{host}{path}?{secret}",
                f"{host}{path}#{secret}",
                f"user:word@{secret}@{host}{path}",
            )
        )
    )
    return f"{scheme}://{form}"


@given(urls())
def test_a_shown_url_holds_nothing_of_its_secret(url: str) -> None:
    assert CANARY not in display_url(url)


@example("postgresql://user:xyzzy-secret;0@db.example.org:5432", "")  # two secrets overlap
@given(urls(), texts)
def test_a_text_that_quotes_a_remembered_url_in_whole_or_in_parts_is_freed_of_its_secret(url: str, words: str) -> None:
    redaction._secrets.clear()
    remember_secrets(urls=[url])
    rest = url.partition("://")[2]
    for quoted in (url, rest, repr(url), json.dumps(url), f"Port could not be cast to integer value as {rest!r}"):
        if "host=" not in url:
            assert CANARY not in redact(f"{words} {quoted} {words}")


@given(secrets, spelled)
def test_a_remembered_secret_is_removed_in_every_spelling(secret: str, spell: object) -> None:
    remember_secrets(secrets=[secret])
    said = spell(secret)  # type: ignore[operator]
    for text in (said, f"key={said}", json.dumps({"a": said}), json.dumps({"a": said}, ensure_ascii=False), repr(said)):
        assert CANARY not in redact(text), text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:word@db:5432/explore?ssl=on", "postgresql://db:5432/explore"),
        ("postgresql:///explore?host=db&password=word", "postgresql:///explore"),
        ("redis://:word@a:6379,b:6380/0", "redis://a:6379,b:6380/0"),
        ("redis://me:12/34@db/0", "redis://…"),
        ("redis://me:12#34@db/0", "redis://…"),
        ("https://login.example.com/.well-known/jwks.json", "https://login.example.com/.well-known/jwks.json"),
        ("sqlite:////srv/var/explore.sqlite", "sqlite:////srv/var/explore.sqlite"),
        ("me:word@db", "…"),
        ("//me:word@db", "…"),
    ],
)
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert display_url(url) == shown


def test_an_unknown_url_in_a_text_is_shortened() -> None:
    assert redact("no answer from http://me:word@host/v1?key=word, gave up") == "no answer from http://host/v1 gave up"
    assert redact("http://host/v1 is fine") == "http://host/v1 is fine"


def test_the_time_for_a_url_grows_with_its_length_only() -> None:
    # Where parts of a pattern can share the same characters, 40 of them take hours.
    assert display_url("http://" + "a" * 5_000 + "!") == "http://…"
    assert redact("see http://" + "a.b-" * 2_000 + "'") == "see http://" + "a.b-" * 2_000 + "'"


def test_words_that_are_no_secret_stay() -> None:
    remember_secrets(urls=["postgresql://explore:abc@db/explore?sslmode=require"], secrets=["", "ab"])
    remember_secrets(urls=["postgresql://explore@db/explore?pgbouncer=true&target_session_attrs=read-write"])
    assert redact("explore requires abc") == "explore requires abc"
    assert redact("true and read-write") == "true and read-write"
