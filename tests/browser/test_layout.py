"""The wait for a settled layout, on pages that move."""

import asyncio

from tests.browser.explore_page import asks_for, settled
from tests.browser.layout import measured

GROW = """document.querySelector('h1').animate(
  [{ width: '10px' }, { width: '400px' }], { duration: 1e7, fill: 'forwards' })"""
FINISH_LATER = """() => {
  let frames = 0;
  const count = () => {
    frames += 1;
    if (frames < 60) requestAnimationFrame(count);
    else document.getAnimations().forEach((one) => one.finish());
  };
  count();
}"""
TEN_FRAMES = """async () => {
  for (let frames = 0; frames < 10; frames += 1) await new Promise((next) => requestAnimationFrame(next));
}"""


async def test_a_measurement_waits_for_an_animation_to_end(open_page):
    page = await open_page("/?tab=new", viewer="alba-laurent")
    await settled(page)
    await page.evaluate(GROW)
    await page.evaluate(FINISH_LATER)
    title = page.get_by_role("heading", name="Explore", exact=True)
    assert await measured(title, "(title) => title.getBoundingClientRect().width") == 400


async def test_a_measurement_waits_for_what_a_request_brings(open_page):
    page = await open_page("/?tab=new", viewer="alba-laurent")
    await settled(page)
    asked, release = asyncio.Event(), asyncio.Event()

    async def hold(route):
        if asks_for(route, "query Categories"):
            asked.set()
            await release.wait()
        await route.continue_()

    await page.route("**/graphql", hold)
    await page.get_by_role("button", name="Filters").click()
    await asked.wait()
    categories = page.get_by_role("group", name="Category")
    shown = asyncio.create_task(measured(categories, "(group) => group.querySelectorAll('label').length"))
    await page.evaluate(TEN_FRAMES)
    release.set()
    assert await shown > 0
