"""What the tests of the explore page do on it, in the words of somebody who uses it."""

from contextlib import AbstractAsyncContextManager
from decimal import Decimal

from playwright.async_api import Locator, Page, Route, expect


def cards(page: Page) -> Locator:
    """The cards of the feed."""
    return page.get_by_role("list", name="Projects").get_by_role("article")


async def keys(page: Page) -> list[str]:
    """The projects on the page, in order, once the feed is there."""
    await settled(page)
    return await cards(page).evaluate_all("(cards) => cards.map((card) => card.dataset.key)")


async def settled(page: Page) -> None:
    """Wait until the feed is on the page and none is on its way."""
    await expect(cards(page).first).to_be_visible()
    await expect(page.get_by_role("list", name="Projects")).to_have_attribute("aria-busy", "false")


async def card_without(page: Page, name: str, place: int = 0) -> Locator:
    """Find a card whose button of this name is not pressed; which ones are depends on the demo's dates."""
    free = cards(page).filter(has=page.get_by_role("button", name=name, exact=False, pressed=False))
    key = await free.nth(place).get_attribute("data-key")
    return page.locator(f'[data-key="{key}"]')


async def look_as(page: Page, viewer: str) -> None:
    """Look through the eyes of one of the demo viewers."""
    await page.get_by_label("Viewing as").select_option(viewer)


async def show_newer(page: Page) -> None:
    """Press the button that says that the page has changed."""
    await page.get_by_role("button", name="Your page was updated").click()
    await settled(page)


def amount(text: str) -> Decimal:
    """Read a number as the page writes it: with a true minus, and a plus."""
    return Decimal(text.replace("\N{MINUS SIGN}", "-").replace("+", "").strip())


def answer_to(page: Page, mutation: str) -> AbstractAsyncContextManager[object]:
    """Wait at the end of the block for the answer to a mutation, by the name of its document.

    `answered` alone can look between a click and its request, or between two requests of one act.
    """
    return page.expect_response(lambda response: f"mutation {mutation}(" in (response.request.post_data or ""))


def asks_for(route: Route, operation: str) -> bool:
    """Say whether a request is for the operation of this name."""
    return operation in (route.request.post_data or "")
