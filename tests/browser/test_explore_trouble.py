"""The explore page when something is not as it should be: network, gateway, token, titles, a small screen."""

from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import expect

from db.models import Role
from tests.browser.accessibility import violations
from tests.browser.conftest import running_demo
from tests.browser.explore_page import answer_to, asks_for, card_without, cards, keys, settled
from tests.browser.guard import answered
from tests.browser.layout import fits, page_fits

PAGE = 24
"""Cards that the page asks for at a time."""
PHONE = {"width": 320, "height": 640}

UPSERT = """mutation($projects: [ProjectInput!]!) {
  upsertProjects(projects: $projects) { added changed userErrors { message } } }"""

HOSTILE = {
    "html": "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>",
    "endless": "endless" * 71,
    "emoji": "👩‍👩‍👧‍👦 family 🏳️‍🌈 flag 🇺🇳 and ℤ𝕒𝕝𝕘𝕠 z̸̡̛a̶͝l̵̓g̷̈́o̸",
    "arabic": "مولد موسيقى مفتوح المصدر (beta) للأطفال 2026",
    "override": "\u202egnp.elif\u202c title",
}


def add(demo, *projects):
    token = demo.token("platform", Role.SERVICE)
    answer = httpx.post(
        f"{demo.address}/graphql",
        json={"query": UPSERT, "variables": {"projects": projects}},
        headers={"Authorization": f"Bearer {token}"},
    ).json()
    assert answer["data"]["upsertProjects"]["userErrors"] == []


@pytest.fixture(scope="module")
def hostile(demo):
    """Projects with titles that try to break the page, the newest of all; neither tools nor description nor address."""
    add(demo, *({"key": f"hostile-{name}", "title": title, "type": "article"} for name, title in HOSTILE.items()))
    add(
        demo,
        {"key": "hostile-url", "title": "An address that runs", "type": "article", "description": "<b>x</b> " * 999},
    )


@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "wide"])
async def test_a_title_is_text_whatever_it_holds_and_stays_in_its_card(open_page, hostile, keep, size):
    page = await open_page("/?tab=new", viewer="alba-laurent", viewport=size)
    await settled(page)
    for name, title in HOSTILE.items():
        card = page.locator(f'[data-key="hostile-{name}"]')
        assert await card.get_by_role("heading").text_content() == title
        assert await fits(card), name
    assert await page.title() != "taken over"
    assert await page.locator('[data-key="hostile-html"] img').count() == 0
    assert await page_fits(page)
    await keep(page, str(size["width"]))
    assert await violations(page) == []


async def test_a_right_to_left_title_reads_from_the_right(open_page, hostile):
    page = await open_page("/?tab=new", viewer="alba-laurent")
    heading = page.locator('[data-key="hostile-arabic"]').get_by_role("heading")
    assert await heading.evaluate("(heading) => getComputedStyle(heading).direction") == "rtl"


async def test_the_page_fits_a_phone(open_page, check_schemes):
    page = await open_page("/", viewer="heavy", viewport=PHONE, color_scheme="dark", has_touch=True)
    await settled(page)
    assert await page_fits(page)
    await check_schemes(page)
    await page.get_by_role("button", name="Filters").tap()
    assert await page_fits(page)
    await page.get_by_role("button", name="Filters").tap()
    await cards(page).first.get_by_role("button", name="Why?").tap()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("region", name="How the score adds up")).to_be_visible()
    assert await fits(dialog)
    await check_schemes(page, "why")


async def test_a_token_that_runs_out_is_replaced_and_nothing_is_lost(open_page, demo, guard):
    guard.allow("401")
    page = await open_page("/", viewer="heavy", token=demo.token("heavy", hours=-1))
    await settled(page)
    good = await open_page("/", viewer="heavy")
    assert (await keys(page))[:10] == (await keys(good))[:10]


async def test_a_token_that_runs_out_and_cannot_be_replaced_is_told(open_page, demo, guard, keep):
    guard.allow("401")
    page = await open_page("/", viewer="amara-kaya", token=demo.token("amara-kaya", hours=-1))
    await expect(page.get_by_text("Your session has expired")).to_be_visible()
    await keep(page, "signed_out")
    assert await violations(page) == []


async def test_a_broken_answer_is_told_and_asked_for_again_at_the_press_of_a_button(open_page, guard, keep):
    guard.allow("50[03]")
    page = await open_page("/?tab=new", viewer="amara-fujita")
    await settled(page)
    await page.route(
        "**/graphql",
        lambda route: route.fulfill(
            status=500, json={"errors": [{"message": "x", "extensions": {"code": "INTERNAL"}}]}
        ),
    )
    await page.get_by_role("tab", name="Trending").click()
    await expect(page.get_by_role("alert")).to_contain_text("Something went wrong")
    await keep(page, "broken")
    assert await violations(page) == []
    await page.unroute("**/graphql")
    await page.get_by_role("button", name="Try again").click()
    await settled(page)


async def test_offline_the_page_stays_and_goes_on_by_itself_when_the_network_is_back(open_page, guard, keep):
    guard.allow("ERR_INTERNET_DISCONNECTED")
    page = await open_page("/?tab=new", viewer="amara-silva")
    shown = await keys(page)
    await page.context.set_offline(True)
    await page.mouse.wheel(0, 20_000)
    await expect(page.get_by_role("alert")).to_contain_text("You're offline")
    await keep(page, "offline")
    assert await violations(page) == []
    assert await keys_now(page) == shown
    await page.context.set_offline(False)
    await expect(cards(page).nth(len(shown))).to_be_attached()
    assert (await keys_now(page))[: len(shown)] == shown


async def keys_now(page):
    return await cards(page).evaluate_all("(cards) => cards.map((card) => card.dataset.key)")


async def test_an_empty_search_says_what_to_do(open_page, keep):
    page = await open_page("/?q=drum&category=no-such-category", viewer="amara-silva")
    await expect(page.get_by_role("heading", name="No results")).to_be_visible()
    await keep(page, "nothing")
    assert await violations(page) == []


async def test_answers_that_come_in_the_wrong_order_leave_the_last_wish(open_page):
    page = await open_page("/?tab=new", viewer="alba-laurent")
    await settled(page)
    held = []

    async def first_waits(route):
        if asks_for(route, "likeProject") and not held:
            held.append(route)
        else:
            await route.continue_()

    await page.route("**/graphql", first_waits)
    button = (await card_without(page, "Like", 8)).get_by_role("button", name="Like")
    async with page.expect_request(lambda request: "likeProject" in (request.post_data or "")):
        await button.click()
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "false")
    async with answer_to(page, "Unlike"):
        await held[0].continue_()
    await answered(page)
    await expect(button).to_have_attribute("aria-pressed", "false")
    await page.reload()
    await settled(page)
    await expect(button).to_have_attribute("aria-pressed", "false")


async def test_a_gateway_that_is_killed_and_comes_back_is_gone_on_with(open_page, demo_data, guard, keep, tmp_path):
    guard.allow("ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING")  # the last: the stream was cut
    with running_demo(tmp_path, demo_data) as first:
        address = first.address
        page = await open_page("/", base_url=address, viewer="heavy", token=first.token("heavy"))
        await settled(page)
    # Its process was killed, not stopped.
    await page.get_by_role("tab", name="Trending").click()
    await expect(page.get_by_role("alert")).to_contain_text("Can't connect")
    await keep(page, "away")
    assert await violations(page) == []
    with running_demo(tmp_path, demo_data, "--port", str(urlsplit(address).port)):
        await settled(page)
        await page.get_by_role("tab", name="For You").click()
        found = await keys(page)
        assert len(set(found)) == len(found) >= PAGE
