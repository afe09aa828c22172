"""A gateway with the demo data, and pages in Debian's Chromium that fail a test for whatever goes wrong in them."""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from db.models import Role
from gateway.assets import FRONTEND
from gateway.auth import Authority
from tests.browser.guard import VIOLATIONS, Guard
from tests.running import address_in, serving

CHROMIUM = Path("/usr/bin/chromium-headless-shell")
ARTIFACTS = Path(os.environ.get("BROWSER_ARTIFACTS", Path(__file__).parents[1] / "artifacts" / "browser"))
"""Where screenshots go; git ignores it."""

PATIENCE_MS = 15_000
"""For what comes, on a busy machine; nothing here is timed."""

OpenPage = Callable[..., Awaitable[Page]]


@dataclass(frozen=True, slots=True)
class Demo:
    """A running gateway with the demo data."""

    address: str
    folder: Path

    def token(self, user: str, role: Role | None = None, hours: float = 1.0) -> str:
        """Make a token for a user, as `explore token` does."""
        secret = (self.folder / "var" / "token_secret").read_bytes().strip()
        return Authority(secret, "explore-gateway", "explore").issue(user, role, hours)


@pytest.fixture(scope="session", autouse=True)
def _browser_is_there() -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium-headless-shell")
    for name in ("dist", "graphiql/dist"):
        if not (FRONTEND / name / "index.html").is_file():
            pytest.skip(f"frontend/{name} is not built (it takes Node.js and npm): make pages")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Give a running gateway with the demo data, for all browser tests of this process."""
    folder = tmp_path_factory.mktemp("browser")
    with serving(folder, "--demo") as (_, welcome):
        yield Demo(address_in(welcome), folder)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Give one Chromium for all tests."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        await browser.close()


@pytest.fixture
def guard(demo: Demo) -> Iterator[Guard]:
    """Watch the pages of a test; `guard.allow(pattern)` lets a fault pass that the test makes on purpose."""
    guard = Guard(demo.address)
    yield guard
    assert guard.unexpected() == []


@pytest.fixture
async def open_page(browser: Browser, demo: Demo, guard: Guard) -> AsyncIterator[OpenPage]:
    """Give a function that opens pages, each of a visitor of their own: `await open_page("/", color_scheme="dark")`."""
    contexts: list[BrowserContext] = []

    async def open_one(path: str, **options: Any) -> Page:
        context = await browser.new_context(
            base_url=demo.address,
            locale="en-GB",
            viewport=options.pop("viewport", {"width": 1280, "height": 900}),
            **options,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(VIOLATIONS)
        page = await context.new_page()
        guard.watch(page)
        await page.goto(path)
        return page

    yield open_one
    for context in contexts:
        await context.close()


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Callable[[Page, str], Awaitable[None]]:
    """Give a function that keeps a screenshot: `await keep(page, "dark")`."""
    test = re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_")

    ARTIFACTS.mkdir(parents=True, exist_ok=True)

    async def take(page: Page, state: str) -> None:
        await page.screenshot(path=ARTIFACTS / f"{test[:80]}.{state}.png")

    return take
