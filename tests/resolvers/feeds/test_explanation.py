"""What would remove it, as a client asks it."""

from typing import Any

from tests.resolvers.conftest import ANONYMOUS_VIEWER, Graph, assert_plain, user

WHY = """whatWouldRemoveIt { text causes { __typename text
  ... on InterestCause { key name kind confidence } ... on ProjectCause { project { key } viewerAction at } } }"""
FEED = f"{{ forYou(first: 30) {{ edges {{ node {{ key }} explanation {{ {WHY} }} }} }} }}"


async def test_each_cause_is_typed_and_said_in_plain_words(graph: Graph) -> None:
    await graph.world.add_projects(80, start=100)
    await graph.world.settle()
    edges = (await graph.data(FEED, user("ada")))["forYou"]["edges"]
    told = [told for edge in edges if (told := edge["explanation"]["whatWouldRemoveIt"]) is not None]
    assert told
    seen: set[str] = set()
    for one in told:
        assert_plain(one["text"])
        assert one["text"].endswith(" on your page.")
        assert 1 <= len(one["causes"]) <= 3
        for cause in one["causes"]:
            seen.add(cause["__typename"])
            if cause["__typename"] == "InterestCause":
                assert cause["text"] == f"Your interest in {cause['name']}"
                assert cause["key"] in ("painting", "tool-0")
            else:
                assert cause["project"] == {"key": "p0000"}
                assert (cause["viewerAction"], cause["text"]) == (
                    "LIKE",
                    "The fact that you liked “painting with models, part 0”",
                )
    assert "InterestCause" in seen


async def test_other_feeds_and_people_of_whom_nothing_is_known_have_no_causes(graph: Graph) -> None:
    other = f"{{ newest(first: 5) {{ edges {{ explanation {{ {WHY} }} }} }} }}"
    for query, caller in ((other, user("ada")), (FEED, ANONYMOUS_VIEWER)):
        data: dict[str, Any] = next(iter((await graph.data(query, caller)).values()))
        assert [edge["explanation"]["whatWouldRemoveIt"] for edge in data["edges"]] == [None] * len(data["edges"])
