"""The wait for a settled layout, on pages that move."""

import asyncio

from tests.browser.explore_page import asks_for, settled
from tests.browser.layout import fits, measured

GROW = """document.querySelector('h1').animate(
  [{ width: '10px' }, { width: '400px' }], { duration: 300, fill: 'forwards' })"""


async def test_a_measurement_waits_for_an_animation_to_end(open_page):
    page = await open_page("/?tab=new", viewer="alba-laurent")
    await settled(page)
    await page.evaluate(GROW)
    assert (
        await measured(page.get_by_role("heading", name="Explore"), "(title) => title.getBoundingClientRect().width")
        == 400
    )


async def test_a_measurement_waits_for_what_a_request_brings(open_page):
    page = await open_page("/?tab=new", viewer="alba-laurent")
    await settled(page)
    asked = asyncio.Event()
    release = asyncio.Event()

    async def hold(route):
        if asks_for(route, "query Categories"):
            asked.set()
            await release.wait()
        await route.continue_()

    await page.route("**/graphql", hold)
    await page.get_by_role("button", name="Filters").click()
    await asked.wait()
    filters = page.locator("#filters")
    before = await filters.evaluate("(filters) => filters.getBoundingClientRect().height")
    height = asyncio.create_task(measured(filters, "(filters) => filters.getBoundingClientRect().height"))
    release.set()
    assert await height > before
    assert await fits(filters)
