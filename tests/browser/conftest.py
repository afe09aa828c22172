"""A gateway with the demo data, and pages in Debian's Chromium that fail a test for whatever goes wrong in them."""

import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from db.models import Role
from gateway.assets import FRONTEND
from tests.browser.accessibility import violations
from tests.browser.guard import VIOLATIONS, Guard
from tests.browser.layout import still
from tests.running import address_in, serving, token_of

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
        return token_of(self.folder, user, role, hours)


@pytest.fixture(scope="session", autouse=True)
def _browser_is_there() -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium-headless-shell")
    for name in ("dist", "graphiql/dist"):
        if not (FRONTEND / name / "index.html").is_file():
            pytest.skip(f"frontend/{name} is not built (it takes Node.js and npm): make pages")


@contextmanager
def running_demo(folder: Path, data: Path, *arguments: str, **settings: str) -> Iterator[Demo]:
    """Start a gateway on a copy of the demo data, or on what an earlier one has left in the folder."""
    if not (folder / "var").exists():
        shutil.copytree(data, folder / "var")
    with serving(folder, "--demo", *arguments, **settings) as (_, welcome):
        yield Demo(address_in(welcome), folder)


@pytest.fixture(scope="session")
def demo(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Give a running gateway with the demo data, for all browser tests of this process."""
    with running_demo(tmp_path_factory.mktemp("browser"), demo_data) as running:
        yield running


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Give one Chromium for all tests."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        await browser.close()


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Watch the pages of a test; `guard.allow(pattern)` lets a fault pass that the test makes on purpose."""
    guard = Guard()
    yield guard
    assert guard.unexpected() == []


@pytest.fixture
async def open_page(browser: Browser, demo: Demo, guard: Guard) -> AsyncIterator[OpenPage]:
    """Give a function that opens pages, each in a browser of its own that knows nothing yet.

    ``await open_page("/", viewer="heavy", color_scheme="dark")``; `viewer` is who has signed in on the explore page,
    `token` theirs where it is not to be a good one, `quiz` whether the quiz may open by itself, and all else is for
    Playwright's `new_context`.
    """
    contexts: list[BrowserContext] = []

    async def open_one(
        path: str, *, viewer: str | None = None, token: str | None = None, quiz: bool = False, **options: Any
    ) -> Page:
        given = {"base_url": demo.address, "locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options}
        context = await browser.new_context(**given)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(VIOLATIONS)
        if not quiz:
            await context.add_init_script(_quiz_put_off(viewer))
        if viewer is not None:
            await context.add_init_script(_signed_in(viewer, token or demo.token(viewer)))
        page = await context.new_page()
        guard.watch(page, given["base_url"])
        await page.goto(path)
        return page

    yield open_one
    for context in contexts:
        await context.close()


def _quiz_put_off(viewer: str | None) -> str:
    """Give a script after which these visitors have closed the quiz on an earlier day."""
    visitors = json.dumps(["guest", "user:newcomer", f"user:{viewer}"])
    return f"{visitors}.forEach((visitor) => localStorage.setItem(`explore.quiz-put-off.${{visitor}}`, 'yes'))"


def _signed_in(viewer: str, token: str) -> str:
    user = json.dumps({"key": viewer, "name": viewer, "token": token})
    return f"sessionStorage.getItem('explore.user') ?? sessionStorage.setItem('explore.user', {json.dumps(user)})"


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Callable[[Page, str], Awaitable[None]]:
    """Give a function that keeps a screenshot of a settled layout: `await keep(page, "dark")`."""
    test = re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_")

    ARTIFACTS.mkdir(parents=True, exist_ok=True)

    async def take(page: Page, state: str) -> None:
        await still(page)
        await page.screenshot(path=ARTIFACTS / f"{test[:80]}.{state}.png")

    return take


@pytest.fixture
def check_schemes(keep: Callable[[Page, str], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Give a function that keeps a page and looks for violations in both schemes: `await check_schemes(page, "why")`.

    The page is opened in the dark scheme, which most tests do not do, and is left in it.
    """

    async def check(page: Page, state: str = "page", **exceptions: tuple[str, ...]) -> None:
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await keep(page, f"{scheme}_{state}")
            assert await violations(page, **exceptions) == [], scheme

    return check
