"""Who is asking."""

from db.models import Role
from scoring.use_cases.unit_of_work import Caller
from tests.conftest import CountStatements
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SERVICE, SESSION, Graph, user

VIEWER = "{ viewer { kind key role version user { id key username } interests { name kind } } }"


async def test_a_user_sees_who_they_are(graph: Graph) -> None:
    viewer = (await graph.data(VIEWER, user("ada")))["viewer"]
    assert (viewer["kind"], viewer["key"], viewer["role"]) == ("USER", "ada", "VIEWER")
    assert viewer["user"]["username"] == "Ada"
    assert {one["name"]: one["kind"] for one in viewer["interests"]} == {"painting": "CATEGORY", "tool-0": "TOOL"}


async def test_everybody_is_somebody_or_nobody(graph: Graph) -> None:
    for caller, kind in ((ANONYMOUS_VIEWER, "ANONYMOUS"), (SESSION, "SESSION"), (user("stranger"), "USER")):
        viewer = (await graph.data(VIEWER, caller))["viewer"]
        assert (viewer["kind"], viewer["version"], viewer["user"], viewer["interests"]) == (kind, 0, None, [])
        assert viewer["role"] == "VIEWER"


async def test_the_token_tells_the_role(graph: Graph) -> None:
    for role in Role:
        data = await graph.data(VIEWER, Caller(user_key="ada", role=role))
        assert data["viewer"]["role"] == role.name


async def test_one_request_reads_its_viewer_once(graph: Graph, statements: CountStatements) -> None:
    with statements(graph.database) as issued:
        await graph.data(
            '{ a: viewer { version } b: viewer { role } c: project(key: "p0001") { viewerHasLiked } }', SERVICE
        )
    assert sum("LEFT OUTER JOIN actors" in statement for statement in issued) == 1
