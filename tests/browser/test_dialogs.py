"""The dialogs of the explore page: closing, focus, scrolling, swiping, layout shift, and what opening one renders."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import violations
from tests.browser.explore_page import card_without, cards, settled
from tests.browser.layout import box, fits, measured, shows_its_height, still

QUIZ = "Make this page yours"
PHONE = {"width": 390, "height": 844}

SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.shifted += entry.value; }))
  .observe({ type: 'layout-shift', buffered: true });
"""
MOST_SHIFT = 0.02
"""Layout shift that nobody sees; 0.1 is what counts as good on the web."""

COUNT_CARDS = """() => {
  const parse = Date.parse;
  window.rendered = 0;
  Date.parse = (text) => {
    window.rendered += 1;
    return parse(text);
  };
}"""
"""Counts the cards that render: each says how old its project is."""


async def open_why(page):
    await settled(page)
    await cards(page).first.get_by_role("button", name="Why?").click()
    return page.get_by_role("dialog")


async def open_panel(page):
    await settled(page)
    await page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("dialog", name="Your page")
    await expect(panel.get_by_role("switch").first).to_be_visible()
    return panel


async def open_quiz(page):
    quiz = page.get_by_role("dialog", name=QUIZ)
    await expect(quiz.get_by_text("Question 1 of")).to_be_visible()
    return quiz


async def go(page: Page, steps: int) -> None:
    """Press the browser's back or forward button. Playwright's `go_back` would wait for a page that does not come."""
    devtools = await page.context.new_cdp_session(page)
    history = await devtools.send("Page.getNavigationHistory")
    entry = history["entries"][history["currentIndex"] + steps]
    await devtools.send("Page.navigateToHistoryEntry", {"entryId": entry["id"]})
    await devtools.detach()


@pytest.mark.parametrize("opened", [open_why, open_panel, open_quiz])
async def test_back_closes_the_open_dialog_and_then_leaves_the_feed(open_page, opened):
    page = await open_page("/", viewer=None if opened is open_quiz else "narrow")
    await settled(page)
    await page.get_by_role("tab", name="New").click()
    await settled(page)
    if opened is open_quiz:
        await page.get_by_role("button", name="Settings").click()
        await page.get_by_role("button", name="Answer a few questions").click()
    dialog = await opened(page)
    await go(page, -1)
    await expect(dialog).to_have_count(0)
    await expect(page).to_have_url(re.compile("tab=new"))
    await go(page, -1)
    await expect(page).not_to_have_url(re.compile("tab=new"))
    await settled(page)
    await go(page, 1)
    await expect(page.get_by_role("tab", name="New")).to_have_attribute("aria-selected", "true")


async def test_back_closes_the_delete_confirmation_before_the_settings(open_page):
    page = await open_page("/", viewer="narrow")
    await settled(page)
    await page.get_by_role("tab", name="New").click()
    panel = await open_panel(page)
    await panel.get_by_role("button", name="Delete my data").click()
    confirmation = page.get_by_role("dialog", name="Delete your data?")
    await expect(confirmation).to_be_visible()
    await go(page, -1)
    await expect(confirmation).to_have_count(0)
    await expect(panel.get_by_role("button", name="Delete my data")).to_be_focused()
    await page.keyboard.press("Shift+Tab")  # a page may refuse to be left once for each thing that its viewer does
    await go(page, -1)
    await expect(panel).to_have_count(0)
    await expect(page.get_by_role("button", name="Settings")).to_be_focused()
    await expect(page).to_have_url(re.compile("tab=new"))


async def test_forward_closes_a_dialog_and_goes_on(open_page):
    page = await open_page("/", viewer="narrow")
    await settled(page)
    await page.get_by_role("tab", name="Trending").click()
    await settled(page)
    await go(page, -1)
    await expect(page.get_by_role("tab", name="For You")).to_have_attribute("aria-selected", "true")
    dialog = await open_why(page)
    await go(page, 1)
    await expect(page.get_by_role("tab", name="Trending")).to_have_attribute("aria-selected", "true")
    await expect(dialog).to_have_count(0)


async def test_the_delete_confirmation_is_in_view_and_has_the_focus(open_page):
    page = await open_page("/", viewer="narrow", viewport={"width": 320, "height": 640}, has_touch=True)
    panel = await open_panel(page)
    await panel.get_by_role("button", name="Delete my data").click()
    confirmation = page.get_by_role("dialog", name="Delete your data?")
    await expect(confirmation.get_by_role("button", name="Close")).to_be_focused()
    assert await fits(confirmation)
    for name in ("Delete everything", "Cancel"):
        await expect(confirmation.get_by_role("button", name=name)).to_be_in_viewport()
    assert await violations(page) == []
    await confirmation.get_by_role("button", name="Cancel").click()
    await expect(panel.get_by_role("button", name="Delete my data")).to_be_focused()


async def test_removing_an_interest_moves_the_focus_to_the_next_and_at_last_to_the_heading(open_page):
    page = await open_page("/", viewer="leila-garcia")
    panel = await open_panel(page)
    interests = panel.get_by_role("region", name="Your interests")
    buttons = interests.get_by_role("button", name="Remove")
    while many := await buttons.count():
        after = await buttons.nth(1).text_content() if many > 1 else None
        await buttons.first.press("Enter")
        if after is None:
            await expect(interests.get_by_role("heading")).to_be_focused()
        else:
            await expect(buttons.first).to_have_text(after)
            await expect(buttons.first).to_be_focused()
        await still(page)


async def test_the_head_stays_in_view_while_a_dialog_scrolls(open_page):
    page = await open_page("/", viewer="heavy", viewport={"width": 320, "height": 640}, has_touch=True)
    dialog = await open_why(page)
    await expect(dialog.get_by_role("region", name="How the score adds up")).to_be_visible()
    close = dialog.get_by_role("button", name="Close")
    before = await box(close)
    last = dialog.get_by_role("button", name="Find out")
    await last.scroll_into_view_if_needed()
    await expect(last).to_be_in_viewport()
    assert await box(close) == before
    await expect(close).to_be_in_viewport()


@pytest.mark.parametrize("opened", [open_why, open_panel])
async def test_only_the_body_of_a_dialog_scrolls(open_page, opened):
    page = await open_page("/", viewer="heavy", viewport={"width": 320, "height": 640}, has_touch=True)
    dialog = await opened(page)
    await expect(dialog.get_by_role("region").first).to_be_visible()
    assert await shows_its_height(dialog)


async def test_only_a_press_that_begins_and_ends_on_the_backdrop_closes(open_page):
    page = await open_page("/", viewer="narrow")
    dialog = await open_why(page)
    await expect(dialog.locator(".why-summary")).to_be_visible()
    summary = await box(dialog.locator(".why-summary"))
    inside = (summary["x"] + 20, summary["y"] + summary["height"] / 2)
    outside = (20, 450)
    for begin, end in ((inside, outside), (outside, inside)):
        await page.mouse.move(*begin)
        await page.mouse.down()
        await page.mouse.move(*end, steps=5)
        await page.mouse.up()
        await still(page)
        await expect(dialog).to_be_visible()
    await page.mouse.click(*outside)
    await expect(dialog).to_have_count(0)


async def swipe(page: Page, begin: tuple[float, float], by: tuple[float, float]) -> None:
    """Draw one finger over the screen, as the touch screen's driver tells the browser."""
    devtools = await page.context.new_cdp_session(page)
    (x, y), (right, down) = begin, by
    await devtools.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 11):
        point = {"x": x + right * step / 10, "y": y + down * step / 10}
        await devtools.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    await devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await devtools.detach()


async def test_a_finger_on_the_options_turns_the_card_sideways_and_scrolls_them_up_and_down(open_page):
    page = await open_page("/", quiz=True, viewport=PHONE, has_touch=True, is_mobile=True)
    quiz = await open_quiz(page)
    options = quiz.get_by_role("group")
    place = await box(options)
    middle = (place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    await swipe(page, middle, (-150, 0))
    await expect(quiz.get_by_text("Question 2 of")).to_be_visible()
    await swipe(page, middle, (150, 0))
    await expect(quiz.get_by_text("Question 1 of")).to_be_visible()
    await expect(quiz.get_by_role("checkbox", checked=True)).to_have_count(0)
    await still(page)
    await swipe(page, middle, (0, -150))
    assert await measured(options, "(options) => options.scrollTop") > 50
    await expect(quiz.get_by_text("Question 1 of")).to_be_visible()


async def test_a_swipe_past_the_edge_does_not_leave_the_page(open_page):
    page = await open_page("/", quiz=True, viewport=PHONE, has_touch=True, is_mobile=True)
    await open_quiz(page)
    behavior = "(element) => getComputedStyle(element).overscrollBehaviorX"
    assert await page.locator("html").evaluate(behavior) == "none"


@pytest.mark.parametrize("width", [320, 390])
async def test_nothing_moves_when_the_quiz_opens(open_page, width):
    page = await open_page("about:blank", quiz=True, viewport={"width": width, "height": 844}, has_touch=True)
    await page.context.add_init_script(SHIFTS)
    await page.goto("/")
    await open_quiz(page)
    await still(page)
    assert await page.evaluate("window.shifted") <= MOST_SHIFT


async def test_opening_a_dialog_renders_no_card(open_page):
    page = await open_page("/", viewer="narrow")
    await settled(page)
    await still(page)
    await page.evaluate(COUNT_CARDS)
    dialog = await open_why(page)
    await expect(dialog.locator(".why-summary")).to_be_visible()
    await page.keyboard.press("Escape")
    await open_panel(page)
    await page.keyboard.press("Escape")
    assert await page.evaluate("window.rendered") == 0
    button = (await card_without(page, "Save", 2)).get_by_role("button", name="Save")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "true")
    assert await page.evaluate("window.rendered") > 0, "the count sees a card that renders"


async def test_a_reason_says_what_it_hides_and_one_that_hides_nothing_has_no_button(open_page):
    page = await open_page("/", viewer="narrow")
    dialog = await open_why(page)
    await expect(dialog.locator(".why-summary")).to_be_visible()
    rows = dialog.get_by_role("region", name="Reasons").get_by_role("listitem")
    seen = set()
    for row in await rows.all():
        text = await row.locator("p").text_content()
        button = row.get_by_role("button")
        if named := re.search("Matches your interest in (.+)", text):
            await expect(button).to_have_text(re.compile(f"Hide everything (about|in|made with) {re.escape(named[1])}"))
            seen.add("interest")
        elif re.search(r"^\d+ (visitors|people)|^Added", text):
            await expect(button).to_have_count(0)
            seen.add("everybody")
    assert seen == {"interest", "everybody"}
