"""Measurements of a page's layout, each taken once the layout has settled."""

import asyncio
from typing import Any

from playwright.async_api import FloatRect, Locator, Page

from tests.browser.guard import WAIT_AT_MOST_S, is_answered, open_requests

_REST = """async () => {
  const frame = () => new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  const isMoving = () => document.getAnimations().some(
    (one) => one.playState === 'running' && Number.isFinite(Number(one.effect.getComputedTiming().endTime)));
  const measure = () => [...document.querySelectorAll('*')].map((one) => [
    one.offsetLeft, one.offsetTop, one.offsetWidth, one.offsetHeight, one.scrollWidth, one.scrollHeight]).join(' ');
  await document.fonts.ready;
  for (let before = ''; ; ) {
    await frame();
    const now = measure();
    if (!isMoving() && now === before) return;
    before = now;
  }
}"""
"""Returns when two measurements of all elements, a frame apart, are equal, fonts are loaded and no animation runs that
will end. One that never ends (a spinner) is not waited for."""

_FITS = """(element) => element.scrollWidth <= element.clientWidth + 1
  && element.getBoundingClientRect().left >= -1 && element.getBoundingClientRect().right <= innerWidth + 1"""
"""With one pixel for rounding."""


async def still(page: Page) -> None:
    """Wait until nothing that a watched page has asked is open and its layout has settled."""
    try:
        async with asyncio.timeout(WAIT_AT_MOST_S):
            was_answered = False
            while not (was_answered and is_answered(page)):
                was_answered = is_answered(page)
                await page.evaluate(_REST)
    except TimeoutError as error:
        raise AssertionError(f"the layout does not settle; open requests: {open_requests(page)}") from error


async def box(element: Locator) -> FloatRect:
    """Return the place and size of an element that is shown."""
    await still(element.page)
    found = await element.bounding_box()
    assert found is not None, "it is not shown"
    return found


async def measured(element: Locator, expression: str) -> Any:
    """Return the value of a JavaScript function of an element: ``"(card) => card.scrollTop"``."""
    await still(element.page)
    return await element.evaluate(expression)


async def fits(element: Locator) -> bool:
    """Say whether an element is inside the window from left to right, and its content inside the element."""
    return bool(await measured(element, _FITS))


async def shows_its_height(element: Locator) -> bool:
    """Say whether all of an element's content is as high as the element: nothing in it is scrolled to."""
    return bool(await measured(element, "(element) => element.scrollHeight === element.clientHeight"))


async def page_fits(page: Page) -> bool:
    """Say whether a page can be read without scrolling sideways."""
    await still(page)
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
