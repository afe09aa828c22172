"""The explanation of a card: always the numbers of the ranking that placed it, whatever has happened since."""

from decimal import Decimal

import pytest
from playwright.async_api import Page, Response, Route, expect

from scoring.tunables import PERSONAL_FRESH_S
from tests.aging import age_cache
from tests.browser.accessibility import violations
from tests.browser.explore_page import amount, answer_to, cards, settled
from tests.browser.guard import answered

FEEDS = {
    "for you": "/",
    "for you of a filter": "/?type=article",
    "trending": "/?tab=trending",
    "new": "/?tab=new",
    "search": "/?q=music",
}
EXPIRED = "This explanation has expired"
MILLIONTH = Decimal("0.000001")


def is_feed(response: Response) -> bool:
    return "fragment FeedPage" in (response.request.post_data or "")


async def score_in(response: Response) -> Decimal:
    """Return the score of the first card of a feed's answer."""
    edge = (await response.json())["data"]["feed"]["edges"][0]
    return Decimal(edge["score"]).quantize(MILLIONTH)


async def expire_edges(route: Route) -> None:
    """Answer a query of an edge as after the end of its ranking."""
    if "query Why(" not in (route.request.post_data or ""):
        await route.continue_()
        return
    error = {"message": "The ranking of this edge has expired.", "path": ["node"]}
    error |= {"extensions": {"code": "SNAPSHOT_EXPIRED"}}
    await route.fulfill(json={"data": {"node": None}, "errors": [error]})


async def open_why(page: Page) -> None:
    await cards(page).first.get_by_role("button", name="Why?").click()


async def explained_sum(page: Page) -> Decimal:
    """Open the why of the first card, add its contributions up, and close it."""
    await open_why(page)
    dialog = page.get_by_role("dialog")
    sums = dialog.get_by_role("region", name="How the score adds up")
    await expect(sums.locator("tfoot .amount")).to_be_visible()
    rows = await sums.locator("tbody .amount").all_text_contents()
    total = amount(await sums.locator("tfoot .amount").text_content() or "")
    assert sum(map(amount, rows)) == total
    await expect(dialog.get_by_role("alert")).to_have_count(0)
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    return total


@pytest.mark.parametrize(("name", "viewer"), [("for you", None), *((name, "sven-okoye") for name in FEEDS)])
async def test_the_sum_under_why_is_the_score_of_the_card(open_page, demo, keep, name, viewer):
    cache = demo.folder / "var" / "cache.sqlite"
    page = await open_page(FEEDS[name], viewer=viewer)
    await settled(page)
    async with page.expect_response(is_feed) as read:
        await page.reload()
    score = await score_in(await read.value)
    await settled(page)
    assert await explained_sum(page) == score, "fresh"
    age_cache(cache, PERSONAL_FRESH_S + 10)
    assert await explained_sum(page) == score, "after 70 s"
    async with answer_to(page, "Like"):
        # The viewer may have liked the first card in another feed.
        await page.get_by_role("button", name="Like", pressed=False).first.click()
    await answered(page)
    assert await explained_sum(page) == score, "after a like"
    await page.route("**/graphql", expire_edges)  # the gateway would keep the ranking in memory
    await open_why(page)
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text(EXPIRED)).to_be_visible()
    await expect(dialog.get_by_role("region")).to_have_count(0)
    await keep(page, "expired")
    assert await violations(page) == []
    await page.unroute("**/graphql", expire_edges)
    async with page.expect_response(is_feed) as read:
        await dialog.get_by_role("button", name="Refresh").click()
    score = await score_in(await read.value)
    await expect(dialog).to_have_count(0)
    await settled(page)
    assert await explained_sum(page) == score, "of the new ranking"
