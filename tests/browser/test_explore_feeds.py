"""Feeds on the explore page: whose they are, how they grow, and that what is on the screen is what was asked for."""

import asyncio
import re

from playwright.async_api import expect

from gateway.assets import FRONTEND
from tests.browser.accessibility import violations
from tests.browser.explore_page import asks_for, cards, keys, look_as, settled
from tests.browser.guard import answered
from tests.browser.layout import fits, still

MOST_SCRIPT = 150_000
"""Bytes of JavaScript, compressed, for the whole explore page."""

SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (!entry.hadRecentInput) window.shifted += entry.value;
})).observe({ type: 'layout-shift', buffered: true });
"""
STEADY = 0.02
"""Layout shift that nobody sees; 0.1 is what counts as good on the web."""


async def test_a_stranger_sees_what_is_popular_and_is_told_so(open_page, check_schemes):
    page = await open_page("/", color_scheme="dark")
    await settled(page)
    await expect(page.get_by_text("Popular right now")).to_be_visible()
    await check_schemes(page)


async def test_two_viewers_see_different_feeds(open_page, keep):
    page = await open_page("/")
    guest = await keys(page)
    await look_as(page, "narrow")
    await expect(cards(page).first).not_to_have_attribute("data-key", guest[0])
    narrow = await keys(page)
    await keep(page, "narrow")
    await look_as(page, "heavy")
    await expect(cards(page).first).not_to_have_attribute("data-key", narrow[0])
    heavy = await keys(page)
    assert len(set(heavy[:10]) & set(narrow[:10])) <= 5
    await page.reload()
    assert (await keys(page))[:10] == heavy[:10]


async def test_each_tab_has_an_address_that_can_be_reloaded_and_gone_back_from(open_page, keep):
    page = await open_page("/")
    popular = await keys(page)
    for name in ("Trending", "New"):
        await page.get_by_role("tab", name=name).click()
        await expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        await settled(page)
        await keep(page, name)
        assert await violations(page) == []
    newest = await keys(page)
    dates = await cards(page).locator("time").evaluate_all("(times) => times.map((time) => time.dateTime)")
    assert dates == sorted(dates, reverse=True)
    await page.reload()
    assert (await keys(page))[:10] == newest[:10]
    await page.go_back()
    await page.go_back()
    await expect(page.get_by_role("tab", name="For You")).to_have_attribute("aria-selected", "true")
    assert (await keys(page))[:10] == popular[:10]


async def test_five_pages_of_cards_come_without_a_repeat_a_gap_or_a_jump(open_page):
    page = await open_page("/", viewer="heavy")
    await settled(page)
    await page.evaluate(SHIFTS)
    while await cards(page).count() < 120:
        before = await cards(page).count()
        await page.mouse.wheel(0, 4_000)
        await expect(cards(page).nth(before)).to_be_attached()
    found = await keys(page)
    ranks = await cards(page).evaluate_all("(cards) => cards.map((card) => Number(card.dataset.rank))")
    assert len(set(found)) == len(found) >= 120
    assert ranks == list(range(1, len(found) + 1))
    await still(page)
    assert await page.evaluate("window.shifted") < STEADY


async def test_nothing_moves_while_the_first_cards_arrive(open_page):
    page = await open_page("/?tab=trending", viewer="heavy")
    await settled(page)
    await page.evaluate(SHIFTS)
    await still(page)
    assert await page.evaluate("window.shifted") < STEADY


async def test_the_tabs_of_a_search_fit_in_the_narrowest_phone(open_page):
    page = await open_page("/?q=drums", viewport={"width": 320, "height": 640}, has_touch=True)
    await settled(page)
    await expect(page.get_by_role("tab", name="Results")).to_be_in_viewport(ratio=1)
    assert await fits(page.locator("html"))


async def test_a_search_finds_while_one_types_and_its_address_can_be_sent_on(open_page, keep):
    page = await open_page("/")
    await settled(page)
    await page.get_by_role("searchbox", name="Search projects").fill("drum patterns")
    await expect(page.get_by_role("tab", name="Results")).to_have_attribute("aria-selected", "true")
    await expect(cards(page).first).to_contain_text(re.compile("drum", re.IGNORECASE))
    found = await keys(page)
    await keep(page, "found")
    assert await violations(page) == []
    await page.get_by_role("slider").fill("0")
    await expect(page).to_have_url(re.compile("alpha=0"))
    await settled(page)
    other = await open_page(page.url.replace("&alpha=0", ""))
    assert await keys(other) == found


async def test_a_filter_narrows_the_feed_and_can_be_cleared(open_page, keep):
    page = await open_page("/")
    everything = await keys(page)
    await page.get_by_role("button", name="Filters").click()
    await page.get_by_role("group", name="Category").get_by_role("checkbox").first.check()
    await expect(page.get_by_role("button", name="Filters (1)")).to_be_visible()
    await settled(page)
    narrowed = await keys(page)
    await keep(page, "filters")
    assert await violations(page) == []
    assert narrowed != everything
    await page.get_by_role("button", name="Clear filters").click()
    await expect(cards(page).first).to_have_attribute("data-key", everything[0])


async def test_an_answer_that_comes_too_late_is_not_shown(open_page):
    page = await open_page("/")
    await settled(page)
    overtaken = asyncio.Event()

    async def hold_back(route):
        if asks_for(route, "drum patterns"):
            await overtaken.wait()
        await route.continue_()

    await page.route("**/graphql", hold_back)
    box = page.get_by_role("searchbox", name="Search projects")
    async with page.expect_request(lambda request: "drum patterns" in (request.post_data or "")):
        await box.fill("drum patterns")
    async with page.expect_response(lambda response: '"bread"' in (response.request.post_data or "")):
        await box.fill("bread")
    about_bread = cards(page).filter(has_text=re.compile("bread|sourdough", re.IGNORECASE))
    await expect(about_bread.first).to_be_visible()
    found = await keys(page)
    overtaken.set()
    await answered(page)
    assert await keys(page) == found


def test_the_page_is_light():
    scripts = list((FRONTEND / "dist" / "assets").glob("*.js"))
    sizes = {
        path.name: (path.with_name(path.name + ".gz") if path.stat().st_size >= 1024 else path) for path in scripts
    }
    assert 0 < sum(path.stat().st_size for path in sizes.values()) < MOST_SCRIPT
