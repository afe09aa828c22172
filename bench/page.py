"""Loading time and transferred bytes of the explore page, in Debian's Chromium with a running gateway.

    make pages && .venv/bin/python -m bench.page http://127.0.0.1:8000 [--loads 9] [--cards 480] [--slower 4]

Each load uses a new browser profile. Largest Contentful Paint and layout shift are measured by the browser; the bytes
are counted as transferred. With `--cards`, the page is then scrolled until it shows this number of cards, and the
explanation of a card is opened ten times, with the CPU slowed down by the factor `--slower`.
"""

import argparse
import asyncio
from collections import Counter
from statistics import median
from typing import Any

from playwright.async_api import Browser, Response, async_playwright

from tests.browser.conftest import CHROMIUM

WATCH = """
window.paint = window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.paint = entry.startTime; }))
  .observe({ type: 'largest-contentful-paint', buffered: true });
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.shift += entry.value; }))
  .observe({ type: 'layout-shift', buffered: true });
"""


async def load(browser: Browser, address: str) -> tuple[float, float, Counter[str]]:
    """Load the page once; return milliseconds to the largest paint, layout shift, and bytes by kind of request."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    await context.add_init_script("localStorage.setItem('explore.quiz-put-off.guest', 'yes')")
    await context.add_init_script(WATCH)
    page = await context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 (Playwright marks its handlers)
    await page.goto(address)
    await page.get_by_role("article").first.wait_for()
    await page.wait_for_timeout(1_000)
    weights: Counter[str] = Counter()
    for answer in answers:
        if answer.request.headers.get("accept") == "text/event-stream":
            continue  # it stays open
        sizes: Any = await answer.request.sizes()
        weights[answer.request.resource_type] += sizes["responseBodySize"]
    paint, shift = await page.evaluate("[window.paint, window.shift]")
    await context.close()
    return paint, shift, weights


OPEN_WHY = """async (button) => {
  const frame = () => new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  const begun = performance.now();
  button.click();
  await frame();
  const opened = performance.now() - begun;
  while (!document.querySelector('dialog .bars')) await frame();
  const explained = performance.now() - begun;
  document.querySelector('dialog .dialog-head button').click();
  await frame();
  return [opened, explained];
}"""
"""Returns the milliseconds from the click to the first frame with the dialog, and to the frame with its content."""


async def open_why(browser: Browser, address: str, cards: int, slower: float, times: int = 10) -> list[list[float]]:
    """Scroll until the page has this number of cards, and open the explanation of a visible card."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    await context.add_init_script("localStorage.setItem('explore.quiz-put-off.guest', 'yes')")
    page = await context.new_page()
    await page.goto(f"{address}/?tab=new")
    articles = page.get_by_role("article")
    await articles.first.wait_for()
    while (many := await articles.count()) < cards:
        await page.mouse.wheel(0, 4_000)
        await articles.nth(many).wait_for(state="attached")
    await page.evaluate("scrollTo({ top: document.documentElement.scrollHeight / 2 })")
    await page.wait_for_timeout(1_000)
    devtools = await context.new_cdp_session(page)
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    why = page.locator(f"article[data-rank='{cards // 2}'] .why")
    found = [await why.evaluate(OPEN_WHY) for _ in range(times)]
    await context.close()
    return found


async def main(address: str, loads: int, cards: int, slower: float) -> None:
    """Measure, and print the figures."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        found = [await load(browser, address) for _ in range(loads)]
        whys = await open_why(browser, address, cards, slower) if cards else []
        await browser.close()
    paints = sorted(paint for paint, _, _ in found)
    print(
        f"largest contentful paint: median {median(paints):.0f} ms, {paints[0]:.0f} to {paints[-1]:.0f} ({loads} loads)"
    )
    print(f"layout shift: at most {max(shift for _, shift, _ in found):.4f}")
    for kind, many in found[-1][2].most_common():
        print(f"{kind}: {many / 1000:.1f} kB")
    for name, times in zip(("dialog shown", "explanation shown"), zip(*whys, strict=True), strict=bool(whys)):
        print(f"why, {cards} cards, {slower:g}x slower: {name} after {median(times):.0f} ms, at most {max(times):.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address")
    parser.add_argument("--loads", type=int, default=9)
    parser.add_argument("--cards", type=int, default=0, help="cards on the page when an explanation is opened")
    parser.add_argument("--slower", type=float, default=4.0, help="factor by which the processor is slowed down then")
    given = parser.parse_args()
    asyncio.run(main(given.address, given.loads, given.cards, given.slower))
