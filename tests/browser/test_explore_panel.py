"""What the explore page knows of a viewer and tells the gateway: seen, changed, taken along, deleted, and refused."""

import json

from playwright.async_api import expect

from tests.browser.accessibility import violations
from tests.browser.explore_page import answer_to, asks_for, cards, keys, settled
from tests.browser.guard import answered
from tests.browser.layout import fits


async def open_panel(page):
    await settled(page)
    await page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("dialog", name="Your page")
    await expect(panel.get_by_role("switch").first).to_be_visible()
    return panel


async def test_the_panel_says_how_well_somebody_is_known(open_page, check_schemes):
    page = await open_page("/", viewer="quiz", color_scheme="dark")
    panel = await open_panel(page)
    await expect(panel.get_by_role("heading", name="How well this page knows you")).to_be_visible()
    await expect(panel.get_by_role("meter")).to_have_count(4)
    await check_schemes(page)


async def test_the_panel_fits_a_phone(open_page, keep):
    page = await open_page("/", viewer="heavy", viewport={"width": 320, "height": 640}, has_touch=True)
    panel = await open_panel(page)
    assert await fits(panel)
    await keep(page, "phone")
    assert await violations(page) == []


async def test_what_may_be_used_is_remembered_by_the_gateway(open_page):
    page = await open_page("/", viewer="beatriz-virtanen")
    panel = await open_panel(page)
    async with answer_to(page, "ChangeSettings"):
        await panel.get_by_role("switch", name="Use other people's activity").click()
    other = await open_page("/", viewer="beatriz-virtanen")
    panel = await open_panel(other)
    await expect(panel.get_by_role("switch", name="Use other people's activity")).not_to_be_checked()


async def test_read_projects_come_back_with_a_switch(open_page):
    page = await open_page("/", viewer="beatriz-virtanen")
    panel = await open_panel(page)
    show_read = panel.get_by_role("switch", name="Show what I've already read")
    await expect(show_read).not_to_be_checked()
    hidden = set(await keys(page))
    async with answer_to(page, "ChangeSettings"):
        await show_read.click()
    other = await open_page("/", viewer="beatriz-virtanen")
    assert set(await keys(other)) - hidden
    panel = await open_panel(other)
    await expect(panel.get_by_role("switch", name="Show what I've already read")).to_be_checked()


async def test_an_interest_that_is_removed_stays_away(open_page):
    page = await open_page("/", viewer="quiz")
    panel = await open_panel(page)
    interests = panel.get_by_role("region", name="Your interests")
    removed = await interests.get_by_role("listitem").first.locator("bdi").text_content()
    async with answer_to(page, "RemoveInterest"):
        await interests.get_by_role("button", name=f"Remove {removed}").click()
    await expect(interests.get_by_role("button", name=f"Remove {removed}")).to_have_count(0)
    await answered(page)
    await page.reload()
    panel = await open_panel(page)
    await expect(panel.get_by_role("button", name=f"Remove {removed}")).to_have_count(0)


async def test_everything_can_be_taken_along_and_deleted(open_page, keep, tmp_path):
    page = await open_page("/", viewer="ida-wright")
    panel = await open_panel(page)
    async with page.expect_download() as coming:
        await panel.get_by_role("button", name="Download my data").click()
    download = await coming.value
    await download.save_as(tmp_path / "my-data.json")
    assert json.loads((tmp_path / "my-data.json").read_text())
    await panel.get_by_role("button", name="Delete my data").click()
    await keep(page, "asked")
    assert await violations(page) == []
    await panel.get_by_role("button", name="Delete everything").click()
    await expect(panel.get_by_text("Your data was deleted")).to_be_visible()
    await keep(page, "deleted")
    assert await violations(page) == []


def events_in(request):
    return json.loads(request.post_data)["variables"]["events"]


def tells(request):
    return "recordInteractions" in (request.post_data or "")


async def test_what_was_looked_at_and_opened_is_told_with_its_place(open_page):
    page = await open_page("/", viewer="malik-bergman")
    shown = await keys(page)
    async with page.expect_request(tells) as coming:
        pass
    impressions = events_in(await coming.value)
    assert {event["type"] for event in impressions} == {"IMPRESSION"}
    assert {event["project"] for event in impressions} <= set(shown)
    assert all(shown[event["rank"] - 1] == event["project"] and event["snapshotId"] for event in impressions)
    link = cards(page).first.get_by_role("link")
    await page.route("**/*.example/**", lambda route: route.abort())
    async with page.expect_request(tells) as coming:
        await link.evaluate("(link) => { link.removeAttribute('target'); link.href = '#'; }")
        await link.click()
    (click,) = [event for event in events_in(await coming.value) if event["type"] == "CLICK"]
    assert (click["project"], click["rank"]) == (shown[0], 1)


async def test_what_was_not_taken_is_told_again_after_a_reload_and_counts_once(open_page, guard):
    guard.allow("ERR_FAILED")
    page = await open_page("/", viewer="javier-okoye")
    lost = []

    async def lose(route):
        if asks_for(route, "recordInteractions"):
            lost.append(events_in(route.request))
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/graphql", lose)
    await settled(page)
    while not lost:
        await page.wait_for_timeout(100)
    await page.unroute("**/graphql")
    async with page.expect_request(tells) as coming:
        await page.reload()
    again = {event["id"] for event in events_in(await coming.value)}
    assert {event["id"] for event in lost[0]} <= again


async def test_whoever_said_no_is_not_reported(open_page):
    page = await open_page("/", viewer="sven-demir")
    told = []
    page.on("request", lambda request: told.append(request) if tells(request) else None)
    await page.context.add_init_script("Object.defineProperty(navigator, 'doNotTrack', { get: () => '1' })")
    await page.reload()
    told.clear()
    await settled(page)
    await page.wait_for_timeout(7_000)
    assert told == []
    assert await page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('explore.events'))") == []
