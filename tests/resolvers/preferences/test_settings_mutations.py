"""A viewer's own settings through the graph."""

from typing import Any

from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import SESSION, Graph, assert_plain, user

UPDATE = """mutation ($settings: PersonalizationSettingsInput!) { updatePersonalizationSettings(settings: $settings) {
  changed userErrors { code path message }
  settings { personalized useInterests learnFromViews learnFromLikes socialSignals discovery }
  viewer { version personalizationSettings { discovery } } } }"""
EXPLAINED = """{ forYou(first: 40) { strategy edges { score explanation { score
  contributions { contribution switchedOff signal { name label } } } } } }"""


async def change(graph: Graph, caller: Caller, **settings: Any) -> dict[str, Any]:
    data = await graph.data(UPDATE, caller, settings=settings)
    return data["updatePersonalizationSettings"]  # type: ignore[no-any-return]


async def test_settings_are_changed_one_by_one_and_shown_to_their_owner(graph: Graph) -> None:
    answer = await change(graph, user("ada"), socialSignals=False, discovery=70)
    assert (answer["changed"], answer["userErrors"]) == (True, [])
    assert answer["viewer"]["personalizationSettings"] == {"discovery": 70}
    version = answer["viewer"]["version"]
    answer = await change(graph, user("ada"), useInterests=None)
    assert (answer["changed"], answer["viewer"]["version"]) == (False, version)
    assert answer["settings"] == {
        "personalized": True,
        "useInterests": True,
        "learnFromViews": True,
        "learnFromLikes": True,
        "socialSignals": False,
        "discovery": 70,
    }
    others = await change(graph, user("cook"))
    assert others["settings"]["socialSignals"]


async def test_an_explanation_marks_what_is_switched_off_and_still_adds_up(graph: Graph) -> None:
    await change(graph, user("ada"), useInterests=False, discovery=100)
    feed = (await graph.data(EXPLAINED, user("ada")))["forYou"]
    assert feed["strategy"] == "PERSONALIZED"
    for edge in feed["edges"]:
        parts = {one["signal"]["name"]: one for one in edge["explanation"]["contributions"]}
        assert {name for name, one in parts.items() if one["switchedOff"]} == {"explicit_preferences"}
        assert parts["explicit_preferences"]["contribution"] == 0
        assert parts["novelty"]["signal"]["label"] == "New to you"
        assert abs(sum(one["contribution"] for one in parts.values()) - edge["score"]) < 1e-9


async def test_a_session_sets_too(graph: Graph) -> None:
    assert (await change(graph, SESSION, personalized=False))["settings"]["personalized"] is False


async def test_a_balance_that_is_none_is_refused_with_its_path_and_nothing_is_taken(graph: Graph) -> None:
    for discovery in (-1, 101, 2**31 - 1):
        answer = await change(graph, user("ada"), discovery=discovery, socialSignals=False)
        (error,) = answer["userErrors"]
        assert (error["code"], error["path"]) == ("INVALID", ["settings", "discovery"])
        assert_plain(error["message"].replace("`discovery`", "Discovery"))
        assert answer["settings"]["socialSignals"] is True


async def test_a_search_is_not_personal_for_somebody_who_wants_no_profile(graph: Graph) -> None:
    search = """{ search(query: "painting", personalized: true) { edges { explanation { contributions {
      contribution signal { name } } } } } }"""

    async def boosts() -> set[float]:
        edges = (await graph.data(search, user("ada")))["search"]["edges"]
        parts = [part for edge in edges for part in edge["explanation"]["contributions"]]
        return {part["contribution"] for part in parts if part["signal"]["name"] == "personal_boost"}

    assert max(await boosts()) > 0
    await change(graph, user("ada"), personalized=False)
    assert await boosts() == {0}
