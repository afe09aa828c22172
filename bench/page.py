"""How soon the explore page is there, and what it weighs, in Debian's Chromium against a gateway that runs.

    make pages && .venv/bin/python -m bench.page http://127.0.0.1:8000 [--loads 9]

Each load is a browser that knows nothing yet. Largest Contentful Paint and layout shift are the browser's own; the
weight is what goes over the wire.
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
    """Open the page once: milliseconds to the largest paint, layout shift, and bytes by kind of request."""
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
        sizes: Any = await answer.request.sizes()
        weights[answer.request.resource_type] += sizes["responseBodySize"]
    paint, shift = await page.evaluate("[window.paint, window.shift]")
    await context.close()
    return paint, shift, weights


async def main(address: str, loads: int) -> None:
    """Print the figures."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        found = [await load(browser, address) for _ in range(loads)]
        await browser.close()
    paints = sorted(paint for paint, _, _ in found)
    print(
        f"largest contentful paint: median {median(paints):.0f} ms, {paints[0]:.0f} to {paints[-1]:.0f} ({loads} loads)"
    )
    print(f"layout shift: at most {max(shift for _, shift, _ in found):.4f}")
    for kind, many in found[-1][2].most_common():
        print(f"{kind}: {many / 1000:.1f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address")
    parser.add_argument("--loads", type=int, default=9)
    given = parser.parse_args()
    asyncio.run(main(given.address, given.loads))
