"""GraphiQL as a front-end developer meets it: nothing from another host, nothing against the content policy."""

import json
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from db.demo import DEMO_VIEWERS
from db.models import Role
from gateway.assets import FRONTEND
from tests.browser.layout import page_fits

EXAMPLES = sorted(
    path for path in (FRONTEND / "graphiql" / "src" / "examples").glob("*.graphql") if path.stem != "7-live"
)
EDITORS = (".CodeMirror", ".graphiql-tabs", ".graphiql-editor-tools")
"""GraphiQL's own parts with faults of their own: CodeMirror 5's text areas have no label, a tab holds its close button,
and what a hidden list of tools controls is not there."""


async def result(page):
    """Give what the result pane shows, once it shows an answer."""
    pane = page.get_by_role("region", name="Result Window")
    await expect(pane).to_contain_text('"data"')
    # The editor draws only the lines in sight: ask it for its whole text.
    return json.loads(await pane.locator(".CodeMirror").evaluate("(element) => element.CodeMirror.getValue()"))


async def run(page):
    # The editor is loaded after all else; a press of the button before that asks for nothing.
    await expect(page.get_by_role("region", name="Query Editor")).to_contain_text("{")
    await page.get_by_role("button", name="Execute query").click()
    return await result(page)


async def test_graphiql_opens_with_example_queries_and_the_reference_beside_them(open_page, keep):
    page = await open_page("/graphql")
    for name in ("ForYou", "Trending", "Search", "Quiz", "Status", "Catalog", "Live"):
        await expect(page.get_by_role("tab", name=name)).to_be_visible()
    docs = page.get_by_role("region", name="Documentation Explorer")
    await docs.get_by_role("link", name="Query", exact=True).click()
    await expect(docs).to_contain_text("Projects ranked for you by your interests and interactions")
    await docs.get_by_role("link", name="forYou", exact=True).click()
    await expect(docs).to_contain_text("The number of projects per page")
    await keep(page, "docs")


async def test_an_example_runs_at_the_press_of_a_button_and_a_tab_brings_the_next(open_page):
    page = await open_page("/graphql")
    assert (await run(page))["data"]["forYou"]["strategy"] == "POPULAR"
    await page.get_by_role("tab", name="Trending").click()
    assert len((await run(page))["data"]["trending"]["edges"]) == 10


async def test_a_token_that_is_pasted_as_it_was_copied_makes_the_feed_personal(open_page, demo, keep):
    page = await open_page("/graphql")
    await page.get_by_label("Token", exact=True).fill(f'"Bearer {demo.token("heavy")}"\n')
    await expect(page.get_by_role("status")).to_contain_text("You ask as “heavy”, until")
    assert (await run(page))["data"]["forYou"]["strategy"] == "PERSONALIZED"
    await keep(page, "personal")
    await page.reload()
    await expect(page.get_by_role("status")).to_contain_text("You ask as “heavy”")


async def test_a_demo_viewer_is_chosen_from_a_list(open_page):
    page = await open_page("/graphql")
    wanted = ["", *(viewer.key for viewer in DEMO_VIEWERS if viewer.key != "administrator")]
    options = page.get_by_label("Ask as").locator("option")
    await expect(options).to_have_count(len(wanted))
    assert await options.evaluate_all("all => all.map((one) => one.value)") == wanted
    await page.get_by_label("Ask as").select_option("narrow")
    await expect(page.get_by_role("status")).to_contain_text("You ask as “narrow”")
    assert (await run(page))["data"]["forYou"]["strategy"] == "PERSONALIZED"


async def test_a_visitor_is_known_by_the_session_that_the_first_answer_gave(open_page):
    page = await open_page("/graphql")
    await expect(page.get_by_role("status")).to_contain_text("whom the session knows")
    given = await page.get_by_label("Session").input_value()
    await page.get_by_role("tab", name="Status").click()
    assert (await run(page))["data"]["viewer"]["kind"] == "SESSION"
    assert await page.get_by_label("Session").input_value() == given


@pytest.mark.parametrize(
    ("token", "said"), [("nonsense", "This is no token"), ("a.eyJzdWIiOiJhZGEiLCJleHAiOjF9.c", "“ada” expired on")]
)
async def test_a_token_that_cannot_be_used_is_told_before_it_is_sent(open_page, guard, token, said):
    guard.allow("401")  # the schema is asked for again, as whoever asks now
    page = await open_page("/graphql")
    await page.get_by_label("Token", exact=True).fill(token)
    await expect(page.get_by_role("status")).to_contain_text(said)


async def test_the_keyboard_alone_runs_a_query(open_page):
    page = await open_page("/graphql")
    editor = page.get_by_role("region", name="Query Editor").get_by_role("textbox")
    await editor.focus()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text("{ viewer { kind } }")
    await page.keyboard.press("Control+Enter")
    assert (await result(page))["data"] == {"viewer": {"kind": "SESSION"}}


async def test_what_we_added_to_graphiql_can_be_used_by_everybody(open_page, check_schemes):
    page = await open_page("/graphql", color_scheme="dark")
    await run(page)
    await page.get_by_text("Where do I get a token?").click()
    await check_schemes(page, except_in=(*EDITORS, ".graphiql-doc-explorer"))


async def test_graphiql_can_be_used_on_a_small_screen(open_page, keep):
    page = await open_page("/graphql", viewport={"width": 480, "height": 800})
    await run(page)
    await keep(page, "small")
    assert await page_fits(page)


async def test_a_subscription_shows_what_happens_until_it_is_stopped(open_page, demo, keep):
    page = await open_page("/graphql")
    headers = {"Authorization": f"Bearer {demo.token('yusuf-barros')}"}
    await page.get_by_label("Token", exact=True).fill(demo.token("yusuf-barros"))
    await expect(page.get_by_role("region", name="Query Editor")).to_contain_text("ForYou")  # it is loaded
    await page.get_by_role("tab", name="Live").click()
    await expect(page.get_by_role("region", name="Query Editor")).to_contain_text("feedChanged")
    async with page.expect_response("**/graphql"):
        await page.get_by_role("button", name="Execute query").click()
    stop = page.get_by_role("button", name="Stop query")
    await expect(stop).to_be_visible()
    like = {"query": 'mutation { likeProject(key: "which-model-understands-7-8") { viewer { version } } }'}
    async with httpx.AsyncClient() as client:
        assert "errors" not in (await client.post(f"{demo.address}/graphql", json=like, headers=headers)).json()
    told = await result(page)
    assert told["data"]["feedChanged"]["feed"] == "FOR_YOU"
    await keep(page, "told")
    await stop.click()
    await expect(page.get_by_role("button", name="Execute query")).to_be_visible()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_answered_on_the_demo_data(demo, path: Path):
    token = demo.token("my-platform", Role.SERVICE) if "catalog" in path.stem else demo.token("heavy")
    answer = httpx.post(
        f"{demo.address}/graphql", json={"query": path.read_text()}, headers={"Authorization": f"Bearer {token}"}
    ).json()
    assert "errors" not in answer
    assert answer["data"]
