"""The quiz on the explore page: from somebody of whom nothing is known to a page of their own."""

from playwright.async_api import expect

from tests.browser.accessibility import violations
from tests.browser.explore_page import cards, keys, settled
from tests.browser.layout import box, fits

TITLE = "Make this page yours"


def quiz(page):
    return page.get_by_role("dialog", name=TITLE)


async def finish(page):
    """Answer every question with as few of its options as it takes, and go on to the end."""
    many = int(await quiz(page).get_by_role("progressbar").get_attribute("max"))
    for number in range(1, many + 1):
        await expect(quiz(page).get_by_text(f"Question {number} of {many}")).to_be_visible()
        onward = quiz(page).get_by_role("button", name="Show my page" if number == many else "Next", exact=True)
        while not await onward.is_visible():
            await choose_another(page)
        await onward.click()
    await expect(quiz(page)).to_have_count(0)


async def choose_another(page):
    await quiz(page).locator("label:has(input:not(:checked):enabled)").nth(1).click()


async def go_on(page, name):
    await quiz(page).get_by_role("button", name=name, exact=True).click()


async def test_a_stranger_answers_and_has_a_personal_page_without_a_reload(open_page, check_schemes):
    page = await open_page("/", quiz=True, color_scheme="dark")
    await expect(quiz(page)).to_be_visible()
    await page.evaluate("window.marked = true")
    popular = await keys(page)
    await expect(quiz(page).get_by_role("heading", level=3)).to_be_focused()
    await check_schemes(page)
    await finish(page)
    await expect(page.get_by_text("Popular right now")).to_have_count(0)
    own = await keys(page)
    await check_schemes(page, "own_page")
    assert own[:10] != popular[:10]
    assert await page.evaluate("window.marked === true")
    await page.reload()
    assert (await keys(page))[:10] == own[:10]
    await expect(quiz(page)).to_have_count(0)


async def test_the_quiz_can_be_put_off_and_taken_up_from_the_panel(open_page):
    page = await open_page("/", quiz=True)
    await expect(quiz(page)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(quiz(page)).to_have_count(0)
    await page.reload()
    await settled(page)
    await expect(quiz(page)).to_have_count(0)
    await page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("dialog", name="Your page")
    await panel.get_by_role("button", name="Answer a few questions").click()
    await expect(quiz(page)).to_be_visible()


async def test_the_quiz_goes_on_where_it_was_left(open_page):
    page = await open_page("/", quiz=True)
    await expect(quiz(page)).to_be_visible()
    await choose_another(page)
    await go_on(page, "Next")
    await expect(quiz(page).get_by_text("Question 2 of")).to_be_visible()
    await page.reload()
    await expect(quiz(page).get_by_text("Question 2 of")).to_be_visible()
    await go_on(page, "Back")
    await expect(quiz(page).get_by_role("checkbox", checked=True)).to_have_count(1)


async def test_cards_are_drawn_aside_and_the_arrows_do_the_same(open_page):
    page = await open_page("/", quiz=True)
    await expect(quiz(page).get_by_text("Question 1 of")).to_be_visible()
    heading = await box(quiz(page).get_by_role("heading", level=3))
    middle = heading["y"] + heading["height"] / 2
    await page.mouse.move(heading["x"] + 200, middle)
    await page.mouse.down()
    for step in range(1, 11):
        await page.mouse.move(heading["x"] + 200 - 30 * step, middle)
    await page.mouse.up()
    await expect(quiz(page).get_by_text("Question 2 of")).to_be_visible()
    await page.keyboard.press("ArrowLeft")
    await expect(quiz(page).get_by_text("Question 1 of")).to_be_visible()
    await page.keyboard.press("ArrowRight")
    await expect(quiz(page).get_by_text("Question 2 of")).to_be_visible()


async def test_the_keyboard_alone_answers_the_quiz(open_page):
    page = await open_page("/", quiz=True)
    await expect(quiz(page).get_by_role("heading", level=3)).to_be_focused()
    many = await quiz(page).get_by_role("progressbar").get_attribute("max")
    for number in range(1, int(many) + 1):
        await expect(quiz(page).get_by_text(f"Question {number} of")).to_be_visible()
        await expect(quiz(page).get_by_role("heading", level=3)).to_be_focused()
        options = quiz(page).get_by_role("checkbox").or_(quiz(page).get_by_role("radio"))
        for _ in range(4):
            await page.keyboard.press("Tab")
            if await options.first.evaluate("(first) => first === document.activeElement"):
                break
        await page.keyboard.press("Space")
        is_radio = await options.first.get_attribute("type") == "radio"
        if is_radio or number == int(many):  # arrows move among radio buttons
            target = quiz(page).locator(".quiz-steps button").last
            for _ in range(40):
                if await target.evaluate("(button) => button === document.activeElement"):
                    break
                await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
        else:
            await page.keyboard.press("ArrowRight")
    await expect(quiz(page)).to_have_count(0)
    await expect(page.get_by_text("Popular right now")).to_have_count(0)


async def test_the_quiz_fits_a_phone(open_page, keep):
    page = await open_page("/", quiz=True, viewport={"width": 320, "height": 640}, has_touch=True)
    await expect(quiz(page).get_by_text("Question 1 of")).to_be_visible()
    assert await fits(quiz(page))
    await keep(page, "phone")
    assert await violations(page) == []


async def test_whoever_is_known_is_not_asked(open_page):
    page = await open_page("/", quiz=True, viewer="heavy")
    await settled(page)
    await expect(cards(page).first).to_be_visible()
    await expect(page.get_by_role("button", name="Knows you well")).to_be_visible()
    await expect(quiz(page)).to_have_count(0)
