"""What somebody does on the explore page, and what it does to their feed; each test is somebody else of the demo."""

from playwright.async_api import expect

from tests.browser.accessibility import violations
from tests.browser.explore_page import amount, answer_to, asks_for, card_without, cards, keys, settled, show_newer
from tests.browser.guard import answered


async def test_a_like_moves_the_feed(open_page):
    page = await open_page("/", viewer="ada-demir")
    await settled(page)
    before = await keys(page)
    liked = await card_without(page, "Like", 7)
    key = await liked.get_attribute("data-key")
    await liked.get_by_role("button", name="Like").click()
    await expect(liked.get_by_role("button", name="Like")).to_have_attribute("aria-pressed", "true")
    assert (await keys(page))[: len(before)] == before, "nothing may move before somebody asks for it"
    await show_newer(page)
    after = await keys(page)
    assert after[:30] != before[:30]
    await page.reload()
    await settled(page)
    if key in await keys(page):
        await expect(liked.get_by_role("button", name="Like")).to_have_attribute("aria-pressed", "true")


async def test_a_double_click_ends_where_it_began_on_the_page_and_in_the_gateway(open_page):
    page = await open_page("/?tab=new", viewer="ada-haddad")
    await settled(page)
    button = (await card_without(page, "Like")).get_by_role("button", name="Like")
    before = await button.text_content()
    async with answer_to(page, "Unlike"):
        await button.dblclick()
    await expect(button).to_have_attribute("aria-pressed", "false")
    await answered(page)
    await expect(button).to_have_text(before)
    await page.reload()
    await settled(page)
    await expect(button).to_have_attribute("aria-pressed", "false")
    await expect(button).to_have_text(before)


async def test_three_quick_clicks_are_one_like(open_page):
    page = await open_page("/?tab=new", viewer="aisha-yilmaz")
    await settled(page)
    button = (await card_without(page, "Like")).get_by_role("button", name="Like")
    async with answer_to(page, "Like"):
        await button.click(click_count=3)
    await expect(button).to_have_attribute("aria-pressed", "true")
    await answered(page)
    await page.reload()
    await settled(page)
    await expect(button).to_have_attribute("aria-pressed", "true")


async def test_a_save_that_the_gateway_does_not_take_is_taken_back(open_page, guard, keep):
    guard.allow("ERR_FAILED")
    page = await open_page("/", viewer="akira-petrov")
    await settled(page)
    await page.route("**/graphql", lambda route: route.abort() if asks_for(route, "saveProject") else route.continue_())
    button = (await card_without(page, "Save")).get_by_role("button", name="Save")
    await button.click()
    await expect(page.get_by_text("Couldn't save this project.")).to_be_visible()
    await keep(page, "taken_back")
    await expect(button).to_have_attribute("aria-pressed", "false")
    assert await violations(page) == []


async def test_what_is_dismissed_can_be_brought_back_from_where_it_was(open_page, keep):
    page = await open_page("/", viewer="alba-bergman")
    before = await keys(page)
    place = page.get_by_role("list", name="Projects").get_by_role("listitem").first
    await cards(page).first.get_by_role("button", name="Not for me").click()
    await expect(page.get_by_text("You won't see this again")).to_be_visible()
    await keep(page, "dismissed")
    assert await violations(page) == []
    await expect(place.get_by_role("button", name="Undo")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(cards(page).first).to_have_attribute("data-key", before[0])
    async with answer_to(page, "Dismiss"):
        await cards(page).first.get_by_role("button", name="Not for me").click()
    await answered(page)
    await show_newer(page)
    assert before[0] not in await keys(page)


async def test_why_adds_up_to_the_last_digit(open_page, check_schemes):
    page = await open_page("/", viewer="heavy", color_scheme="dark")
    await settled(page)
    for place in range(3):
        why = cards(page).nth(place).get_by_role("button", name="Why?")
        await why.click()
        dialog = page.get_by_role("dialog")
        sums = dialog.get_by_role("region", name="How the score adds up")
        rows = await sums.locator("tbody .amount").all_text_contents()
        while not rows:
            await expect(sums.locator("tbody tr").first).to_be_visible()
            rows = await sums.locator("tbody .amount").all_text_contents()
        total = await sums.locator("tfoot .amount").text_content()
        assert sum(map(amount, rows)) == amount(total)
        assert len(rows) >= 3
        await expect(dialog.get_by_text("don't add up")).to_have_count(0)
        if place == 0:
            await check_schemes(page)
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await expect(why).to_be_focused()


async def test_what_would_remove_it_is_answered_when_asked(open_page, keep):
    page = await open_page("/", viewer="heavy")
    await settled(page)
    await cards(page).first.get_by_role("button", name="Why?").click()
    part = page.get_by_role("dialog").get_by_role("region", name="What would remove it")
    await part.get_by_role("button", name="Find out").click()
    await expect(part.get_by_role("status")).not_to_be_empty()
    await keep(page, "answered")
    assert await violations(page) == []


async def test_dismissing_a_reason_removes_the_project_and_says_what_changed(open_page, keep):
    page = await open_page("/", viewer="narrow")
    before = await keys(page)
    await cards(page).first.get_by_role("button", name="Why?").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Hide").first.click()
    await expect(dialog.get_by_text("This project is hidden")).to_be_visible()
    await expect(dialog.get_by_text("Dropped from your top 30")).to_be_visible()
    await keep(page, "what_changed")
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await show_newer(page)
    assert before[0] not in (await keys(page))[:30]


async def test_the_keyboard_alone_goes_from_the_top_to_a_like_and_through_the_why(open_page):
    page = await open_page("/", viewer="alba-kruse")
    await settled(page)
    card = cards(page).first

    async def tab_to(target):
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await target.evaluate("(element) => element === document.activeElement"):
                return
        raise AssertionError("the keyboard does not get there")

    await tab_to(page.get_by_role("searchbox"))
    await tab_to(page.get_by_role("tab", name="For You"))
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Trending")).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await settled(page)
    like = card.get_by_role("button", name="Like")
    toggled = "false" if await like.get_attribute("aria-pressed") == "true" else "true"
    await tab_to(like)
    await page.keyboard.press("Enter")
    await expect(like).to_have_attribute("aria-pressed", toggled)
    await tab_to(card.get_by_role("button", name="Why?"))
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await tab_to(dialog.get_by_role("button", name="Hide").first)
    for _ in range(40):  # the focus stays inside
        await page.keyboard.press("Tab")
        inside = "(dialog) => dialog.contains(document.activeElement) || document.activeElement === document.body"
        assert await dialog.evaluate(inside)
    await page.keyboard.press("Escape")
    await expect(card.get_by_role("button", name="Why?")).to_be_focused()
