"""The status of a profile through the graph, for a user, a session and nobody."""

from dataclasses import replace
from typing import Any

import pytest

from db.models import InteractionType
from resolvers.schema import schema
from scoring.mathematics.viewer_stages import Thresholds
from scoring.onboarding.generated_questions import refresh_questions
from scoring.use_cases.unit_of_work import Caller
from tests.conftest import CountStatements
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SESSION, Graph, user

STATUS = """{ personalizationStatus {
  about hasSufficientData hasCompletedOnboarding needsOnboarding stage quality strategy profileAgeSeconds
  signalSummary { interests learnedInterests interactions likes answers } thresholds { interests interactions likes }
  qualityParts { part value maximum } missing { kind have needed remaining text }
  signals { signal { name label group } active inactiveReason } } forYou(first: 1) { strategy } }"""

ACT = "mutation ($key: String!) { act(key: $key) { __typename } }"


async def status(graph: Graph, caller: Caller) -> dict[str, Any]:
    """Ask for the status; the strategy it tells is the one that the feed has."""
    data = await graph.data(STATUS, caller)
    known: dict[str, Any] = data["personalizationStatus"]
    assert known["strategy"] == data["forYou"]["strategy"]
    assert known["quality"] == pytest.approx(sum(part["value"] for part in known["qualityParts"]))
    assert sum(part["maximum"] for part in known["qualityParts"]) == pytest.approx(1)
    return known


async def test_a_user_a_session_and_nobody_each_have_a_status(graph: Graph) -> None:
    ada = await status(graph, user("ada"))
    assert (ada["about"], ada["stage"], ada["strategy"]) == ("USER", "LIGHT", "PERSONALIZED")
    assert ada["signalSummary"] == {"interests": 2, "learnedInterests": 0, "interactions": 1, "likes": 1, "answers": 0}
    assert ada["thresholds"] == {"interests": 3, "interactions": 10, "likes": 5}
    assert 0 < ada["profileAgeSeconds"] < 3_600
    for caller, about in ((SESSION, "SESSION"), (ANONYMOUS_VIEWER, "ANONYMOUS"), (user("stranger"), "USER")):
        known = await status(graph, caller)
        assert (known["about"], known["stage"], known["quality"]) == (about, "NEW", 0)
        assert (known["needsOnboarding"], known["profileAgeSeconds"]) == (True, None)


async def test_a_sessions_events_move_its_status_and_its_feed(graph: Graph) -> None:
    page = "{ forYou(first: 12) { strategy edges { node { key } } } }"
    before = (await graph.data(page, SESSION))["forYou"]
    assert before["strategy"] == "POPULAR"
    events = [{"project": f"p{n:04}", "type": "VIEW"} for n in (2, 8, 14)]  # robots
    await graph.data(
        "mutation ($events: [InteractionInput!]!) { recordInteractions(events: $events) { recorded } }",
        SESSION,
        events=events,
    )
    known = await status(graph, SESSION)
    assert (known["about"], known["stage"], known["signalSummary"]["interactions"]) == ("SESSION", "LIGHT", 3)
    after = (await graph.data(page, SESSION))["forYou"]
    assert after["strategy"] == "PERSONALIZED"

    def robots(feed: dict[str, Any]) -> int:
        return sum(int(edge["node"]["key"][1:]) % 6 == 2 for edge in feed["edges"])

    assert robots(after) > robots(before)


async def test_each_act_shows_at_once(graph: Graph) -> None:
    qualities = [(await status(graph, user("cook")))["quality"]]
    for n in range(5):
        await graph.data(ACT.replace("act", "likeProject"), user("cook"), key=f"p{n:04}")
        qualities.append((await status(graph, user("cook")))["quality"])
    assert qualities == sorted(qualities)
    assert len(set(qualities)) == 6
    known = await status(graph, user("cook"))
    assert (known["hasSufficientData"], known["stage"]) == (True, "HEAVY")
    assert {one["kind"] for one in known["missing"]} == {"INTERESTS", "INTERACTIONS"}
    await graph.data('mutation { unlikeProject(key: "p0000") { changed } }', user("cook"))
    assert (await status(graph, user("cook")))["signalSummary"]["likes"] == 4


async def test_switched_off_sources_are_told_and_the_strategy_follows(graph: Graph) -> None:
    change = (
        "mutation ($s: PersonalizationSettingsInput!) { updatePersonalizationSettings(settings: $s) { __typename } }"
    )
    await graph.data(change, user("ada"), s={"personalized": False})
    known = await status(graph, user("ada"))
    assert known["strategy"] == "POPULAR"
    assert not any(one["active"] for one in known["signals"])
    await graph.data(change, user("ada"), s={"personalized": True, "useInterests": False})
    known = await status(graph, user("ada"))
    assert known["strategy"] == "PERSONALIZED"
    off = [
        one["signal"]["name"]
        for one in known["signals"]
        if one["inactiveReason"] and "Turned off" in one["inactiveReason"]
    ]
    assert off == ["explicit_preferences"]


async def test_acts_that_were_all_undone_count_for_nothing(graph: Graph) -> None:
    for name in ("likeProject", "unlikeProject"):
        await graph.data(ACT.replace("act", name), user("cook"), key="p0003")
    known = await status(graph, user("cook"))
    assert (known["signalSummary"]["interactions"], known["strategy"]) == (0, "POPULAR")


async def test_the_status_is_one_statement_however_much_was_done(graph: Graph, statements: CountStatements) -> None:
    await refresh_questions(graph.database)
    for many in (2, 30):
        await graph.world.act("cook", InteractionType.VIEW, *(f"p{n:04}" for n in range(many)))
        with statements(graph.database) as issued:
            await graph.data(STATUS.replace(" forYou(first: 1) { strategy } }", "}"), user("cook"))
        assert len(issued) == 2, issued  # the viewer, and the counts


async def test_the_operators_thresholds_hold(graph: Graph) -> None:
    context = replace(graph.context(user("ada")), thresholds=Thresholds(interests=1, interactions=2, likes=3))
    result = await schema.execute(
        "{ personalizationStatus { hasSufficientData thresholds { interests } } }", context_value=context
    )
    assert result.data == {"personalizationStatus": {"hasSufficientData": True, "thresholds": {"interests": 1}}}
