"""What no page may do, whatever a test looks at: noted while the page lives, and told when the test ends."""

import asyncio
import re
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from playwright.async_api import ConsoleMessage, Error, Page, Request, Response

VIOLATIONS = """
addEventListener('securitypolicyviolation', (event) =>
  console.error(`policy violated: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile ?? ''}`));
"""
"""Run in every page: a violation of the content policy becomes an error on the console, wherever it happens."""


_ON_THE_WAY: WeakKeyDictionary[Page, set[Request]] = WeakKeyDictionary()

QUIET_S = 0.5
"""For how long nothing may be on its way until a page counts as answered, as Playwright's networkidle has it."""

WAIT_AT_MOST_S = 30.0


async def answered(page: Page) -> None:
    """Wait until all that a watched page has asked is answered.

    Playwright's networkidle never comes: the stream that tells of changes is open as long as the page is looked at.
    """
    quiet_s, step_s = 0.0, 0.05
    async with asyncio.timeout(WAIT_AT_MOST_S):
        while quiet_s < QUIET_S:
            await asyncio.sleep(step_s)
            quiet_s = quiet_s + step_s if is_answered(page) else 0.0


def is_answered(page: Page) -> bool:
    """Say whether no request of a watched page is open at this moment."""
    return not _ON_THE_WAY[page]


def open_requests(page: Page) -> list[str]:
    """Name the requests of a watched page that are open at this moment."""
    return [f"{request.method} {request.url} {(request.post_data or '')[:80]}" for request in _ON_THE_WAY[page]]


def _is_stream(told: Request | Response, header: str) -> bool:
    return told.headers.get(header, "").startswith("text/event-stream")


class Guard:
    """Notes every error on the console, failed request and request to another host of the pages that it watches."""

    def __init__(self) -> None:
        self._allowed: list[re.Pattern[str]] = []
        self.faults: list[str] = []

    def allow(self, pattern: str) -> None:
        """Let faults pass in which this regular expression is found: those that a test makes on purpose."""
        self._allowed.append(re.compile(pattern))

    def watch(self, page: Page, address: str) -> None:
        """Note what this page does from now on; requests to any other origin than this address's are faults."""
        origin = urlsplit(address).netloc
        on_the_way = _ON_THE_WAY.setdefault(page, set())
        page.on("request", lambda request: None if _is_stream(request, "accept") else on_the_way.add(request))
        # GraphiQL accepts a stream with each request: the answer tells whether it is one.
        page.on(
            "response",
            lambda response: on_the_way.discard(response.request) if _is_stream(response, "content-type") else None,
        )
        page.on("requestfinished", lambda request: on_the_way.discard(request))  # noqa: PLW0108 (Playwright marks its handlers, which no built-in takes)
        page.on("requestfailed", lambda request: on_the_way.discard(request))  # noqa: PLW0108
        page.on("console", self._note_message)
        page.on("pageerror", self._note_error)
        page.on("request", lambda request: self._note_request(request, origin))
        page.on("requestfailed", self._note_failure)
        page.on("response", self._note_response)

    def unexpected(self) -> list[str]:
        """Give the faults that no test has allowed."""
        return [fault for fault in self.faults if not any(pattern.search(fault) for pattern in self._allowed)]

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _note_error(self, error: Error) -> None:
        self.faults.append(f"uncaught: {error}")

    def _note_request(self, request: Request, origin: str) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != origin:
            self.faults.append(f"another host: {request.url}")

    def _note_failure(self, request: Request) -> None:
        # A request that the page itself takes back is no fault: it was overtaken, or the page was left.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {request.method} {request.url} {request.failure}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"status {response.status}: {response.request.method} {response.url}")
