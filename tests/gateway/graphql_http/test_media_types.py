from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestRefused
from gateway.graphql_http.media_types import GRAPHQL, JSON, negotiate_media_type


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}; charset=utf-8", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON};q=0.9", JSON),
        (f"{GRAPHQL}, */*;q=0.1", GRAPHQL),
        (f"{JSON};q=0, */*", GRAPHQL),
        ("text/html, application/*;q=0.8", JSON),
        ("APPLICATION/GraphQL-Response+JSON", GRAPHQL),
        # as urql sends it
        (f"{GRAPHQL}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed", GRAPHQL),
    ],
)
def test_the_answers_type_is_what_the_client_wants_most(accept, media):
    assert negotiate_media_type(accept) == media


@pytest.mark.parametrize("accept", ["text/plain", f"{JSON};q=0", "application/xml, text/*", f"{JSON};q=nan", ",;,"])
def test_a_client_that_takes_neither_type_is_told(accept):
    with pytest.raises(RequestRefused, match=r"accept one of them\.") as refused:
        negotiate_media_type(accept)
    assert refused.value.status == 406


@given(st.text(st.characters(max_codepoint=255)))
def test_no_header_breaks_the_choice(accept):
    with suppress(RequestRefused):
        assert negotiate_media_type(accept) in (GRAPHQL, JSON)
