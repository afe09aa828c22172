"""Which answers a cache may keep: those, and only those, that are the same for everybody unknown."""

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType

from gateway.documents.document_cache import DocumentCache
from gateway.graphql_http.public_caching import _sharing, _sharing_of_field
from resolvers.common.field_costs import Sharing
from resolvers.schema import schema

READ = {"X-Explore-Request": "1"}


async def read(client, query, **headers):
    return await client.get("/graphql", params={"query": query}, headers={**READ, **headers})


async def test_a_shared_answer_may_be_kept_and_is_asked_for_again(client):
    first = await read(client, "{ thing { name size likeIt { name __typename } } }")
    again = await read(
        client, "{ thing { name size likeIt { name __typename } } }", **{"If-None-Match": first.headers["etag"]}
    )
    assert first.headers["cache-control"] == "public, no-cache"
    assert {"Accept", "Authorization", "X-Session-Id"} <= set(first.headers["vary"].split(", "))
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == first.headers["cache-control"]


@pytest.mark.parametrize("known", ['"other", {tag}', "{strong}", "*"])
async def test_a_tag_is_found_among_others_weak_or_strong(client, known):
    tag = (await read(client, "{ thing { name } }")).headers["etag"]
    listed = known.format(tag=tag, strong=tag.removeprefix("W/"))
    assert (await read(client, "{ thing { name } }", **{"If-None-Match": listed})).status_code == 304


async def test_a_changed_answer_has_another_tag(client):
    one, other = [await read(client, query) for query in ("{ thing { name } }", "{ thing { size } }")]
    assert one.headers["etag"] != other.headers["etag"]
    assert (await read(client, "{ thing { size } }", **{"If-None-Match": one.headers["etag"]})).status_code == 200


async def test_how_long_it_may_be_kept_is_a_setting(gateway):
    async with gateway(public_cache_s=30) as client:
        assert (await read(client, "{ thing { name } }")).headers["cache-control"] == "public, max-age=30"


async def test_a_shared_answer_is_made_for_nobody_and_gives_no_session_away(client):
    answer = await read(client, "{ whose }")
    assert "x-session-id" not in answer.headers
    assert "user_key=None, session_key=None" in answer.json()["data"]["whose"]


NOT_KEPT = {
    "a field of the viewer": "{ thing { name isMine } }",
    "a field of the viewer in a fragment": "{ thing { ...F } } fragment F on Thing { likeIt { isMine } }",
    "a field of the viewer that is left out": "{ thing { name isMine @skip(if: true) } }",
    "a root field of the viewer": "{ thing { name } caller }",
    "another operation's": "query A { thing { name } }  query B { caller }",
    "introspection": "{ thing { name } __schema { queryType { name } } }",
    "a store was away": "{ thing(whole: false) { name } }",
    "an error": "{ thing(fails: true) { name } }",
}


@pytest.mark.parametrize("case", NOT_KEPT)
async def test_no_other_answer_is_kept(client, case):
    params = {"query": NOT_KEPT[case], **({"operationName": "A"} if "another" in case else {})}
    answer = await client.get("/graphql", params=params, headers=READ)
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert answer.status_code == 200


async def test_an_answer_to_somebody_known_is_not_kept(client, authority):
    session = (await client.post("/graphql", json={"query": "{ echo }"})).headers["x-session-id"]
    for headers in ({"X-Session-Id": session}, {"Authorization": f"Bearer {authority.issue('ada')}"}):
        answer = await read(client, "{ thing { name } }", **headers)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["data"] == {"thing": {"name": "a"}}


async def test_an_answer_to_a_post_is_not_kept(client):
    answer = await client.post("/graphql", json={"query": "{ thing { name } }"})
    assert answer.headers["cache-control"] == "no-store"
    assert "x-session-id" in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_answer_with_marks_is_shared_in_the_gateway_and_kept_by_nobody_else(client, method):
    query = "{ whose thing { isLiked } }"
    sent = {"params": {"query": query}} if method == "GET" else {"json": {"query": query}}
    answers = [await client.request(method, "/graphql", headers=READ, **sent) for _ in range(3)]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
    assert len({answer.headers["x-session-id"] for answer in answers}) == 3
    assert answers[1].json()["data"] == answers[2].json()["data"]  # a new document in a POST is not shared at first
    assert "session_key=None" in answers[2].json()["data"]["whose"]
    assert answers[2].json()["data"]["thing"] == {"isLiked": False}


# --- the product's own schema -------------------------------------------------------------------------------------

SHARED = {
    "Category.description",
    "Project.activity",
    "Project.activityByDay",
    "Project.categories",
    "Project.engagementVelocity",
    "Project.owner",
    "Project.tools",
    "Project.topics",
    "Query.categories",
    "Query.newest",
    "Query.popular",
    "Query.tools",
    "Query.topics",
    "Query.trending",
    "Tool.category",
    "Tool.description",
    "Tool.tagline",
    "Tool.tags",
    "Tool.useCases",
}


@pytest.mark.parametrize(
    ("sharing", "fields"),
    [(Sharing.PUBLIC, SHARED), (Sharing.ANONYMOUS, {"Project.viewerHasLiked", "Project.viewerHasSaved"})],
)
def test_what_is_shared_was_decided_field_by_field(sharing, fields):
    """A resolver that joins the list must give strangers one answer, whatever it reads."""
    with_resolver = {
        f"{type_.name}.{name}"
        for type_ in schema._schema.type_map.values()
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        for name, field in type_.fields.items()
        if _sharing_of_field(field) is sharing and field.extensions["strawberry-definition"].base_resolver is not None
    }
    assert with_resolver == fields


@pytest.mark.parametrize(
    ("query", "sharing"),
    [
        ("{ trending { edges { rank node { title likeCount tools { name } owner { username } } } } }", Sharing.PUBLIC),
        ("{ tools { edges { node { name tagline } } } categories { name description } }", Sharing.PUBLIC),
        ("{ trending { edges { node { title viewerHasLiked } } } }", Sharing.ANONYMOUS),
        ("{ trending { edges { node { title explanation { score } } } } }", Sharing.NONE),
        ("{ newest { edges { node { similar { edges { rank } } } } } }", Sharing.NONE),
        ("{ forYou { edges { rank } } }", Sharing.NONE),
        ("{ viewer { key } }", Sharing.NONE),
        ('mutation { likeProject(key: "a") { __typename } }', Sharing.NONE),
    ],
)
def test_a_document_is_shared_as_its_least_shared_field(query, sharing):
    assert _sharing(schema._schema, DocumentCache(schema._schema).read(query)) is sharing
